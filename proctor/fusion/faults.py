"""Everything that is wrong with a policy's text, with its lines, for whoever writes or attaches one.

`parse_policy` reads what serves already and stops at the first fault. What may newly be attached is asked
more here: an old exam's policy stays readable when a detector turns out to be unmeasured.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from proctor.domain.errors import PolicyRefused
from proctor.fusion.measured import wrong_measure
from proctor.fusion.plain_yaml import DIRECTION_CHARS, UNREADABLE, PlainLoader
from proctor.fusion.policy import MAX_POLICY_CHARS, Policy, parse_policy
from proctor.fusion.prohibited import states_of_mind
from proctor.fusion.wrong import Faults

MOST_FAULTS = 200
PROHIBITED = "detector/prohibited"
UNMEASURED = "detector/unmeasured"
INVALID = "policy/invalid"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        line: Where, 1 for the first line; None when the text as a whole is meant.
        where: The field, such as `rules.3.severity`; empty when the text as a whole is meant.
        what: What is wrong, in one sentence.
        code: `policy/invalid`, `detector/prohibited` or `detector/unmeasured`.
    """

    line: int | None
    where: str
    what: str
    code: str = INVALID

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        return f"{place}{self.where}: {self.what}" if self.where else f"{place}{self.what}"


def faults_of(text: str) -> tuple[Fault, ...]:
    """All that is wrong with a policy, in the order of its lines; () for one that may be attached.

    What parts ask of one another (rates, inhibition, languages) is looked at once each part is right.
    """
    if len(text) > MAX_POLICY_CHARS:
        return (Fault(None, "", f"a policy has at most {MAX_POLICY_CHARS} characters"),)
    try:
        root, plain = _read(text)
    except UNREADABLE as error:
        return (_unreadable(error),)
    found = list(_prohibited(root)) if root is not None else []
    try:
        policy = Policy.model_validate_json(plain)
    except ValidationError as error:
        found += _refused(error, root)
    else:
        found += [
            Fault(_found(root, ("rules", index))[1], f"rules.{index}", what, UNMEASURED)
            for index, what in wrong_measure(policy)
        ]
    found.sort(key=lambda fault: fault.line or 0)
    return tuple(dict.fromkeys(found))[:MOST_FAULTS]


def admit_policy(text: str) -> Policy:
    """Read a policy that is to be attached. Raises `PolicyRefused` with everything that is wrong."""
    if faults := faults_of(text):
        raise refusal(faults)
    return parse_policy(text)


def refusal(faults: Sequence[Fault]) -> PolicyRefused:
    """The error that tells of these faults; a state of mind weighs more than the rest."""
    first = next((each for each in faults if each.code == PROHIBITED), faults[0])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return PolicyRefused(f"{first}{more}", first.code, tuple(str(each) for each in faults))


def _read(text: str) -> tuple[yaml.Node | None, str]:
    """(the text's parts with their lines, its value as JSON). Raises one of `UNREADABLE`."""
    loader = PlainLoader(text)
    try:
        root = loader.get_single_node()
        return root, json.dumps(None if root is None else loader.construct_document(root))
    finally:
        loader.dispose()


def _unreadable(error: Exception) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error)
    what = " ".join(str(said).split())[:300]
    return Fault(None if mark is None else mark.line + 1, "", f"not a policy in YAML: {what}")


def _prohibited(node: yaml.Node) -> Iterator[Fault]:
    """What no text of a policy may say or hide."""
    if isinstance(node, yaml.ScalarNode):
        for word in states_of_mind([str(node.value)]):
            what = f"{word!r} names a state of mind; none is inferred here"
            yield Fault(node.start_mark.line + 1, "", what, PROHIBITED)
        if DIRECTION_CHARS & set(str(node.value)):
            yield Fault(node.start_mark.line + 1, "", "direction characters are not taken")
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _prohibited(part)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _prohibited(key)
            yield from _prohibited(value)


def _refused(error: ValidationError, root: yaml.Node | None) -> Iterator[Fault]:
    all_of_them = error.errors(include_url=False, include_input=False)
    for one in all_of_them[:MOST_FAULTS]:  # each is looked for in the whole text
        path = one["loc"]
        if one["type"] == "too_short" and any(
            len(each["loc"]) > len(path) and each["loc"][: len(path)] == path
            for each in all_of_them
        ):
            continue  # it is only too short without the parts that are told of themselves
        where, line = _found(root, path)
        if one["type"] == "missing":
            where = (*where, path[-1])
        named = ".".join(str(part) for part in where)
        raised: Any = one.get("ctx", {}).get("error")
        if isinstance(raised, Faults):
            for what in raised.faults:
                yield Fault(line, named, what)
        else:
            yield Fault(line, named, one["msg"].removeprefix("Value error, "))


def _found(
    node: yaml.Node | None, path: Sequence[str | int]
) -> tuple[tuple[str | int, ...], int | None]:
    """(the path as it stands in the text, the line of its end); what stands nowhere is passed over."""
    line, where = None, list[str | int]()
    for part in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line + 1
                    where.append(part)
                    break
        elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            where.append(part)
    return tuple(where), line
