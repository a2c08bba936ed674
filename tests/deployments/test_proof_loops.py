"""The loops of proof and erasure: again and again, and never in the way of alerts."""

import asyncio
from collections.abc import Awaitable, Callable

from deployments.chainer import LATE_EVERY, Chainer
from deployments.chainer import STEP_S as CHAIN_S
from deployments.eraser import STEP_S as ERASE_S
from deployments.eraser import TOMBSTONES_EVERY, Eraser
from proctor.domain.errors import InvalidInput, StateStoreUnavailable
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics


class Keeper:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.due = self.late = 0
        self.is_away = False

    async def keep_due(self) -> int:
        if self.is_away:
            raise StateStoreUnavailable("the database is away")
        self.due += 1
        return 0

    async def keep_late(self) -> int:
        self.late += 1
        return 2


class Sweeper:
    """Writes down how it is asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.is_away = False

    async def sweep(self, *, with_tombstones: bool = False) -> int:
        self.asked.append(with_tombstones)
        if self.is_away:
            raise StateStoreUnavailable("the place of tombstones is away")
        return 1


async def play(run: Callable[[], Awaitable[None]], clock: FakeClock, steps: int, s: float) -> None:
    task = asyncio.ensure_future(run())
    await clock.advance(0)
    for _ in range(steps - 1):
        await clock.advance(round(s * 1000))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_chains_are_kept_every_two_seconds_and_late_news_every_minute() -> None:
    clock, metrics, keeper = FakeClock(), FakeMetrics(), Keeper()
    loop = Chainer(lambda: keeper, clock=clock, metrics=metrics)
    await play(loop.run, clock, 2 * LATE_EVERY, CHAIN_S)
    assert (keeper.due, keeper.late) == (2 * LATE_EVERY, 2)


async def test_a_key_that_is_missing_or_a_store_that_is_away_ends_no_loop() -> None:
    clock, metrics, keeper = FakeClock(), FakeMetrics(), Keeper()
    found: list[Keeper] = []

    def make() -> Keeper:
        if not found:
            found.append(keeper)
            raise InvalidInput("the proof key cannot be read", "proof/key")
        return keeper

    loop = Chainer(make, clock=clock, metrics=metrics)
    await play(loop.run, clock, 3, CHAIN_S)
    assert keeper.due == 2
    keeper.is_away = True
    await play(loop.run, clock, 2, CHAIN_S)
    keeper.is_away = False
    await play(loop.run, clock, 1, CHAIN_S)
    assert keeper.due == 3


async def test_tombstones_are_read_at_the_start_and_every_hour() -> None:
    clock, metrics, sweeper = FakeClock(), FakeMetrics(), Sweeper()
    loop = Eraser(lambda: sweeper, clock=clock, metrics=metrics)
    await play(loop.run, clock, TOMBSTONES_EVERY + 2, ERASE_S)
    assert [at for at, asked in enumerate(sweeper.asked) if asked] == [0, TOMBSTONES_EVERY]


async def test_tombstones_that_could_not_be_read_are_read_at_the_next_step() -> None:
    clock, metrics, sweeper = FakeClock(), FakeMetrics(), Sweeper()
    sweeper.is_away = True
    task = asyncio.ensure_future(Eraser(lambda: sweeper, clock=clock, metrics=metrics).run())
    await clock.advance(0)
    await clock.advance(round(ERASE_S * 1000))
    sweeper.is_away = False
    await clock.advance(round(ERASE_S * 1000))
    await clock.advance(round(ERASE_S * 1000))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sweeper.asked == [True, True, True, False]
