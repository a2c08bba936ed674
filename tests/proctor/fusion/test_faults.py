"""Whoever writes a policy is told everything at once, with its line; what is unmeasured must be said."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.domain.errors import InvalidInput, PolicyRefused
from proctor.fusion.faults import Fault, admit_policy, faults_of
from proctor.fusion.plain_yaml import write_plain
from proctor.fusion.policy import parse_policy
from tests.fakes.engines import policy_text

POLICIES = Path(__file__).resolve().parents[3] / "policies"
WRONG = """id: bad
version: 0
name: Bad
sampling: {face_hz: .nan, audio: "yes"}
rules:
  - id: one
    category: conduct
    severity: high
    when: {signal: gaze_away}
    title: {english: x}
    reason: {en: x}
    foo: 1
  - id: two
    category: conduct
    severity: low
    when:
      any:
        - signal: speech
        - signal: phone
    title: {en: Low attention}
    reason: {en: x}
  - id: three
    category: conduct
    severity: high
    when: {not: {signal: gaze_away}}
    title: {en: "{lasted_s}"}
    reason: {en: "{lasted_s!r}"}
  - id: four
    category: conduct
    severity: high
    when: {count: {signal: gaze_away, at_least: 3, last_ms: 60000}}
    title: {en: Often}
"""


def test_everything_is_told_at_once_in_the_order_of_the_lines() -> None:
    assert [(fault.line, fault.where) for fault in faults_of(WRONG)] == [
        (2, "version"),
        (4, "sampling.face_hz"),
        (4, "sampling.audio"),
        (10, "rules.0.title.english"),
        (12, "rules.0.foo"),
        (19, "rules.1.when.any.1.signal"),
        (20, ""),
        (22, "rules.2"),
        (22, "rules.2"),
        (28, "rules.3.reason"),
    ]


def test_what_parts_ask_of_one_another_is_told_together_too() -> None:
    text = policy_text(
        {"id": "one", "when": {"signal": "other_voice"}, "inhibited_by": ["two"]},
        {"id": "two", "when": {"signal": "object_seen"}, "group": "things"},
        language="de",
    )
    said = " ".join(str(fault) for fault in faults_of(text))
    for what in (
        "needs sampling.speakers_every_s",
        "needs sampling.objects_every_s",
        "two, which must stand before it",
        "no group things",
        "one has no text in the policy's language 'de'",
        "closing has no text",
    ):
        assert what in said


def test_every_fault_is_one_plain_line() -> None:
    for fault in faults_of(WRONG):
        assert "\n" not in str(fault) and str(fault).startswith(f"line {fault.line}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("id: [", 1),
        ("id: a\nname: b: c", 2),
        ("id: a\nid: b", None),
        ("[" * 5_000, None),
        ("x" * 70_000, None),
        ("a: &x [1]\nb: *x", None),
        ("just words", None),
        ("id: a\nrules: []", 2),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line_where_it_has_one(
    text: str, line: int | None
) -> None:
    faults = faults_of(text)
    assert faults
    assert line is None or line in [fault.line for fault in faults]
    with pytest.raises(PolicyRefused):
        admit_policy(text)


def rests_on(kind: str, **changes: object) -> str:
    rule = {"id": "one", "when": {"signal": kind}, "reason": {"en": "x"}} | changes
    return policy_text(rule, sampling={"objects_every_s": 5.0})


@pytest.mark.parametrize("kind", ["whisper", "not_live", "object_seen", "steady_beat"])
def test_a_rule_on_what_nobody_measured_says_that_it_is_one(kind: str) -> None:
    (fault,) = faults_of(rests_on(kind))
    assert fault.code == "detector/unmeasured"
    assert f"rests on {kind}, which is unmeasured" in fault.what
    with pytest.raises(PolicyRefused) as refused:
        admit_policy(rests_on(kind))
    assert refused.value.code == "detector/unmeasured"
    for accepted in (rests_on(kind, unmeasured="accept"), rests_on(kind, severity="info")):
        assert admit_policy(accepted) is parse_policy(accepted)


def test_an_unmeasured_signal_behind_a_new_word_is_found_too() -> None:
    often = {"count": {"signal": "whisper", "at_least": 2, "last_ms": 60_000}}
    both = {"all": [{"signal": "speech"}, {"within": {"signal": "whisper", "last_ms": 60_000}}]}
    for when in (often, both):
        (fault,) = faults_of(rests_on("speech", when=when))
        assert fault.code == "detector/unmeasured"
    restricted = {"all": [{"signal": "speech"}, {"not": {"signal": "whisper"}}]}
    assert faults_of(rests_on("speech", when=restricted)) == ()


def test_what_serves_already_is_still_read() -> None:
    """Yesterday's exams name no `unmeasured`; they go on."""
    old = (POLICIES / "standard.yaml").read_text(encoding="utf-8").replace("unmeasured:", "#")
    assert {fault.code for fault in faults_of(old)} == {"detector/unmeasured"}
    assert parse_policy(old).id == "standard"


def test_a_state_of_mind_weighs_more_than_other_faults() -> None:
    with pytest.raises(PolicyRefused) as refused:
        admit_policy(WRONG)
    assert refused.value.code == "detector/prohibited"
    assert refused.value.faults == tuple(str(fault) for fault in faults_of(WRONG))


def test_a_text_may_not_turn_others_around() -> None:
    hidden = {"en": "Nobody \u202eseen"}
    rule = {"id": "one", "when": {"signal": "no_face"}, "title": hidden}
    (fault,) = faults_of(policy_text(rule))
    assert fault.what == "direction characters are not taken"


LATELY = {"within": {"signal": "no_face", "last_ms": 9_000}}
PLAIN = policy_text(
    {
        "id": "one",
        "when": {"all": [{"signal": "speech"}, {"not": LATELY}]},
        "escalate": {"after_ms": 9_000, "severity": "medium"},
    },
    {"id": "two", "when": {"count": {"signal": "gaze_away", "at_least": 3, "last_ms": 9_000}}},
    groups={"looks": {"window_ms": 9_000}},
    sampling={"face_hz": 1.0},
)
NAMES = ("signal", "all", "any", "not", "within", "count", "id", "en", "rules", "severity", "high")
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(NAMES)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a tree."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    for name, part in tree.items() if isinstance(tree, dict) else ():
        yield (*path, name)
        yield from places(part, (*path, name))


def test_the_policy_that_is_spoilt_below_is_a_right_one() -> None:
    assert faults_of(PLAIN) == ()


@settings(deadline=None)
@given(data=st.data())
def test_whatever_is_put_wherever_faults_are_told_when_and_only_when_it_is_refused(
    data: st.DataObject,
) -> None:
    tree = yaml.safe_load(PLAIN)
    *path, name = data.draw(st.sampled_from(list(places(tree))))
    inner = tree
    for step in path:
        inner = inner[step]
    inner[name] = data.draw(anything)
    text = write_plain(tree)
    faults = faults_of(text)
    if not faults:
        assert parse_policy(text) is admit_policy(text)
        return
    assert all("\n" not in str(fault) for fault in faults)
    with pytest.raises(InvalidInput):
        parse_policy(text)


def test_a_fault_reads_well_without_a_line_or_a_field() -> None:
    assert str(Fault(None, "", "too long")) == "too long"
    assert str(Fault(3, "version", "too low")) == "line 3: version: too low"


@pytest.mark.parametrize("once", ["{}: 1", "{}: {{}}"])
def test_a_policy_of_nothing_but_names_costs_no_more_than_reading_it(once: str) -> None:
    """Work that grows with the square of the names kept a gateway busy for six seconds."""

    def lines(names: int) -> int:
        count = 0

        def counted(_: object, event: str, __: object) -> Any:
            nonlocal count
            count += event == "line"
            return counted

        text = "\n".join(once.format(f"n{place}") for place in range(names))
        before = sys.gettrace()
        sys.settrace(counted)
        try:
            assert faults_of(text)
        finally:
            sys.settrace(before)
        return count

    assert lines(3_000) < 15 * lines(300)


@pytest.mark.parametrize(
    "denied",
    [
        {"not": {"signal": "whisper"}},
        {"all": [{"signal": "speech"}, {"not": {"signal": "whisper"}}]},
        {"any": [{"all": [{"not": {"signal": "whisper"}}]}, {"signal": "speech"}]},
    ],
)
def test_nothing_is_denied_twice(denied: dict[str, Any]) -> None:
    """It would be a way around `unmeasured: accept`, and sixty of them would judge for a hundred years."""
    when = {"all": [{"signal": "speech"}, {"not": denied}]}
    with pytest.raises(InvalidInput, match="`not` within a `not`"):
        parse_policy(policy_text({"id": "one", "when": when}))
