"""Brings the reports of all sessions to their judges, one call at a time, and again until acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from proctor.domain.errors import Unavailable
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.ports import Clock, Metrics, SessionJudges
from proctor.services.host.rounds import TimedOut, within

logger = logging.getLogger(__name__)

DEADLINE_MS = 5_000
FIRST_WAIT_MS = 200
LONGEST_WAIT_MS = 1_600


class Courier:
    """Delivers reports.

    After a failed call the next one waits 0.2, 0.4, 0.8 and then 1.6 s, and a session's reports a second
    (`reporting.RESEND_MS`): a shard that comes back hears of its sessions before it would call their
    host lost (2.5 s).

    Args:
        judges: The shards.
        took: Gets every acknowledgement.
        clock: Time.
        metrics: Numbers.
    """

    def __init__(
        self,
        *,
        judges: SessionJudges,
        took: Callable[[Acknowledgement], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._judges = judges
        self._took = took
        self._clock = clock
        self._metrics = metrics
        self._trip: asyncio.Task[None] | None = None
        self._wait_ms = 0
        self._not_before_ms = 0

    def is_ready(self, now_ms: int) -> bool:
        """Whether it may set out: back from the trip before, and not waiting after a failure."""
        is_back = self._trip is None or self._trip.done()
        return is_back and now_ms >= self._not_before_ms

    def set_out(self, reports: Sequence[TickReport]) -> None:
        """Begin a trip; only when ready."""
        if reports:
            self._trip = asyncio.create_task(self.deliver(reports))

    async def deliver(self, reports: Sequence[TickReport]) -> None:
        """One call with all reports; never raises."""
        outcome = "delivered"
        try:
            answers = await within(self._clock, DEADLINE_MS, self._submit(reports))
        except TimedOut:
            outcome = "timeout"
        except Unavailable:
            outcome = "unavailable"
        except Exception:  # a task's boundary: reports are kept and sent again
            outcome = "failed"
            logger.exception("reports could not be delivered")
        else:
            for answer in answers:
                self._took(answer)
        self._metrics.count("host_submits", outcome=outcome)
        if outcome == "delivered":
            self._wait_ms = 0
        else:
            self._wait_ms = min(max(FIRST_WAIT_MS, 2 * self._wait_ms), LONGEST_WAIT_MS)
            self._not_before_ms = self._clock.monotonic_ms() + self._wait_ms

    async def close(self) -> None:
        """Wait for the trip that is out; it has a deadline."""
        if self._trip is not None:
            await asyncio.gather(self._trip, return_exceptions=True)

    async def _submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        return await self._judges.submit(reports)
