"""Policies read once: parsing one takes tens of milliseconds, which no event loop has to spare."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from proctor.domain.errors import InvalidInput
from proctor.fusion.explain import rule_texts
from proctor.fusion.policy import Policy, parse_policy

KEPT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicy:
    """What is asked of a policy again and again.

    Attributes:
        policy: As it was parsed; None for one that cannot be read any more.
        titles: What each rule is called, in the policy's language.
        rules: Each rule as YAML.
    """

    policy: Policy | None
    titles: dict[str, str]
    rules: dict[str, str]

    def title(self, rule_id: str) -> str:
        """What a rule is called; its id where that is not known."""
        return self.titles.get(rule_id, rule_id)


NOT_READABLE = ReadPolicy(policy=None, titles={}, rules={})


class PolicyReader:
    """Reads policies in a thread and remembers the last ones by their text, which never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, ReadPolicy] = OrderedDict()

    async def read(self, text: str) -> ReadPolicy:
        """The policy; `NOT_READABLE` for a text that is none any more."""
        known = self._known.get(text)
        if known is None:
            known = await asyncio.to_thread(_read, text)
            self._known[text] = known
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(text)
        return known


def _read(text: str) -> ReadPolicy:
    try:
        policy = parse_policy(text)
    except InvalidInput:
        return NOT_READABLE
    return ReadPolicy(
        policy=policy,
        titles={rule.id: rule.title[policy.language] for rule in policy.rules},
        rules=rule_texts(text),
    )
