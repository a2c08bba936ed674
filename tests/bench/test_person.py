"""The scripted candidate comes back as the page does: when the server says, and not with everybody else."""

from tenacity import Future, RetryCallState, Retrying

from bench.candidate.person import _as_told_and_spread
from bench.candidate.wire import ApiProblem


def waits_after(problem: Exception, tries: int = 200) -> list[float]:
    state = RetryCallState(Retrying(), None, (), {})
    state.outcome = Future.construct(1, problem, has_exception=True)
    return [_as_told_and_spread(state) for _ in range(tries)]


def test_who_is_refused_waits_as_told_and_up_to_as_long_again() -> None:
    waits = waits_after(ApiProblem(503, "sessions/no-capacity", "no room", 4.0))
    assert 4.0 <= min(waits) < 5.0
    assert 7.0 < max(waits) <= 8.0


def test_who_is_told_nothing_comes_back_soon_at_first() -> None:
    assert max(waits_after(ApiProblem(0, "network/unreachable", "away"))) <= 0.8
