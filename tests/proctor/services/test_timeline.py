"""A session's lanes stay within bounds, and no bound hides blindness."""

import itertools
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.desk import Connected, SessionRecord
from proctor.domain.ids import SignalId
from proctor.domain.sessions import SessionState
from proctor.services.timeline import (
    MOST_DETAILED,
    MOST_MILESTONES,
    MOST_SIGNALS,
    MOST_STRETCHES,
    drawn,
    stretches,
)
from tests.contract.samples import NOON, blind, incident, monitored, session, signal

LIVE = replace(session(), state=SessionState.LIVE, started_at=NOON)


def worst_at(intervals: tuple[CoverageInterval, ...] | list[CoverageInterval], ms: int) -> bool:
    """Whether a moment is told as blind."""
    return any(
        each.state is CoverageState.BLIND
        and each.start_ms <= ms
        and (each.end_ms is None or ms < each.end_ms)
        for each in intervals
    )


def flicker(count: int) -> list[CoverageInterval]:
    told = []
    for number in range(count):
        at = number * 100
        told += [monitored(at, at + 90), blind(at + 90, at + 100)]
    return told


def test_few_stretches_are_drawn_as_they_are() -> None:
    seen = tuple(flicker(3))
    assert stretches(seen, 300, 6) == seen


def test_many_stretches_become_slots_that_are_told_by_the_worst_in_them() -> None:
    seen = flicker(40)
    told = stretches(seen, 4_000, 10)
    assert len(told) <= 10 and told[0].start_ms == 0 and told[-1].end_ms == 4_000
    assert all(worst_at(told, ms) for ms in range(4_000) if worst_at(seen, ms))


@given(st.lists(st.integers(1, 400), min_size=12, max_size=60), st.booleans(), st.data())
def test_no_blind_moment_is_ever_drawn_as_seen(
    lengths: list[int], is_lasting: bool, data: st.DataObject
) -> None:
    at, seen = 0, []
    for number, length in enumerate(lengths):
        end = None if is_lasting and number == len(lengths) - 1 else at + length
        seen.append(data.draw(st.sampled_from([blind, monitored]))(at, end))
        at += length
    told = stretches(seen, at, 10)
    assert len(told) <= 10
    assert all(one.end_ms == two.start_ms for one, two in itertools.pairwise(told))
    assert (told[-1].end_ms is None) == is_lasting
    assert all(worst_at(told, ms) for ms in range(at) if worst_at(seen, ms))


def test_what_is_left_out_is_told_by_lane_with_its_rule() -> None:
    over = MOST_STRETCHES // 2 + 1
    crowded = replace(LIVE, coverage=tuple(flicker(over)))
    many = tuple(
        replace(
            incident(f"inc_{number}", opened_ms=number),
            signals=tuple(
                replace(
                    signal(number),
                    signal_id=SignalId(f"sig_{number}_{part}"),
                    ended_ms=number + part + 1,
                )
                for part in range(6)
            ),
        )
        for number in range(MOST_DETAILED)
    )
    record = SessionRecord(
        incidents_total=MOST_DETAILED,
        detailed=many,
        connections=tuple(
            Connected(number, NOON + timedelta(seconds=number)) for number in range(501)
        ),
    )
    found = drawn(crowded, record, (), (), (), (), NOON + timedelta(hours=1))
    told = {each.lane: each for each in found.truncated}
    assert set(told) == {"coverage.video", "incidents", "signals", "milestones"}
    assert (
        told["coverage.video"].total,
        len(found.coverage[Modality.VIDEO]) <= MOST_STRETCHES,
    ) == (
        2 * over,
        True,
    )
    assert (told["signals"].shown, told["signals"].total) == (MOST_SIGNALS, 6 * MOST_DETAILED)
    assert len(found.signals) == MOST_SIGNALS
    shortest = min((each.signal.ended_ms or 0) - each.signal.started_ms for each in found.signals)
    assert shortest == 2  # those that lasted 1 ms were left out, the longer ones stayed
    assert len(found.milestones) == MOST_MILESTONES
    assert all(each.rule for each in found.truncated)


def test_a_signal_of_two_incidents_is_drawn_once_in_its_newest_state() -> None:
    lasting = signal(1_000)
    ended = replace(lasting, ended_ms=3_000)
    two = (incident("inc_1"), replace(incident("inc_2"), signals=(ended,)))
    found = drawn(LIVE, SessionRecord(detailed=two), (), (), (), (), NOON)
    (shown,) = found.signals
    assert shown.signal == ended and shown.incident_ids == ("inc_1", "inc_2")


def test_a_session_that_has_not_begun_has_no_length_and_no_milestone() -> None:
    found = drawn(session(), SessionRecord(), (), (), (), (), NOON + timedelta(hours=1))
    assert (found.length_ms, found.milestones, found.truncated) == (0, (), ())


def test_reasons_of_one_weight_keep_the_first() -> None:
    dark = CoverageInterval(
        modality=Modality.VIDEO,
        state=CoverageState.BLIND,
        reason=CoverageReason.COVERED,
        start_ms=0,
        end_ms=10,
    )
    told = stretches([dark, blind(10, 20), monitored(20, 30)], 30, 1)
    assert [(each.state, each.reason) for each in told] == [
        (CoverageState.BLIND, CoverageReason.COVERED)
    ]
