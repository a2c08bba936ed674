from proctor.services.host.pace import HostLoad, Pressure, RateMeter, refusal
from proctor.services.host.rounds import Group
from proctor.services.host.sampling import Shed


def test_late_ticks_give_up_one_level_after_another_and_calm_gives_them_back() -> None:
    pressure = Pressure(tick_ms=200)
    levels = [pressure.tick(late_ms=300) for _ in range(25)]
    assert levels[3] is Shed.NOTHING
    assert levels[4::5] == [
        Shed.BODY,
        Shed.SMALL_FACES,
        Shed.ATTENTION,
        Shed.HALF_OF_FACES,
        Shed.HALF_OF_FACES,
    ]
    levels = [pressure.tick(late_ms=0) for _ in range(100)]
    assert levels[23] is Shed.HALF_OF_FACES
    assert levels[24::25] == [Shed.ATTENTION, Shed.SMALL_FACES, Shed.BODY, Shed.NOTHING]


def test_a_host_takes_new_sessions_by_its_places_and_its_pressure() -> None:
    assert HostLoad(10, 50, 0).room == 40
    assert HostLoad(10, 50, 0, Shed.ATTENTION).room == 40
    assert HostLoad(10, 50, 0, Shed.HALF_OF_FACES).room == 0
    assert HostLoad(10, 50, 501).room == 0
    assert HostLoad(50, 50, 0).room == 0
    assert HostLoad(10, 50, 0, is_draining=True).room == 0


def test_a_session_that_runs_is_taken_back_by_a_host_that_is_pressed_or_full() -> None:
    assert refusal(HostLoad(50, 50, 900, Shed.HALF_OF_FACES), is_running=True) is None
    assert refusal(HostLoad(59, 50, 0), is_running=True) is None
    assert refusal(HostLoad(60, 50, 0), is_running=True) == "is full"
    assert refusal(HostLoad(1, 1, 0), is_running=True) == "is full"
    assert refusal(HostLoad(0, 50, 0, is_draining=True), is_running=True) == "is being emptied"


def test_ticks_that_are_late_now_and_then_give_up_nothing() -> None:
    pressure = Pressure(tick_ms=200)
    levels = {pressure.tick(late_ms=900 if tick % 5 == 0 else 150) for tick in range(100)}
    assert levels == {Shed.NOTHING}
    assert 200 < pressure.lag_ms < 500


def pressed_by(*rounds: tuple[Group, int, bool]) -> bool:
    pressure = Pressure(tick_ms=200)
    for _ in range(10):
        for each in rounds:
            pressure.round_took(*each)
        pressure.tick(late_ms=0)
    return pressure.level > Shed.NOTHING


def test_slow_answers_are_pressure_and_one_group_that_hangs_is_not() -> None:
    face, body, speech = Group.FACE, Group.BODY, Group.SPEECH
    assert pressed_by((face, 1_500, True))
    assert not pressed_by((face, 900, True), (body, 900, True))
    assert not pressed_by((face, 2_000, False), (speech, 30, True))
    assert not pressed_by((body, 1_900, True))
    assert pressed_by((face, 2_000, False), (speech, 1_500, True))


def test_a_slow_round_is_forgotten_when_no_other_follows() -> None:
    pressure = Pressure(tick_ms=200)
    pressure.round_took(Group.FACE, 1_500, True)
    levels = [pressure.tick(late_ms=0) for _ in range(160)]
    assert max(levels) > Shed.NOTHING
    assert levels[-1] is Shed.NOTHING


def test_rates_are_told_every_ten_seconds() -> None:
    meter = RateMeter(started_ms=5_000)
    for _ in range(10):
        meter.want("face")
        meter.see("face")
    meter.want("body")
    assert meter.roll(14_999) is None
    window = meter.roll(15_000)
    assert window is not None and window.started_ms == 5_000
    assert [(rate.group, rate.wanted_hz, rate.actual_hz) for rate in window.rates] == [
        ("body", 0.1, 0.0),
        ("face", 1.0, 1.0),
    ]
    assert not window.starved, "one look that has not been answered yet is no starvation"
    assert meter.roll(25_000) is not None


def test_less_than_half_of_a_rate_is_starvation() -> None:
    for seen, starved in ((5, False), (4, True), (0, True)):
        meter = RateMeter(started_ms=0)
        for _ in range(10):
            meter.want("face")
        for _ in range(seen):
            meter.see("face")
        window = meter.roll(10_000)
        assert window is not None and window.starved is starved
