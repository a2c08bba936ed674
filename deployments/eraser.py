"""Finishes erasures that broke off, and erases again whom a restored backup brought back.

What is owed is in the database and in the tombstones, so nothing is lost while this is away.
"""

from collections.abc import Callable
from typing import Protocol

import structlog

from proctor.domain.errors import ProctorError
from proctor.ports import Clock, Metrics

log = structlog.get_logger(__name__)

STEP_S = 60.0
TOMBSTONES_EVERY = 60
"""Steps between two readings of all tombstones; the first step reads them, so a start does."""


class SweepsErasures(Protocol):
    """`Erase`."""

    async def sweep(self, *, with_tombstones: bool = False) -> int:
        """How many erasures are owed."""
        ...


class Eraser:
    """Sweeps every minute, tombstones at the start and every hour; tells what is owed.

    What sweeps is made in the loop: a key that is missing must not keep alerts from going out.
    """

    def __init__(
        self, make: Callable[[], SweepsErasures], *, clock: Clock, metrics: Metrics
    ) -> None:
        self._make = make
        self._erase: SweepsErasures | None = None
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        step = 0
        while True:
            is_hour = step % TOMBSTONES_EVERY == 0
            try:
                erase = self._erase = self._erase or self._make()
                owed = await erase.sweep(with_tombstones=is_hour)
                self._metrics.gauge("erasures_owed", owed)
                now_s = self._clock.now().timestamp()
                self._metrics.gauge("loop_succeeded_at_seconds", now_s, loop="eraser")
                step += 1
            except ProctorError as error:  # tombstones are read again until they could be
                log.warning("step failed", code=error.code)
                self._metrics.count("eraser_failed_steps_total")
                step += 0 if is_hour else 1
            await self._clock.sleep(STEP_S)
