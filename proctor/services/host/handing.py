"""Brings evidence to its keeper, beside the reports and never in their way.

What is on its way is bounded in bytes; what a keeper cannot take now is told as lost.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from proctor.domain.errors import ProctorError
from proctor.domain.reports import OrderState
from proctor.ports import Clock, EvidenceKeeper, Metrics
from proctor.services.deadline import TimedOut, within
from proctor.services.host.evidence_box import Parcel

logger = logging.getLogger(__name__)

KEEP_WITHIN_MS = 20_000
CLOSE_WITHIN_MS = 5_000
MOST_BYTES = 64_000_000
AT_ONCE = 4

Settled = Callable[[OrderState], None]


class RunningKeeper(EvidenceKeeper, Protocol):
    """A keeper with work of its own: to store what it has taken."""

    async def run(self) -> None:
        """Do that until cancelled."""
        ...


class Hands:
    """One host's way to its keeper.

    Args:
        keeper: Who keeps evidence.
        clock: Time.
        metrics: Numbers.
        limit_bytes: The most that may be on its way.
    """

    def __init__(
        self,
        *,
        keeper: RunningKeeper,
        clock: Clock,
        metrics: Metrics,
        limit_bytes: int = MOST_BYTES,
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._metrics = metrics
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Let the keeper do its own work, beside the host's, until `close`."""
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._keeper.run()
        except Exception:  # a task's boundary: what is handed over is still taken
            logger.exception("a keeper's own work ended")

    def take(self, parcel: Parcel, settled: Settled) -> None:
        """Hand a parcel over in the background; `settled` hears what became of it."""
        size = parcel.size
        if self._bytes + size > self._limit_bytes:
            self._done("full", OrderState.LOST, settled)
            return
        self._bytes += size
        task = asyncio.create_task(self._hand(parcel, size, settled))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait a moment for what is on its way, then give it up."""
        try:
            await within(self._clock, CLOSE_WITHIN_MS, self._settle())
        except TimedOut:
            for task in self._tasks:
                task.cancel()
            await self._settle()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _settle(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hand(self, parcel: Parcel, size: int, settled: Settled) -> None:
        outcome, state = "lost", OrderState.LOST
        try:
            async with self._turns:
                keeping = self._keeper.keep(parcel.order, parcel.pieces)
                await within(self._clock, KEEP_WITHIN_MS, keeping)
            outcome, state = "handed", OrderState.HANDED
        except TimedOut:
            outcome = "timeout"
        except ProctorError as error:
            extra = {"incident_id": parcel.order.incident_id, "code": error.code}
            logger.warning("evidence could not be kept", extra=extra)
        except Exception:  # a task's boundary: the order is told as lost
            logger.exception("a keeper failed", extra={"incident_id": parcel.order.incident_id})
        finally:
            self._bytes -= size
            self._done(outcome, state, settled)

    def _done(self, outcome: str, state: OrderState, settled: Settled) -> None:
        self._metrics.count("host_evidence", outcome=outcome)
        settled(state)
