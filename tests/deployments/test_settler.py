"""What nobody finished is finished, and a store that is away is waited for."""

import asyncio

import pytest

from deployments.keeper import Loops
from deployments.settler import Settler
from proctor.domain.errors import StateStoreUnavailable
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics


class Owing:
    """Sessions of which some are owed an end."""

    def __init__(self, *owed: int | StateStoreUnavailable) -> None:
        self.owed = list(owed)

    async def settle(self) -> int:
        owed = self.owed.pop(0)
        if isinstance(owed, StateStoreUnavailable):
            raise owed
        return owed


async def test_it_tries_again_and_tells_how_many_are_owed() -> None:
    clock, metrics = FakeClock(), FakeMetrics()
    owing = Owing(2, StateStoreUnavailable("away"), 0)
    loops = Loops(Settler(owing.settle, clock=clock, metrics=metrics))
    running = asyncio.ensure_future(loops.run())
    await asyncio.sleep(0)  # the group begins
    told: list[float] = []
    for _ in range(3):
        await asyncio.sleep(0)
        await clock.advance(10_000)
        told.append(metrics.gauges[("sessions_unsettled", ())])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await loops.close()
    assert told == [2, 2, 0]
    assert metrics.counted("settler_failed_steps_total") == 1
    succeeded = ("loop_succeeded_at_seconds", (("loop", "sessions_unsettled"),))
    assert metrics.gauges[succeeded] == clock.now().timestamp()


async def test_when_one_loop_fails_the_replica_does() -> None:
    class Broken:
        async def run(self) -> None:
            raise RuntimeError("broken")

    settler = Settler(Owing().settle, clock=FakeClock(), metrics=FakeMetrics())
    with pytest.raises(ExceptionGroup):
        await Loops(settler, Broken()).run()
