"""The scripted candidate comes back as the page does: when the server says, and not with everybody else."""

from bench.candidate.person import as_told_and_spread


def test_who_is_refused_waits_as_told_and_up_to_as_long_again() -> None:
    waits = [as_told_and_spread(4.0, 0.4) for _ in range(200)]
    assert 4.0 <= min(waits) < 5.0
    assert 7.0 < max(waits) <= 8.0


def test_who_is_told_nothing_comes_back_soon_at_first() -> None:
    waits = [as_told_and_spread(0.0, 0.4) for _ in range(200)]
    assert 0.2 <= min(waits) < max(waits) <= 0.6
