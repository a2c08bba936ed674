"""When a call is sent again, and how long is waited before.

Only calls that may be repeated are: safe ones and those with an Idempotency-Key. What the server asks for
in Retry-After counts, up to a limit; without it the wait doubles. Both get jitter.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, Retrying
from tenacity.stop import stop_after_attempt

from proctor_client.errors import ConnectionFailed, Problem

REPEATED_CODE = "idempotency/running"
"""The first call of the same key is still at work: its answer can be had in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How patient the client is.

    Attributes:
        attempts: How often a call is sent at most; 1 for never again.
        first_wait_s: The first wait where the server does not say; it doubles with each try.
        longest_wait_s: No wait is longer. A Retry-After beyond it is not waited for: the error is raised.
        statuses: Answers that are worth another try.
    """

    attempts: int = 5
    first_wait_s: float = 0.25
    longest_wait_s: float = 60.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait_s < 0 or self.longest_wait_s < 0:
            raise ValueError("attempts must be 1 or more, waits must not be negative")

    def helps(self, error: BaseException) -> bool:
        """Whether another try may go better."""
        if isinstance(error, ConnectionFailed):
            return True
        if not isinstance(error, Problem):
            return False
        if (error.retry_after_s or 0.0) > self.longest_wait_s:
            return False
        return error.status in self.statuses or error.code == REPEATED_CODE

    def wait_s(self, tried: int, error: BaseException | None, chance: float) -> float:
        """How long to wait after so many tries.

        Args:
            tried: 1 after the first.
            error: What it ended with.
            chance: 0..1, for the jitter.
        """
        asked = error.retry_after_s if isinstance(error, Problem) else None
        if asked is not None:
            # never earlier than asked; those who were refused together do not come back together
            return min(asked + chance * min(1.0, self.first_wait_s * 4), self.longest_wait_s)
        # the exponent is bounded so that a patient caller's wait does not overflow
        wait_s = min(self.first_wait_s * 2.0 ** min(tried - 1, 30), self.longest_wait_s)
        return wait_s * (0.5 + chance / 2)

    def _wait(self, state: RetryCallState) -> float:
        outcome = state.outcome
        error = outcome.exception() if outcome is not None else None
        return self.wait_s(state.attempt_number, error, random.random())

    def _again(self, may_repeat: bool) -> Callable[[RetryCallState], bool]:
        def again(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome is not None else None
            return may_repeat and error is not None and self.helps(error)

        return again

    def sync(self, may_repeat: bool) -> Retrying:
        """A loop of tries; the last one's own error is raised."""
        return Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            retry=self._again(may_repeat),
            reraise=True,
        )

    def asynchronous(self, may_repeat: bool) -> AsyncRetrying:
        """The same for coroutines."""
        return AsyncRetrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            retry=self._again(may_repeat),
            reraise=True,
        )
