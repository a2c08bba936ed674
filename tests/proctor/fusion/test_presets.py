"""The presets: each says what it is for, speaks five languages, and waits as long as its name says."""

from pathlib import Path
from string import Formatter

import pytest

from proctor.domain.alerts import Alert
from proctor.fusion.engine import EngineState, FusionEngine
from proctor.fusion.faults import admit_policy
from proctor.fusion.grouping import ORDER
from proctor.fusion.news import words
from proctor.fusion.policy import Policy
from tests.fakes import facts
from tests.fakes.engines import spell

POLICIES = Path(__file__).resolve().parents[3] / "policies"
NAMES = ("strict", "standard", "relaxed")
LANGUAGES = {"en", "es", "de", "fr", "ar"}
PRESETS = {
    name: admit_policy((POLICIES / f"{name}.yaml").read_text(encoding="utf-8")) for name in NAMES
}


def fields(text: str) -> list[tuple[str, str]]:
    """The figures that a text names, with their formats, in the order of the alphabet."""
    return sorted((name, spec or "") for _, name, spec, _ in Formatter().parse(text) if name)


def texts(policy: Policy) -> list[dict[str, str]]:
    said = [each for rule in policy.rules for each in (rule.title, rule.reason)]
    said += [policy.closing.ended, policy.closing.unseen]
    return said + [group.joined for group in policy.groups.values()]


def test_there_are_three_and_each_is_named_as_its_file() -> None:
    assert {path.stem for path in POLICIES.glob("*.yaml")} == set(NAMES)
    for name, policy in PRESETS.items():
        assert (policy.id, policy.version, policy.provenance) == (name, 1, None)


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_for_and_what_it_costs_without_invented_figures(name: str) -> None:
    said = PRESETS[name].use_when
    assert said is not None and "cost" in said
    assert not any(letter.isdigit() or letter == "%" for letter in said)


@pytest.mark.parametrize("name", NAMES)
def test_every_text_says_the_same_figures_in_five_languages(name: str) -> None:
    for text in texts(PRESETS[name]):
        assert set(text) == LANGUAGES
        assert len(set(text.values())) == len(LANGUAGES), text["en"]
        for language in LANGUAGES:
            assert fields(text[language]) == fields(text["en"]), (language, text["en"])


def test_what_is_told_later_has_its_words_in_each_of_them() -> None:
    known = [words(language) for language in sorted(LANGUAGES)]
    for word, english in words("en").items():
        said = [each[word] for each in known]
        assert len(set(said)) == len(LANGUAGES), word
        assert all(fields(each) == fields(english) for each in said), word


def test_the_stricter_one_waits_less_and_weighs_more() -> None:
    for stricter, milder in (("strict", "standard"), ("standard", "relaxed")):
        mild = {rule.id: rule for rule in PRESETS[milder].rules}
        for rule in PRESETS[stricter].rules:
            other = mild.get(rule.id, rule)
            assert rule.for_ms <= other.for_ms, rule.id
            assert ORDER.index(rule.severity) >= ORDER.index(other.severity), rule.id
            assert ORDER.index(rule.top) >= ORDER.index(other.top), rule.id
        assert mild.keys() <= {rule.id for rule in PRESETS[stricter].rules}


Step = tuple[str, int, int, int | None]
"""A signal: kind, beginning, newest moment, end."""


def told(name: str, *steps: Step) -> list[Alert]:
    """What a preset makes of signals."""
    one = FusionEngine(facts.spec(), PRESETS[name], EngineState())
    alerts: list[Alert] = []
    for kind, began_ms, last_ms, ended_ms in steps:
        alerts += one.feed([spell(kind, began_ms, last_ms, ended_ms)], last_ms, facts.BEGAN).alerts
    return alerts


def test_six_looks_aside_are_told_as_often_by_the_strict_one_alone() -> None:
    looks: list[Step] = []
    for began_ms in range(0, 240_000, 40_000):
        for ended_ms in (None, began_ms + 4_000):
            looks.append(("gaze_away", began_ms, began_ms + 3_000, ended_ms))
    for name in NAMES:
        often = [alert for alert in told(name, *looks) if alert.rule_id == "looking_away_often"]
        assert len(often) == (1 if name == "strict" else 0)


def test_a_look_right_after_speech_is_told_by_the_strict_one_alone() -> None:
    story: list[Step] = [
        ("speech", 0, 3_000, None),
        ("speech", 0, 3_000, 3_000),
        ("gaze_away", 9_000, 12_000, None),
    ]
    for name in NAMES:
        rules = [alert.rule_id for alert in told(name, *story)]
        assert ("look_after_speech" in rules) == (name == "strict")


def test_the_relaxed_one_makes_one_thread_of_looking_around() -> None:
    alerts = told("relaxed", ("gaze_away", 0, 11_000, None), ("head_turned", 5_000, 16_000, None))
    assert [(alert.rule_id, alert.transition, alert.suppressed_by) for alert in alerts] == [
        ("looking_away", "opened", None),
        ("head_turned", "opened", "grouped:looking_away"),
        ("looking_away", "updated", None),
    ]
    assert alerts[-1].reason == "Also: Head turned away. Grouped so far: 1."


def test_another_person_is_urgent_in_all_and_keeps_the_unverified_quiet() -> None:
    story: list[Step] = [
        ("different_person", 0, 3_000, None),
        ("identity_unverified", 0, 4_000, None),
    ]
    for name in NAMES:
        first, second = told(name, *story)
        assert (first.rule_id, first.severity) == ("different_person", "high")
        assert second.suppressed_by == (
            None if name == "standard" else "inhibited:different_person"
        )
