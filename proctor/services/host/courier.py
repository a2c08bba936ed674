"""Brings reports to their judges, one call at a time to each, and again until acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from proctor.domain.errors import Unavailable
from proctor.domain.ids import SessionId
from proctor.domain.reports import Acknowledgement, TickReport, TracedReport
from proctor.ports import Clock, Metrics, SessionJudges, Tracer
from proctor.services.deadline import TimedOut, within
from proctor.services.no_tracing import OFF

logger = logging.getLogger(__name__)

DEADLINE_MS = 5_000
FIRST_WAIT_MS = 200
LONGEST_WAIT_MS = 1_600


@dataclass(slots=True)
class _Lane:
    """The way to one judge."""

    trip: asyncio.Task[None] | None = None
    wait_ms: int = 0
    not_before_ms: int = 0

    def is_free(self, now_ms: int) -> bool:
        is_back = self.trip is None or self.trip.done()
        return is_back and now_ms >= self.not_before_ms


class Courier:
    """Delivers reports. A judge that hangs holds up nobody's reports but its own.

    After a failed call the next one waits 0.2, 0.4, 0.8 and then 1.6 s, and a session's reports a second
    (`reporting.RESEND_MS`): a shard that comes back hears of its sessions before it would call their
    host lost (2.5 s).

    Args:
        judges: The shards.
        took: Gets every acknowledgement.
        clock: Time.
        metrics: Numbers.
        tracer: Traces the way of reports that came of a traced call.
    """

    def __init__(
        self,
        *,
        judges: SessionJudges,
        took: Callable[[Acknowledgement], None],
        clock: Clock,
        metrics: Metrics,
        tracer: Tracer = OFF,
    ) -> None:
        self._judges = judges
        self._took = took
        self._clock = clock
        self._metrics = metrics
        self._tracer = tracer
        self._lanes: dict[str, _Lane] = {}

    def is_ready(self, session_id: SessionId, now_ms: int) -> bool:
        """Whether it may set out to the session's judge: back from before, not waiting after a failure."""
        return self._lane(self._judges.lane(session_id)).is_free(now_ms)

    def set_out(self, reports: Sequence[TickReport]) -> None:
        """Begin a trip to each of their judges; only when ready."""
        for name, part in self._by_lane(reports).items():
            lane = self._lane(name)
            lane.trip = asyncio.create_task(self._deliver(lane, part))

    async def deliver(self, reports: Sequence[TickReport]) -> None:
        """One last call to each of their judges; never raises."""
        parts = self._by_lane(reports).items()
        await asyncio.gather(*(self._deliver(self._lane(name), part) for name, part in parts))

    async def close(self) -> None:
        """Wait for the trips that are out; they have a deadline."""
        trips = [lane.trip for lane in self._lanes.values() if lane.trip is not None]
        await asyncio.gather(*trips, return_exceptions=True)

    def _lane(self, name: str) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _by_lane(self, reports: Sequence[TickReport]) -> dict[str, list[TickReport]]:
        parts: dict[str, list[TickReport]] = {}
        for report in reports:
            parts.setdefault(self._judges.lane(report.session_id), []).append(report)
        return parts

    async def _deliver(self, lane: _Lane, reports: Sequence[TickReport]) -> None:
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
            lane.wait_ms = 0
        else:
            lane.wait_ms = min(max(FIRST_WAIT_MS, 2 * lane.wait_ms), LONGEST_WAIT_MS)
            lane.not_before_ms = self._clock.monotonic_ms() + lane.wait_ms

    async def _submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        traced = (each for each in reports if isinstance(each, TracedReport))
        traces = dict.fromkeys(trace for each in traced for trace in each.traces)
        with ExitStack() as spans:
            for trace in traces:
                spans.enter_context(self._tracer.child("host.report", trace))
            return await self._judges.submit(reports)
