"""Searched pictures in, OBJECT_SEEN out: the same thing must come back, and one picture says nothing."""

from collections.abc import Iterable

import pytest
from pydantic import ValidationError

from proctor.domain.observations import ObjectsSeen, Observation
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.limits import ObjectLimits, SensingLimits
from proctor.sensing.suite import SensingSuite, SuiteState
from tests.fakes import facts

SEEN = SignalKind.OBJECT_SEEN


def suite(limits: ObjectLimits | None = None, state: SuiteState | None = None) -> SensingSuite:
    made = SensingSuite(
        facts.SESSION, SensingLimits(objects=limits or ObjectLimits()), state or SuiteState()
    )
    for stream in facts.media_come():
        made.observe(stream)
    return made


def play(made: SensingSuite, observations: Iterable[Observation]) -> list[Signal]:
    return [signal for seen in observations for signal in made.observe(seen).signals]


def told(signals: Iterable[Signal]) -> list[tuple[int, int | None, tuple[str, ...]]]:
    """The newest state of each signal: from, until, labels."""
    newest = {signal.signal_id: signal for signal in signals if signal.kind is SEEN}
    return [(each.started_ms, each.ended_ms, each.support.labels) for each in newest.values()]


def phone(from_ms: int, until_ms: int, *labels: str) -> list[ObjectsSeen]:
    """One picture every 5 s, with these things in it."""
    return [facts.things(at, *labels) for at in range(from_ms, until_ms, 5_000)]


def test_a_phone_that_comes_back_is_told_from_its_first_picture_to_its_last() -> None:
    seen = phone(0, 10_000) + phone(10_000, 25_000, "phone") + phone(25_000, 60_000)
    signals = play(suite(), seen)
    assert told(signals) == [(10_000, 25_000, ("phone",))]
    assert signals[0].started_ms == 10_000 and signals[0].is_open
    figures = dict(signals[0].support.numbers)
    assert figures == {"lasted_s": 5.0, "objects": 1.0, "pictures": 2.0}
    assert signals[0].support.frame_digest == facts.digest(15_000)
    assert signals[0].support.producers == (facts.OBJECT_MODEL,)


def test_one_picture_is_nobodys_phone_and_leaves_nothing_behind() -> None:
    made = suite()
    rest = made.state.objects.votes.copy()
    assert (
        play(made, [*phone(0, 10_000), facts.things(10_000, "phone"), *phone(15_000, 60_000)]) == []
    )
    assert made.state.objects.votes == rest and not made.is_pending


def test_two_of_three_pictures_are_enough() -> None:
    seen = [facts.things(0, "phone"), facts.things(5_000), facts.things(10_000, "phone")]
    assert told(play(suite(), seen)) == [(0, None, ("phone",))]


def test_two_different_things_in_two_pictures_are_two_single_pictures() -> None:
    seen = [facts.things(0, "book"), facts.things(5_000, "phone"), facts.things(10_000)]
    assert play(suite(), seen) == []


def test_what_was_seen_before_the_thing_itself_is_not_its_beginning() -> None:
    seen = [facts.things(0, "book"), facts.things(5_000, "phone"), facts.things(10_000, "phone")]
    signals = play(suite(), seen)
    assert told(signals) == [(5_000, None, ("phone",))]
    assert signals[-1].support.observations == 2


def test_a_second_thing_joins_the_signal_that_is_open() -> None:
    seen = phone(0, 15_000, "phone") + phone(15_000, 30_000, "book", "phone")
    assert told(play(suite(), seen)) == [(0, None, ("phone", "book"))]


def test_a_burst_of_pictures_within_a_second_is_one_moment() -> None:
    seen = [facts.things(at, "phone") for at in (0, 200, 400)]
    assert play(suite(), seen) == []
    assert told(play(suite(), [*seen, facts.things(5_000, "phone")])) != []


def test_a_weak_box_and_a_permitted_thing_are_nothing() -> None:
    weak = [facts.things(at, "phone", score=0.39) for at in range(0, 30_000, 5_000)]
    assert play(suite(), weak) == []
    open_book = ObjectLimits(allowed=("book",))
    assert play(suite(open_book), phone(0, 30_000, "book")) == []
    seen = play(suite(open_book), phone(0, 30_000, "book", "phone"))
    assert told(seen) == [(0, None, ("phone",))]


def test_something_pending_asks_for_a_closer_look() -> None:
    made = suite()
    made.observe(facts.things(0, "phone"))
    assert made.is_pending
    made.observe(facts.things(5_000, "phone"))
    assert not made.is_pending


def test_it_ends_where_it_was_last_seen_when_no_more_pictures_are_searched_or_the_view_is_lost() -> (
    None
):
    made = suite()
    play(made, phone(0, 15_000, "phone"))
    assert made.advance(40_000).signals == ()
    assert told(made.advance(40_001).signals) == [(0, 10_000, ("phone",))]
    made = suite()
    play(made, phone(0, 15_000, "phone"))
    assert told(made.cut_off().signals) == [(0, 10_000, ("phone",))]
    assert made.observe(facts.things(20_000, "phone")).signals == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"needed": 1},
        {"needed": 4},
        {"least_score": 0.0},
        {"least_score": float("nan")},
        {"dwell_ms": 40_000},
        {"allowed": ("Phone!",)},
    ],
)
def test_limits_that_would_switch_it_off_or_on_for_one_picture_are_refused(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        ObjectLimits.model_validate(wrong)
