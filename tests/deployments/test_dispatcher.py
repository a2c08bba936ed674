"""Committed alerts get their place, and whoever listens is told the new head."""

import asyncio
from datetime import datetime

import pytest

from deployments.dispatcher import BATCH, Dispatcher
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.ids import TenantId
from proctor.ports import Judged
from proctor.services.alerts import alerts_channel
from tests.contract.samples import alert
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.stores import FakeAlertFeed, FakeIncidentStore


class Desk:
    """A dispatcher between stores in memory."""

    def __init__(self) -> None:
        database = FakeDatabase()
        self.clock, self.metrics = FakeClock(), FakeMetrics()
        self.incidents, self.feed = FakeIncidentStore(database), FakeAlertFeed(database)
        self.live = FakeLiveState(self.clock)
        self.dispatcher = Dispatcher(
            feed=self.feed, live=self.live, clock=self.clock, metrics=self.metrics
        )

    async def commit(self, *seqs: int) -> TenantId:
        alerts = tuple(alert(seq=seq) for seq in seqs)
        await self.incidents.commit(
            [
                Judged(
                    tenant_id=alerts[0].tenant_id,
                    session_id=alerts[0].session_id,
                    alerts=alerts,
                    incidents=(),
                    coverage=None,
                )
            ]
        )
        return alerts[0].tenant_id


async def passing(clock: FakeClock, milliseconds: int) -> None:
    """Time passes in ten steps, so that a loop comes round."""
    for _ in range(10):
        await clock.advance(milliseconds // 10)


async def test_what_waits_is_counted_every_five_seconds_and_not_at_every_step() -> None:
    desk = Desk()
    asked = 0
    waiting = desk.feed.waiting

    async def counted() -> tuple[int, datetime | None]:
        nonlocal asked
        asked += 1
        return await waiting()

    desk.feed.waiting = counted  # type: ignore[method-assign]
    task = asyncio.create_task(desk.dispatcher.run())
    await passing(desk.clock, 1_000)
    assert asked == 1
    assert desk.metrics.gauges[("outbox_pending", ())] == 0
    assert desk.metrics.gauges[("outbox_lag_seconds", ())] == 0
    await passing(desk.clock, 9_000)
    assert asked in (2, 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_step_publishes_and_tells_the_head_once() -> None:
    desk = Desk()
    tenant = await desk.commit(1, 2)
    assert await desk.dispatcher.step() == 2
    assert await desk.dispatcher.step() == 0
    assert desk.live.published == [(alerts_channel(tenant), "2")]
    assert [item.alert.seq for item in await desk.feed.read(tenant, 0, 10)] == [1, 2]
    assert desk.metrics.counted("alerts_published_total") == 2


async def test_news_that_could_not_be_told_is_told_later() -> None:
    desk = Desk()
    tenant = await desk.commit(1)
    desk.live.down = True
    with pytest.raises(StateStoreUnavailable):
        await desk.dispatcher.step()
    desk.live.down = False
    await desk.dispatcher.step()
    assert desk.live.published == [(alerts_channel(tenant), "1")]


async def test_the_loop_outlives_an_outage_of_the_database() -> None:
    desk = Desk()
    desk.feed.down = True
    running = asyncio.create_task(desk.dispatcher.run())
    try:
        await passing(desk.clock, 3_000)
        assert desk.metrics.counted("dispatcher_failed_steps_total") >= 2
        desk.feed.down = False
        tenant = await desk.commit(1)
        await passing(desk.clock, 2_000)
        assert desk.live.published == [(alerts_channel(tenant), "1")]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_more_than_a_batch_is_published_without_rest() -> None:
    desk = Desk()
    tenant = await desk.commit(*range(1, 2 * BATCH + 2))
    running = asyncio.create_task(desk.dispatcher.run())
    try:
        await passing(desk.clock, 10)
        assert await desk.feed.head(tenant) == 2 * BATCH + 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
