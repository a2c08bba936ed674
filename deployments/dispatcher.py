"""Gives committed alerts their place in the feed and tells the listeners that there is news.

The outbox is in the database, so nothing is lost while this is away: the next step finds it.
"""

import structlog

from proctor.domain.errors import ProctorError
from proctor.domain.ids import TenantId
from proctor.ports import AlertFeed, Clock, LiveState, Metrics
from proctor.services.alerts import alerts_channel

log = structlog.get_logger(__name__)

STEP_S = 0.15
BATCH = 200
REST_AFTER_FAILURE_S = 1.0
MEASURE_EVERY_MS = 5_000
"""How often what waits is counted: one query more."""


class Dispatcher:
    """Outbox -> feed -> news. One step publishes what is pending; `run` repeats it."""

    def __init__(self, *, feed: AlertFeed, live: LiveState, clock: Clock, metrics: Metrics) -> None:
        self._feed = feed
        self._live = live
        self._clock = clock
        self._metrics = metrics
        self._told: dict[TenantId, int] = {}
        self._is_behind = True
        self._measured_ms: int | None = None

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        while True:
            try:
                published = await self.step()
                await self._measure()
            except ProctorError as error:
                log.warning("step failed", code=error.code)
                self._metrics.count("dispatcher_failed_steps_total")
                await self._clock.sleep(REST_AFTER_FAILURE_S)
            else:
                await self._clock.sleep(0 if published == BATCH else STEP_S)

    async def step(self) -> int:
        """Publish a batch of alerts and their feeds' new heads; how many alerts.

        A head that could not be told is told by a later step, so listeners never wait for the next alert.
        """
        published = await self._feed.publish_pending(BATCH)
        if published:
            self._is_behind = True
            self._metrics.count("alerts_published_total", published)
        if self._is_behind:
            for tenant_id, head in (await self._feed.heads()).items():
                if self._told.get(tenant_id) != head:
                    await self._live.publish(alerts_channel(tenant_id), str(head))
                    self._told[tenant_id] = head
            self._is_behind = False
        return published

    async def _measure(self) -> None:
        """Tell what waits for a place in the feed, now and then."""
        now_ms = self._clock.monotonic_ms()
        if self._measured_ms is not None and now_ms - self._measured_ms < MEASURE_EVERY_MS:
            return
        pending, oldest = await self._feed.waiting()
        self._measured_ms, now = now_ms, self._clock.now()
        lag_s = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
        self._metrics.gauge("outbox_pending", pending)
        self._metrics.gauge("outbox_lag_seconds", lag_s)
        self._metrics.gauge("loop_succeeded_at_seconds", now.timestamp(), loop="dispatcher")
