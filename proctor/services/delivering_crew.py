"""All sinks of all tenants: a worker each, told of news, replaced when somebody changes the sink."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from proctor.domain.deliveries import SinkKind
from proctor.domain.errors import InvalidInput, ProctorError
from proctor.domain.ids import SinkId
from proctor.domain.sinks import Sink
from proctor.ports import KeyRing, SinkMaker
from proctor.services.delivering import REST_AFTER_FAILURE_S, SinkWorker
from proctor.services.delivery_desk import Desk
from proctor.services.sink_secrets import unseal

STEP_S = 0.2
"""How often the feeds' heads are looked at: one query for all sinks, none while there is no sink."""

SINKS_EVERY = 10
"""Steps between two looks at the list of sinks and at what is owed: 2 s."""

LOG_KEPT = timedelta(days=30)
FORGET_EVERY = 3_000
FORGET_AT_ONCE = 500
"""A page of the log; while pages are full the next one follows at the next look."""

log = structlog.get_logger(__name__)


@dataclass
class _Job:
    worker: SinkWorker
    task: "asyncio.Task[None]"


class DeliveryCrew:
    """Runs a worker per enabled sink. Several crews may run; leases share the sinks out among them."""

    def __init__(self, desk: Desk, keys: KeyRing, maker: SinkMaker) -> None:
        self._desk = desk
        self._keys = keys
        self._maker = maker
        self._jobs: dict[SinkId, _Job] = {}
        self._unusable: dict[SinkId, int] = {}
        self._counted: set[SinkKind] = set()
        self._is_forgetting = False

    async def run(self) -> None:
        """Step until cancelled; a store that is away is waited for."""
        number = 0
        try:
            while True:
                try:
                    await self.step(number)
                    await self._desk.clock.sleep(STEP_S)
                    number += 1
                except ProctorError as error:
                    log.warning("step failed", code=error.code)
                    self._desk.metrics.count("delivery_failed_steps_total")
                    await self._desk.clock.sleep(REST_AFTER_FAILURE_S)
                except Exception as error:  # noqa: BLE001  # the feed is another loop of this process
                    log.error("step failed", error=type(error).__name__)
                    self._desk.metrics.count("delivery_failed_steps_total")
                    await self._desk.clock.sleep(REST_AFTER_FAILURE_S)
        finally:
            await self.close()

    async def step(self, number: int = 0) -> None:
        """Look at the sinks and what they owe (every tenth time), then tell the workers the heads."""
        if number % SINKS_EVERY == 0:
            await self._look()
        if number % FORGET_EVERY == FORGET_EVERY - 1:
            self._is_forgetting = True
        if self._is_forgetting and number % SINKS_EVERY == SINKS_EVERY - 1:
            before = self._desk.clock.now() - LOG_KEPT
            forgotten = await self._desk.deliveries.forget(before, FORGET_AT_ONCE)
            self._is_forgetting = forgotten == FORGET_AT_ONCE
        if self._jobs:
            heads = await self._desk.feed.heads()
            for job in self._jobs.values():
                job.worker.tell(heads.get(job.worker.sink.tenant_id, 0))

    async def close(self) -> None:
        """End every worker now; what was under way is sent again by whoever comes after. Idempotent."""
        jobs = list(self._jobs.values())
        self._jobs.clear()
        for job in jobs:
            job.task.cancel()
        await asyncio.gather(*(job.task for job in jobs), return_exceptions=True)

    async def _look(self) -> None:
        sinks = {sink.sink_id: sink for sink in await self._desk.sinks.running_sinks()}
        for sink_id, job in list(self._jobs.items()):
            wanted = sinks.get(sink_id)
            if wanted is None or wanted.version != job.worker.sink.version:
                job.worker.stop()
            if job.task.done():
                del self._jobs[sink_id]
                if not job.task.cancelled() and (error := job.task.exception()) is not None:
                    log.error("worker ended", sink_id=sink_id, error=type(error).__name__)
        for sink in sinks.values():
            if sink.sink_id not in self._jobs:
                await self._begin(sink)
        await self._measure(sinks)
        now_s = self._desk.clock.now().timestamp()
        self._desk.metrics.gauge("loop_succeeded_at_seconds", now_s, loop="delivering")

    async def _begin(self, sink: Sink) -> None:
        try:
            sealed = await self._desk.sinks.sealed_secrets(sink.tenant_id, sink.sink_id)
            secrets = unseal(self._keys, sink.tenant_id, sink.sink_id, sealed)
            sender = self._maker.open(sink, secrets)
        except InvalidInput as error:
            # Its alerts wait in the feed: what is wrong may be a setting of the operator.
            if self._unusable.get(sink.sink_id) != sink.version:
                log.warning("sink cannot be used", sink_id=sink.sink_id, code=error.code)
            self._unusable[sink.sink_id] = sink.version
            return
        self._unusable.pop(sink.sink_id, None)
        worker = SinkWorker(sink, sender, self._desk)
        task = asyncio.create_task(worker.run(), name=f"deliver-{sink.sink_id}")
        self._jobs[sink.sink_id] = _Job(worker, task)

    async def _measure(self, sinks: dict[SinkId, Sink]) -> None:
        """What is owed in all, by kind of sink: each row is told once, whoever works for it."""
        metrics, now = self._desk.metrics, self._desk.clock.now()
        self._unusable = {name: v for name, v in self._unusable.items() if name in sinks}
        metrics.gauge("delivery_unusable_sinks", len(self._unusable))
        if not sinks and not self._counted:
            return
        owed = await self._desk.deliveries.backlogs()
        self._counted |= {sink.kind for sink in sinks.values()}
        for kind in self._counted:
            own = [owed[name] for name in owed if name in sinks and sinks[name].kind is kind]
            oldest = min((one.oldest_at for one in own if one.oldest_at), default=now)
            label = kind.value
            metrics.gauge("delivery_pending", sum(one.pending for one in own), kind=label)
            metrics.gauge("delivery_dead_letters", sum(one.dead for one in own), kind=label)
            lag_s = max((now - oldest).total_seconds(), 0.0)
            metrics.gauge("delivery_lag_seconds", lag_s, kind=label)
