"""What one exam changes of a policy: rates, limits, and rules made quieter or left out.

An override never makes a rule more urgent and adds none: for that a policy of one's own gets a new
version. The result is a whole policy, checked like any other, with what was changed written into it.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field

from proctor.domain.errors import InvalidInput
from proctor.fusion.faults import admit_policy
from proctor.fusion.grouping import ORDER
from proctor.fusion.plain_yaml import read_plain, write_plain
from proctor.fusion.policy import MAX_POLICY_CHARS
from proctor.sensing.strict import Milliseconds, PositiveMilliseconds, Strict

MAX_OVERRIDES_CHARS = 20_000

Figure = bool | int | float
Part = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Level = Literal["info", "low", "medium", "high"]


class EscalationChange(Strict):
    """When a rule becomes more urgent.

    Attributes:
        after_ms: How long the behaviour must have lasted; not shorter than the policy says.
        severity: What it becomes; not above what the policy says.
    """

    after_ms: PositiveMilliseconds
    severity: Level


class RuleChange(Strict):
    """What changes of a rule; what is left out stays.

    Attributes:
        off: The rule is left out.
        severity: A lower one.
        for_ms: How long it must hold; not shorter than the policy says.
        escalate: When it becomes more urgent, not sooner than the policy says; null for never.
    """

    off: bool = False
    severity: Level | None = None
    for_ms: Milliseconds | None = None
    escalate: EscalationChange | None = None


class Overrides(Strict):
    """What changes of a policy.

    Attributes:
        sampling: Rates, by name.
        sensing: Limits, by part and name.
        rules: Rules, by id.
    """

    sampling: Annotated[dict[Part, Figure], Field(max_length=50)] = Field(default={})
    sensing: Annotated[
        dict[Part, dict[Part, Figure | list[Annotated[str, Field(max_length=64)]]]],
        Field(max_length=50),
    ] = Field(default={})
    rules: Annotated[dict[Part, RuleChange], Field(max_length=100)] = Field(default={})


NOTHING = Overrides()


def overridden(text: str, overrides: Overrides, language: str | None = None) -> str:
    """The policy with the changes; the very text when there are none.

    Args:
        text: A valid policy.
        overrides: What changes.
        language: The language of titles and reasons; None for the policy's own.

    Raises:
        InvalidInput: A rule that does not exist, or one made more urgent or quicker
            (`policy/override`).
        PolicyRefused: The result is no policy that may be attached.
    """
    said: dict[str, Any] = overrides.model_dump(mode="json", exclude_unset=True)
    if language is not None:
        said["language"] = language
    if not said:
        return text
    tree, _ = read_plain(text)
    if language is not None:
        tree["language"] = language
    tree["sampling"] = tree.get("sampling", {}) | said.get("sampling", {})
    for part, limits in said.get("sensing", {}).items():
        sensing = tree.setdefault("sensing", {})
        sensing[part] = sensing.get(part, {}) | limits
    _change_rules(tree, said.get("rules", {}))
    written = write_plain(said)
    if len(written) > MAX_OVERRIDES_CHARS:
        raise _wrong(f"overrides have at most {MAX_OVERRIDES_CHARS} characters")
    base_sha256 = hashlib.sha256(text.encode()).hexdigest()
    tree["provenance"] = {"base_sha256": base_sha256, "overrides": written}
    changed = write_plain(tree)
    if len(changed) > MAX_POLICY_CHARS:
        raise _wrong(f"with the overrides the policy has over {MAX_POLICY_CHARS} characters")
    admit_policy(changed)
    return changed


def _change_rules(tree: dict[str, Any], changes: dict[str, dict[str, Any]]) -> None:
    rules = {rule["id"]: rule for rule in tree["rules"]}
    for rule_id, change in changes.items():
        if rule_id not in rules:
            raise _wrong(f"overrides.rules.{rule_id}: the policy has no such rule")
        rule = rules[rule_id]
        top = _rank((rule.get("escalate") or rule)["severity"])
        if _rank(change.get("severity") or "info") > _rank(rule["severity"]):
            raise _wrong(f"overrides.rules.{rule_id}.severity: above {rule['severity']}")
        if _rank((change.get("escalate") or {}).get("severity", "info")) > top:
            raise _wrong(f"overrides.rules.{rule_id}.escalate.severity: above the policy's")
        if change.get("for_ms") is not None and change["for_ms"] < rule.get("for_ms", 0):
            raise _wrong(f"overrides.rules.{rule_id}.for_ms: below {rule['for_ms']}")
        after_ms = (rule.get("escalate") or {}).get("after_ms", 0)
        if change.get("escalate") and change["escalate"]["after_ms"] < after_ms:
            raise _wrong(f"overrides.rules.{rule_id}.escalate.after_ms: below {after_ms}")
        for name in ("severity", "for_ms"):
            if change.get(name) is not None:
                rule[name] = change[name]
        if "escalate" in change:
            rule["escalate"] = change["escalate"]
        if change.get("off"):
            del rules[rule_id]
    for rule in rules.values():
        if "inhibited_by" in rule:
            rule["inhibited_by"] = [name for name in rule["inhibited_by"] if name in rules]
    tree["rules"] = list(rules.values())


def _rank(severity: str) -> int:
    return ORDER.index(severity)  # a severity is its own word


def _wrong(detail: str) -> InvalidInput:
    return InvalidInput(detail, "policy/override")
