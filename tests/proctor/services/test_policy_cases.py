"""Cases of policies: the standard policy's hold, and a policy that breaks a rule fails by its name."""

import re
from pathlib import Path

import pytest
import yaml

from proctor.adapters.recordings.arrow import read_arrow, write_arrow
from proctor.domain.errors import InvalidInput
from proctor.fusion.policy import parse_policy
from proctor.services.policy_cases import read_cases, run_cases
from tests.fakes import facts
from tests.fakes.tapes import Recorded

FOLDER = facts.ROOT / "policies" / "tests"
STANDARD_CASES = (FOLDER / "standard.yaml").read_text(encoding="utf-8")
RULES = [rule.id for rule in parse_policy(facts.STANDARD_POLICY).rules]


def one_case(text: str) -> str:
    return f"cases:\n  - name: a case\n{text}"


ABSENCE = """
    seen:
      - {from_s: 0, to_s: 5, faces: 1}
      - {from_s: 5, to_s: 15, faces: 0}
"""


def fails(incidents: str, seen: str = ABSENCE) -> list[str]:
    return list(run_cases(facts.STANDARD_POLICY, [one_case(f"{seen}\n    incidents: {incidents}")]))


@pytest.mark.parametrize("rule", RULES)
def test_a_policy_that_breaks_a_rule_fails_with_the_rule_s_name(rule: str) -> None:
    tree = yaml.safe_load(facts.STANDARD_POLICY)
    for each in tree["rules"]:
        if each["id"] == rule:
            each["for_ms"] = 600_000
            each.pop("escalate", None)
    found = run_cases(yaml.safe_dump(tree), [STANDARD_CASES])
    assert found
    assert {re.search(r"rule (\w+):", line).group(1) for line in found} == {rule}  # type: ignore[union-attr]
    assert any("did not come" in line for line in found)


def test_a_threshold_that_is_too_quick_fails_with_the_case_s_name() -> None:
    tree = yaml.safe_load(facts.STANDARD_POLICY)
    tree["rules"][0]["for_ms"] = tree["sensing"]["no_face"]["dwell_ms"] = 100
    found = run_cases(yaml.safe_dump(tree), [STANDARD_CASES])
    assert any(
        line.startswith(
            "a face that is missed for two seconds is nobody's absence: rule no_face: came"
        )
        for line in found
    )


@pytest.mark.parametrize(
    ("incidents", "told"),
    [
        ("[{rule: no_face, opened_s: 5}]", []),
        ("[{rule: no_face, opened_s: 5, closed_s: 15, severity: medium}]", []),
        ("[]", ["a case: rule no_face: came at 5 s, was not expected"]),
        (
            "[{rule: no_face, opened_s: 7}]",
            ["a case: rule no_face: expected at 7 s, came at 5 s"],
        ),
        (
            "[{rule: no_face, opened_s: 5, closed_s: 9}]",
            ["a case: rule no_face: expected to end at 9 s, ended at 15 s"],
        ),
        (
            "[{rule: no_face, opened_s: 5, severity: high}]",
            ["a case: rule no_face: expected severity high, reached medium"],
        ),
        (
            "[{rule: no_face, opened_s: 5}, {rule: speech, opened_s: 1}]",
            ["a case: rule speech: expected at 1 s, did not come"],
        ),
        (
            "[{rule: no_face, opened_s: 5}, {rule: nothing, opened_s: 1}]",
            ["a case: rule nothing: the policy has none of this name"],
        ),
        (
            "[{rule: no_face, opened_s: 5, suppressed_by: break}]",
            ["a case: rule no_face: expected to be suppressed by break, was by nothing"],
        ),
    ],
)
def test_a_failure_says_what_was_expected_and_what_came(incidents: str, told: list[str]) -> None:
    assert fails(incidents) == told


def test_a_case_looks_at_the_rules_that_it_names_alone() -> None:
    assert fails("[]\n    rules: [speech]") == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("cases: []", "cases"),
        ("cases: [{name: x, incidents: []}]", "either `seen` or `recording`"),
        (one_case("    seen: [{from_s: 0, to_s: 1, emotion: sad}]\n    incidents: []"), "emotion"),
        (one_case("    seen: [{from_s: 2, to_s: 1, faces: 1}]\n    incidents: []"), "to_s"),
        (one_case("    seen: [{from_s: 0, to_s: 1}]\n    incidents: []"), "nothing is seen"),
        (one_case("    seen: [{from_s: .nan, to_s: 1, faces: 1}]\n    incidents: []"), "from_s"),
        (
            one_case("    seen: &a [{from_s: 0, to_s: 1, faces: 1}]\n    incidents: *a"),
            "references",
        ),
        ("cases: [", "YAML"),
        (
            one_case(
                "    seen: [{from_s: 0, to_s: 9000, every_s: 0.05, faces: 1}]\n    incidents: []"
            ),
            "looks",
        ),
        (
            one_case(
                "    seen: [{from_s: 0, to_s: 1, faces: 1}]\n    length_s: 14401\n    incidents: []"
            ),
            "length_s",
        ),
        ("x" * 1_000_001, "characters"),
        ("!!timestamp x", "YAML"),
        (
            one_case(
                "    seen: [{from_s: 0, to_s: 1, objects: [" + "a," * 21 + "]}]\n    incidents: []"
            ),
            "objects",
        ),
        (
            one_case(
                "    seen: [{from_s: 0, to_s: 3000, every_s: 0.05, objects: [book, phone]}]\n"
                "    incidents: []"
            ),
            "looks",
        ),
        (
            one_case(
                "    seen: [{from_s: 0, to_s: 500, every_s: 0.05, faces: 1, match: 1.0, live: 1.0}]\n"
                "    incidents: []"
            ),
            "looks",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_the_field(text: str, where: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_cases(text)
    assert where in told.value.detail
    assert told.value.code == "policy/bad-case"


def test_files_are_bounded_together_and_not_each_for_itself() -> None:
    long = one_case(
        "    seen: [{from_s: 0, to_s: 1, faces: 1}]\n    length_s: 14400\n    incidents: []"
    )
    with pytest.raises(InvalidInput) as told:
        run_cases(facts.STANDARD_POLICY, [long, long])
    assert told.value.code == "policy/bad-case"
    assert "together" in told.value.detail


def test_a_recording_is_a_case_too() -> None:
    one = Recorded()
    seen = facts.media_come() + facts.attentive_face(0, 5_000, 0.0, hz=2)
    one.play(facts.reports([*seen, *(facts.faces(at) for at in range(5_000, 12_000, 500))], 12_000))
    one.step(lambda judge: judge.end(12_000, facts.BEGAN))
    one.write_down()
    rows = {"absence.arrow": read_arrow(write_arrow(one.rows()))}
    good = one_case("    recording: absence.arrow\n    incidents: [{rule: no_face, opened_s: 5}]")
    bad = one_case("    recording: absence.arrow\n    incidents: []")
    assert run_cases(facts.STANDARD_POLICY, [good], rows) == []
    assert run_cases(facts.STANDARD_POLICY, [bad], rows) == [
        "a case: rule no_face: came at 5 s, was not expected"
    ]
    assert run_cases(facts.STANDARD_POLICY, [good]) == [
        "a case: the recording absence.arrow is not there"
    ]


def test_every_rule_of_the_standard_policy_has_a_case() -> None:
    wanted = {each.rule for case in read_cases(STANDARD_CASES).cases for each in case.incidents}
    assert wanted == set(RULES)
    assert Path(FOLDER / "standard.yaml").is_file()
