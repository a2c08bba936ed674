"""A behaviour must last before it counts, and must be over for a while before it ends."""

from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.ids import SessionId
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import Dwell

LIMITS = Dwell(dwell_ms=2_000, release_ms=800, stale_ms=3_000)


def sensor(limits: Dwell = LIMITS) -> Hysteresis:
    return Hysteresis(SignalKind.GAZE_AWAY, SessionId("ses_test"), limits, Spell())


def play(one: Hysteresis, *readings: tuple[int, bool]) -> list[Signal]:
    return [each for at, active in readings for each in one.update(active, Reading(at))]


def test_it_opens_after_the_dwell_and_says_when_the_behaviour_began() -> None:
    one = sensor()
    assert play(one, (0, False), (1_000, True), (2_900, True)) == []
    (opened,) = play(one, (3_000, True))
    assert (opened.started_ms, opened.ended_ms) == (1_000, None)
    assert dict(opened.support.numbers) == {"lasted_s": 2.0}
    assert opened.support.observations == 3


def test_one_reading_against_it_ends_what_is_not_believed_yet() -> None:
    assert play(sensor(), (0, True), (1_900, True), (1_950, False), (2_100, True)) == []


def test_an_open_signal_ends_with_the_first_reading_of_a_lasting_end() -> None:
    one = sensor()
    play(one, (0, True), (2_000, True))
    assert [each.is_open for each in play(one, (2_500, False), (2_600, True))] == [True]
    (closed,) = play(one, (3_000, False), (3_700, False), (3_800, False))
    assert (closed.started_ms, closed.ended_ms) == (0, 3_000)
    assert one.spell == Spell()


def test_readings_far_apart_are_not_one_behaviour() -> None:
    assert play(sensor(), (0, True), (3_001, True)) == []


def test_without_readings_it_ends_where_it_was_last_seen() -> None:
    one = sensor()
    play(one, (0, True), (2_000, True))
    assert one.advance(5_000) == []
    (closed,) = one.advance(5_001)
    assert closed.ended_ms == 2_000


def test_time_alone_opens_nothing() -> None:
    one = sensor()
    play(one, (0, True))
    assert one.advance(2_500) == one.advance(60_000) == []


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.booleans()), max_size=60),
    st.integers(0, 3_000),
    st.integers(0, 2_000),
)
def test_whatever_comes_signals_are_whole(
    readings: list[tuple[int, bool]], dwell_ms: int, release_ms: int
) -> None:
    one = sensor(Dwell(dwell_ms=dwell_ms, release_ms=release_ms, stale_ms=3_000))
    is_open = False
    for signal in [*play(one, *readings), *one.lost()]:
        assert signal.ended_ms is None or signal.ended_ms >= signal.started_ms
        assert 0 < signal.probability < 1
        is_open = signal.is_open
    assert not is_open
    assert one.spell == Spell()
