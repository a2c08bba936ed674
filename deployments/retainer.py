"""Deletes recordings and evidence at the end of their exam's retention, again and again.

When one is due follows from what is stored, so nothing is missed while this is away.
"""

from collections.abc import Awaitable, Callable

import structlog

from proctor.domain.errors import NotAllErased, ProctorError
from proctor.ports import Clock, Metrics

log = structlog.get_logger(__name__)

STEP_S = 900.0
"""Retention is counted in days; a quarter of an hour late is in time."""


class Retainer:
    """Calls `erase_due` again and again, and counts what was deleted.

    That is `Retain.erase_due`, or `EndEvidence.erase_due` with a counter of its own.
    """

    def __init__(
        self,
        erase_due: Callable[[], Awaitable[int]],
        *,
        clock: Clock,
        metrics: Metrics,
        counter: str = "recordings_erased",
    ) -> None:
        self._counter = counter
        self._what = counter.removesuffix("_erased")
        self._erase_due = erase_due
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        while True:
            try:
                self._metrics.count(self._counter, await self._erase_due())
                self._metrics.gauge("retention_overdue", 0, what=self._what)
                now_s = self._clock.now().timestamp()
                self._metrics.gauge("loop_succeeded_at_seconds", now_s, loop=self._counter)
            except NotAllErased as error:
                self._metrics.count(self._counter, error.erased)
                self._metrics.gauge("retention_overdue", error.left, what=self._what)
                log.warning("some could not be deleted", what=self._what, left=error.left)
                self._metrics.count("retainer_failed_steps_total")
            except ProctorError as error:
                log.warning("step failed", code=error.code)
                self._metrics.count("retainer_failed_steps_total")
            await self._clock.sleep(STEP_S)
