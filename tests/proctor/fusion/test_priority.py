"""Which session to look at first: nothing from what was not seen, and no order of arrival decides."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.allowances import Accommodation, Break, BreakBy
from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import SignalId
from proctor.domain.priority import Priority, Withheld
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.fusion.budget import AlertBudget
from proctor.fusion.covers import covered
from proctor.fusion.policy import WEAK, parse_policy
from proctor.fusion.priority import (
    SOURCES,
    WEIGHTS,
    PriorityLedger,
    PriorityPolicy,
    PriorityState,
    watched_share,
)
from tests.fakes.facts import STANDARD_POLICY

POLICY = PriorityPolicy()
SMALL = """
id: small
version: 1
name: Small
rules:
  - {id: talk, category: conduct, severity: low, when: {signal: speech}, title: {en: x}, reason: {en: x}}
"""
MINUTE = 60_000


def signal(
    kind: SignalKind, started_ms: int = 0, ended_ms: int | None = None, probability: float = 0.9
) -> Signal:
    return Signal(
        signal_id=SignalId(f"sig_{kind}_{started_ms}"),
        kind=kind,
        started_ms=started_ms,
        ended_ms=ended_ms,
        probability=probability,
        support=Support(observations=3),
    )


def watched(
    until_ms: int | None = None, blind_from_ms: int | None = None
) -> list[CoverageInterval]:
    parts = [
        (CoverageState.MONITORED, None, 0, until_ms if blind_from_ms is None else blind_from_ms)
    ]
    if blind_from_ms is not None:
        parts.append((CoverageState.BLIND, CoverageReason.NO_MEDIA, blind_from_ms, until_ms))  # type: ignore[arg-type]
    return [
        CoverageInterval(
            modality=modality, state=state, reason=reason, start_ms=start_ms, end_ms=end_ms
        )
        for modality in Modality
        for state, reason, start_ms, end_ms in parts
    ]


def ledger(*signals: Signal, policy: PriorityPolicy = POLICY) -> PriorityLedger:
    made = PriorityLedger(policy, PriorityState())
    made.take(signals)
    return made


def of(*signals: Signal, now_ms: int = MINUTE, policy: PriorityPolicy = POLICY) -> Priority:
    return ledger(*signals, policy=policy).at(now_ms, watched())


def value(*signals: Signal, now_ms: int = MINUTE, policy: PriorityPolicy = POLICY) -> float:
    found = of(*signals, now_ms=now_ms, policy=policy).value
    assert found is not None
    return found


def test_a_quiet_session_has_the_base() -> None:
    found = of()
    assert found.value == pytest.approx(0.05)
    assert (found.contributions, found.withheld) == ((), None)


def test_evidence_is_a_weighted_sum_of_log_odds() -> None:
    found = of(signal(SignalKind.SEVERAL_FACES, 5_000), signal(SignalKind.SPEECH, 9_000))
    nine_to_one = math.log(9)
    assert [(each.kind, each.since_ms) for each in found.contributions] == [
        (SignalKind.SEVERAL_FACES, 5_000),
        (SignalKind.SPEECH, 9_000),
    ]
    assert found.contributions[0].log_odds == pytest.approx(2.0 * nine_to_one)
    assert found.contributions[1].log_odds == pytest.approx(0.6 * nine_to_one)
    odds = (0.05 / 0.95) * 9**2.6
    assert found.value == pytest.approx(odds / (1 + odds))


def test_of_one_source_only_the_strongest_counts() -> None:
    """The gaze and the head come from the same face in the same picture."""
    both = of(signal(SignalKind.GAZE_AWAY), signal(SignalKind.HEAD_TURNED))
    assert [each.kind for each in both.contributions] == [SignalKind.HEAD_TURNED]
    assert both.value == value(signal(SignalKind.HEAD_TURNED))


def test_sources_are_those_of_the_rules_and_no_outage_is_one() -> None:
    assert {kind: SOURCES[kind] for kind in WEAK} == {kind: WEAK[kind][1] for kind in WEAK}
    outages = {SignalKind.CAMERA_COVERED, SignalKind.VIDEO_FROZEN}
    assert SOURCES.keys() == WEIGHTS.keys() == set(SignalKind) - outages


def test_half_is_left_after_a_half_life_and_what_lasts_does_not_decay() -> None:
    over = signal(SignalKind.SPEECH, 0, MINUTE)
    later = of(over, now_ms=MINUTE + POLICY.half_life_ms).contributions[0].log_odds
    assert later == pytest.approx(of(over, now_ms=MINUTE).contributions[0].log_odds / 2)
    lasting = signal(SignalKind.NO_FACE, 0)
    assert value(lasting, now_ms=MINUTE) == value(lasting, now_ms=60 * MINUTE)


def test_a_habit_says_less_but_never_less_than_half() -> None:
    def after_glances(each_ms: int) -> float:
        glances = [
            signal(SignalKind.GAZE_AWAY, at, at + each_ms) for at in range(0, 600_000, 10_000)
        ]
        return of(*glances, signal(SignalKind.GAZE_AWAY, 600_000), now_ms=601_000).log_odds

    none = of(signal(SignalKind.GAZE_AWAY, 600_000), now_ms=601_000)
    added = none.log_odds - none.base_log_odds
    assert after_glances(400) == pytest.approx(none.log_odds)  # 4 %: as anybody
    assert none.log_odds - added / 2 < after_glances(1_500) < none.log_odds
    assert after_glances(9_900) == pytest.approx(none.log_odds - added / 2)
    faces = [signal(SignalKind.SEVERAL_FACES, at, at + 9_000) for at in range(0, 600_000, 10_000)]
    again = of(*faces, signal(SignalKind.SEVERAL_FACES, 600_000), now_ms=601_000)
    once = of(signal(SignalKind.SEVERAL_FACES, 600_000), now_ms=601_000)
    assert again.value == once.value  # no habit makes two people one


@pytest.mark.parametrize("kind", [SignalKind.GAZE_AWAY, SignalKind.SPEECH])
def test_an_outage_is_no_proof_that_a_habit_has_ended(kind: SignalKind) -> None:
    """Half the time that is seen, this candidate does so; of an hour in between nobody knows."""
    habit = [signal(kind, at, at + 5_000) for at in range(0, 600_000, 10_000)]
    before = ledger(*habit, signal(kind, 600_000)).at(601_000, watched())
    hour = 3_600_000
    outage = watched(600_000 + hour, blind_from_ms=601_000)
    back = [replace(each, start_ms=600_000 + hour) for each in watched()]
    after = ledger(*habit, signal(kind, 600_000 + hour)).at(601_000 + hour, [*outage, *back])
    assert after.log_odds == pytest.approx(before.log_odds, abs=0.01)
    whole = ledger(*habit, signal(kind, 600_000 + hour)).at(601_000 + hour, watched())
    assert after.log_odds < whole.log_odds  # an hour without it, seen, does say so


def test_a_blind_session_s_priority_is_withheld_and_comes_back() -> None:
    made = ledger(signal(SignalKind.SEVERAL_FACES, 10_000, 20_000))
    seen = made.at(30_000, watched())
    blind = made.at(700_000, watched(blind_from_ms=30_000))
    assert (blind.value, blind.withheld) == (None, Withheld.COVERAGE)
    assert (blind.peak, blind.rank) == (seen.value, -1)
    over = made.at(700_000, watched(700_000, blind_from_ms=30_000), is_final=True)
    assert over.value is None
    assert over.peak is not None and over.rank == round(over.peak * 1e6)


def test_the_floor_is_a_share_of_the_newest_stretch() -> None:
    parts = watched(blind_from_ms=200_000)
    assert watched_share(parts, 100_000, 300_000) == 0.5
    assert watched_share(parts, -100_000, 100_000) == 1.0
    assert watched_share([], 0, 100_000) == watched_share(parts, 0, 0) == 0.0


def test_covered_signals_and_breaks_add_nothing_but_who_sits_there_does() -> None:
    made = ledger(signal(SignalKind.GAZE_AWAY), signal(SignalKind.SPEECH))
    look = covered([Accommodation.MAY_LOOK_AWAY])
    found = made.at(MINUTE, watched(), look)
    assert [each.kind for each in found.contributions] == [SignalKind.SPEECH]
    pause = [Break(break_id="b", start_ms=0, end_ms=2 * MINUTE, by=BreakBy.STAFF)]
    assert made.at(MINUTE, watched(), (), pause).contributions == ()
    another = ledger(signal(SignalKind.DIFFERENT_PERSON)).at(MINUTE, watched(), (), pause)
    assert [each.kind for each in another.contributions] == [SignalKind.DIFFERENT_PERSON]


def test_a_peak_of_before_an_accommodation_forgets_what_it_covers() -> None:
    """An ended session is ranked by its peak."""
    made = ledger(signal(SignalKind.GAZE_AWAY), signal(SignalKind.SPEECH))
    assert len(made.at(MINUTE, watched()).peak_contributions) == 2
    found = made.at(2 * MINUTE, watched(), covered([Accommodation.MAY_LOOK_AWAY]), is_final=True)
    assert [each.kind for each in found.peak_contributions] == [SignalKind.SPEECH]
    assert found.peak == found.value
    assert made.news(found) == found


def test_what_began_before_a_break_decays_from_its_beginning() -> None:
    made = ledger(signal(SignalKind.SPEECH, 0))
    half = POLICY.half_life_ms
    pause = [Break(break_id="b", start_ms=MINUTE, end_ms=None, by=BreakBy.STAFF)]
    before = made.at(MINUTE - 1, watched(), (), pause).contributions[0].log_odds
    during = made.at(MINUTE - 1 + half, watched(), (), pause).contributions[0].log_odds
    assert during == pytest.approx(before / 2)


def test_only_a_step_is_news_and_the_end_always_is() -> None:
    made = ledger()
    first = made.at(MINUTE, watched())
    assert made.news(first) == first
    assert made.news(made.at(2 * MINUTE, watched())) is None
    made.take([signal(SignalKind.SEVERAL_FACES, 2 * MINUTE)])
    risen = made.at(2 * MINUTE, watched())
    assert made.news(risen) == risen
    fallen = made.at(2 * MINUTE + 1, watched(), covered([Accommodation.READER_PRESENT]))
    assert made.news(fallen, at_once=True) == fallen
    assert made.news(fallen, at_once=True) is None
    last = made.at(2 * MINUTE + 1, watched(), is_final=True)
    assert made.news(last) == last


@pytest.mark.parametrize(
    "section",
    [
        "{weights: {camera_covered: 1.0}}",
        "{half_lives_ms: {video_frozen: 60000}}",
        "{weights: {moonlight: 1.0}}",
        "{coverage_floor: .nan}",
        "{base: 0}",
        "{half_life_ms: 600000.5}",
        "{prior: 0.1}",
    ],
)
def test_a_priority_that_makes_no_sense_is_refused(section: str) -> None:
    assert parse_policy(f"{SMALL}priority: {{}}\n").priority == POLICY
    with pytest.raises(InvalidInput) as caught:
        parse_policy(f"{SMALL}priority: {section}\n")
    assert str(caught.value).startswith("priority.")


def test_the_preset_says_what_holds_anyway() -> None:
    assert parse_policy(STANDARD_POLICY).priority == POLICY
    assert parse_policy(STANDARD_POLICY).budget == AlertBudget()


kinds = st.sampled_from(sorted(SignalKind))
moments = st.integers(0, 3_000_000)


@st.composite
def signals(draw: st.DrawFn) -> list[Signal]:
    """Changes of one step: every state of some signals of any kind."""
    found: dict[tuple[SignalKind, int], list[Signal]] = {}
    for _ in range(draw(st.integers(0, 8))):
        kind, began = draw(kinds), draw(moments)
        ended = draw(st.none() | st.integers(began, began + 100_000))
        states = [
            signal(kind, began, None, draw(st.floats(0.0, 1.0)))
            for _ in range(draw(st.integers(0, 3)))
        ]
        if ended is not None:
            states.append(signal(kind, began, ended, draw(st.floats(0.0, 1.0))))
        found.setdefault((kind, began), states)
    return [state for states in found.values() for state in states]


@given(signals(), st.randoms(use_true_random=False), moments)
def test_the_order_of_arrival_within_a_step_does_not_matter(
    step: list[Signal], random: object, now_ms: int
) -> None:
    shuffled = list(step)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert of(*shuffled, now_ms=now_ms) == of(*step, now_ms=now_ms)


@given(signals(), moments)
def test_contributions_sum_to_the_total_one_per_source(step: list[Signal], now_ms: int) -> None:
    found = of(*step, now_ms=now_ms)
    added = math.fsum(each.log_odds for each in found.contributions)
    assert found.base_log_odds + added == pytest.approx(found.log_odds, abs=1e-12)
    assert all(each.log_odds > 0 for each in found.contributions)
    sources = [each.source for each in found.contributions]
    assert len(set(sources)) == len(sources)
    if found.value is not None:
        assert found.value == pytest.approx(1 / (1 + math.exp(-found.log_odds)))
        assert found.value >= 0.05 - 1e-12


@given(signals(), moments)
def test_nothing_comes_of_what_was_not_seen(step: list[Signal], now_ms: int) -> None:
    made = ledger(*step)
    assert made.at(now_ms, []).value is None
    assert made.at(now_ms, []).peak is None
    outages = [each for each in step if each.kind not in SOURCES]
    assert of(*outages, now_ms=now_ms).contributions == ()


@given(signals(), moments, st.sets(st.sampled_from(list(Accommodation))))
def test_an_accommodation_never_raises_a_priority(
    step: list[Signal], now_ms: int, allowed: set[Accommodation]
) -> None:
    made = ledger(*step)
    whole = made.at(now_ms, watched()).log_odds
    found = made.at(now_ms, watched(), covered(allowed))
    assert found.log_odds <= whole + 1e-12
    assert not {each.kind for each in found.contributions} & covered(allowed)


@given(signals(), moments, moments)
def test_evidence_that_is_over_only_fades(step: list[Signal], now_ms: int, later_ms: int) -> None:
    """Habits aside: more time makes a habit a smaller share of it."""
    over = [
        replace(each, ended_ms=each.started_ms + 10) if each.ended_ms is None else each
        for each in step
    ]
    made = ledger(*over, policy=PriorityPolicy(habit_share=0.99))
    first = max([now_ms, *(each.ended_ms or 0 for each in over)])
    assert (
        made.at(first + later_ms, watched()).log_odds <= made.at(first, watched()).log_odds + 1e-9
    )
