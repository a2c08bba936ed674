"""What a bad line does to packets: by seed, in the asked measure."""

from itertools import pairwise

import pytest

from bench.network.weather import QUEUE_MS, Line, Weather


def sent(line: Line, weather: Weather, count: int, every_ms: float = 10.0) -> list[list[float]]:
    return [line.arrivals(1_000, number * every_ms, weather) for number in range(count)]


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.4])
def test_the_asked_share_is_lost_and_a_seed_says_which(loss: float) -> None:
    weather = Weather(loss=loss)
    first, again, other = (sent(Line(seed), weather, 5_000) for seed in (3, 3, 4))
    assert first == again and first != other
    assert abs(sum(not at for at in first) / 5_000 - loss) < 0.03


def test_a_good_line_hands_everything_on_at_once() -> None:
    line = Line(1)
    assert sent(line, Weather(), 3) == [[0.0], [10.0], [20.0]]
    assert (line.passed, line.lost) == (3, 0)


def test_a_cut_line_hands_nothing_on() -> None:
    line = Line(1)
    assert sent(line, Weather(is_cut=True), 10) == [[]] * 10
    assert (line.passed, line.lost) == (0, 10)


def test_jitter_is_within_its_bound_and_lets_packets_overtake() -> None:
    late = [at[0] - 10 * n for n, at in enumerate(sent(Line(1), Weather(jitter_ms=300), 500))]
    assert min(late) >= 0 and 280 < max(late) <= 300
    came = [at[0] for at in sent(Line(1), Weather(jitter_ms=300), 500)]
    assert came != sorted(came)


def test_some_packets_come_twice() -> None:
    came = sent(Line(1), Weather(doubled=0.1), 1_000)
    assert {len(at) for at in came} == {1, 2}
    assert abs(sum(len(at) == 2 for at in came) / 1_000 - 0.1) < 0.03


def test_a_slow_line_spaces_packets_and_drops_what_waits_too_long() -> None:
    line = Line(1)
    came = sent(line, Weather(kbps=1_000), 1_000, every_ms=4.0)  # twice what it can carry
    passed = [at[0] for at in came if at]
    assert all(later - before >= 7.99 for before, later in pairwise(passed))
    assert max(at[0] - 4.0 * n for n, at in enumerate(came) if at) <= QUEUE_MS + 8
    assert 400 < line.lost < 600
