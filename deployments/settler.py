"""Finishes the sessions whose end nobody finished: their shard was away when it was asked.

What is owed is in the database, so nothing is lost while this is away: the next step finds it.
"""

from collections.abc import Awaitable, Callable

import structlog

from proctor.domain.errors import ProctorError
from proctor.ports import Clock, Metrics

log = structlog.get_logger(__name__)

STEP_S = 10.0


class Settler:
    """Calls `settle` again and again, and tells how many are still owed.

    That is `Sessions.settle_ended`, or `IncidentNews.tell_owed` with a gauge of its own.
    """

    def __init__(
        self,
        settle: Callable[[], Awaitable[int]],
        *,
        clock: Clock,
        metrics: Metrics,
        gauge: str = "sessions_unsettled",
    ) -> None:
        self._settle = settle
        self._gauge = gauge
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        while True:
            await self._clock.sleep(STEP_S)
            try:
                self._metrics.gauge(self._gauge, await self._settle())
                now_s = self._clock.now().timestamp()
                self._metrics.gauge("loop_succeeded_at_seconds", now_s, loop=self._gauge)
            except ProctorError as error:
                log.warning("step failed", code=error.code)
                self._metrics.count("settler_failed_steps_total")
