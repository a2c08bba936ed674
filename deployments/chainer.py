"""Puts what was committed into the chain of its session, again and again.

What is owed is in the database, so nothing is lost while this is away: the next step finds it.
"""

from collections.abc import Callable
from typing import Protocol

import structlog

from proctor.domain.errors import ProctorError
from proctor.ports import Clock, Metrics

log = structlog.get_logger(__name__)

STEP_S = 2.0
"""How long a committed row may lie outside its chain while all is well."""

LATE_EVERY = 30
"""Steps between two looks at chains that were closed: verdicts and other late news."""


class Keeps(Protocol):
    """`ChainKeeper`."""

    async def keep_due(self) -> int:
        """How many sessions could not be chained."""
        ...

    async def keep_late(self) -> int:
        """How many sessions could not be chained."""
        ...


class Chainer:
    """Calls `keep_due` every two seconds and `keep_late` every minute; tells what is owed.

    The keeper is made in the loop: a key that is missing must not keep alerts from going out.
    """

    def __init__(self, make: Callable[[], Keeps], *, clock: Clock, metrics: Metrics) -> None:
        self._make = make
        self._keeper: Keeps | None = None
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        step = 0
        while True:
            try:
                keeper = self._keeper = self._keeper or self._make()
                owed = await keeper.keep_due()
                if step % LATE_EVERY == 0:
                    owed += await keeper.keep_late()
                self._metrics.gauge("sessions_unchained", owed)
                if owed == 0:
                    now_s = self._clock.now().timestamp()
                    self._metrics.gauge("loop_succeeded_at_seconds", now_s, loop="chainer")
            except ProctorError as error:
                log.warning("step failed", code=error.code)
                self._metrics.count("chainer_failed_steps_total")
            step += 1
            await self._clock.sleep(STEP_S)
