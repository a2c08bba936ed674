"""Events come at the rate that was asked for, spread over the candidates, with calm between."""

from itertools import pairwise

import pytest

from bench.candidate.film import GRID_MS
from bench.schedule import (
    CALM_BETWEEN_MS,
    CALM_FIRST_MS,
    CALM_LAST_MS,
    RULES,
    plan_events,
    takes_needed,
)

KINDS = tuple(RULES)


@pytest.mark.parametrize("number", range(7))
def test_events_keep_their_distance_and_end_before_the_film(number: int) -> None:
    events = plan_events(number, 600, 60, KINDS)
    assert events[0].start_ms >= CALM_FIRST_MS
    assert events[-1].end_ms + CALM_LAST_MS <= 600_000
    assert all(event.start_ms % GRID_MS == 0 for event in events)
    for before, after in pairwise(events):
        assert after.start_ms - before.end_ms >= CALM_BETWEEN_MS
        assert after.kind != before.kind


def test_a_hundred_candidates_misbehave_once_a_minute_each_and_not_together() -> None:
    starts = sorted(e.start_ms for n in range(100) for e in plan_events(n, 3_600, 60, KINDS))
    assert len(starts) == pytest.approx(100 * 59, rel=0.02)
    middle = [start for start in starts if 600_000 <= start < 1_200_000]
    a_second = [sum(1 for s in middle if s // 1000 == t) for t in range(600, 1_200)]
    assert max(a_second) <= 8 and sum(a_second) / len(a_second) == pytest.approx(100 / 60, rel=0.1)


def test_the_first_events_of_a_crowd_are_spread_over_the_whole_distance() -> None:
    firsts = sorted(plan_events(n, 600, 60, KINDS)[0].start_ms for n in range(30))
    gaps = [after - before for before, after in pairwise(firsts)]
    assert firsts[0] < CALM_FIRST_MS + 4_000 and firsts[-1] > CALM_FIRST_MS + 56_000
    assert max(gaps) <= 4_200


def test_the_same_seed_gives_the_same_times_and_another_gives_others() -> None:
    assert plan_events(3, 600, 60, KINDS, 1) == plan_events(3, 600, 60, KINDS, 1)
    assert plan_events(3, 600, 60, KINDS, 1) != plan_events(3, 600, 60, KINDS, 2)


def test_events_without_calm_between_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no calm between; 17\.2 s do"):
        plan_events(0, 600, 15, KINDS)


@pytest.mark.parametrize("every_s", [18.0, 30.0, 60.0, 120.0])
def test_enough_takes_keep_the_same_take_of_an_act_five_minutes_apart(every_s: float) -> None:
    takes = takes_needed(every_s, 4, 300)
    last: dict[tuple[str, int], int] = {}
    for event in plan_events(1, 7_200, every_s, KINDS[:4]):
        key = (event.kind, event.turn % takes)
        assert event.start_ms - last.get(key, -300_000) >= 300_000
        last[key] = event.start_ms
