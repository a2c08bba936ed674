"""The cases: what happens when, and what of it must be told."""

from pathlib import Path

import pytest

from bench.candidate.pictures import Covered
from bench.candidate.sounds import from_first_word
from bench.cast import Cast
from bench.network.cases import BEGINS_S, CASES, Case, cases_named, write_case_script
from bench.network.matrix import jobs_of
from proctor.domain.errors import InvalidInput
from proctor.fusion.policy import Policy, parse_policy

POLICIES = Path(__file__).parents[3] / "policies"


@pytest.fixture
def policy() -> Policy:
    return parse_policy((POLICIES / "standard.yaml").read_text())


@pytest.fixture
def cast() -> Cast:
    import numpy as np

    pictures = Covered()
    tone = (np.sin(np.arange(48_000)) * 9_000).astype(np.int16)
    return Cast(
        calm=pictures,
        aside=None,
        room=pictures,
        beside=pictures,
        other=None,
        covered=pictures,
        speech=from_first_word(tone),
        enrolment=(),
        probes=(),
        other_probes=(),
        notes=(),
    )


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_something_must_be_told_before_and_after_and_during_unless_nothing_is_seen(
    case: Case, cast: Cast, policy: Policy
) -> None:
    script = write_case_script(cast, policy, case)
    good_s = BEGINS_S + case.lasts_s
    told = [scene for scene in script.scenes if scene.expects]
    before = [scene for scene in told if script.end_of(scene) <= BEGINS_S]
    during = [s for s in told if s.start_s >= BEGINS_S and script.end_of(s) <= good_s]
    after = [scene for scene in told if scene.start_s >= good_s + 10]
    assert len(before) == 1 and len(after) == 2
    assert len(during) == (0 if case.breaks else 2)
    assert len(told) == len(before) + len(during) + len(after)
    for scene in told:  # long enough for the rule that must open
        assert script.end_of(scene) - scene.start_s > scene.expects[0].dwell_s


def test_the_issues_own_cases_are_there() -> None:
    weathers = [case.weather for case in CASES.values()]
    assert {w.loss for w in weathers} >= {0.05, 0.2, 0.4}
    assert {w.jitter_ms for w in weathers} >= {300} and {w.kbps for w in weathers} >= {1_000}
    assert {case.lasts_s for case in CASES.values() if case.weather.is_cut} == {3, 10, 60}
    assert any(c.moves for c in CASES.values()) and any(c.behind_nat for c in CASES.values())


def test_cases_are_named_and_an_unknown_one_is_told_with_those_that_there_are() -> None:
    assert [case.name for case in cases_named("cut-3, moved")] == ["cut-3", "moved"]
    for names in ("loss-99", "", "cut-3,nothing"):
        with pytest.raises(InvalidInput, match="there are calm, loss-5"):
            cases_named(names)


def test_a_browser_plays_the_first_seeds_and_all_that_needs_turn() -> None:
    jobs = jobs_of(cases_named("cut-3,turn"), seeds=3, browsers=1)
    assert [(job.case.name, job.seed, job.in_browser) for job in jobs] == [
        ("cut-3", 0, True),
        ("turn", 0, True),
        ("cut-3", 1, False),
        ("cut-3", 2, False),
    ]
