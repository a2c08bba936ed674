"""Stores in memory, a clock that jumps and workers of sinks: where deliveries are tried out."""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from proctor.domain.ids import AlertId, SinkId
from proctor.domain.sinks import Sink
from proctor.ports import Tracer
from proctor.services.delivering import SinkWorker
from proctor.services.delivery_desk import Desk
from proctor.services.live_readers import caught_up
from proctor.services.no_tracing import OFF
from tests.contract.samples import ACME, alert, judged
from tests.contract.sink_samples import SINK, sink
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.deliveries import FakeDeliveryStore, FakeSinkStore
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.sinks import FakeAlertSink
from tests.fakes.stores import FakeAlertFeed, FakeIncidentStore


@dataclass
class House:
    """Stores, a clock and workers."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    luck: float = 0.0
    tracer: Tracer = OFF

    def __post_init__(self) -> None:
        self.sinks = FakeSinkStore(self.database)
        self.deliveries = FakeDeliveryStore(self.database)
        self.feed = FakeAlertFeed(self.database)
        self.incidents = FakeIncidentStore(self.database)
        self.live = FakeLiveState(self.clock)

    def desk(self, owner: str = "here") -> Desk:
        return Desk(
            owner=owner,
            sinks=self.sinks,
            deliveries=self.deliveries,
            feed=self.feed,
            caught_up=partial(caught_up, self.live),
            clock=self.clock,
            metrics=self.metrics,
            tracer=self.tracer,
            luck=lambda: self.luck,
        )

    async def worker(
        self, receiver: FakeAlertSink, made: Sink | None = None, owner: str = "here"
    ) -> SinkWorker:
        made = made or sink()
        if made.sink_id not in self.database.sinks:
            await self.sinks.add_sink(made, b"", 20)
        return SinkWorker(self.database.sinks[made.sink_id], receiver, self.desk(owner))

    async def raise_alerts(self, *seqs: int, session_id: str = "ses_1") -> None:
        made = [alert(seq, session_id) for seq in seqs]
        await self.incidents.commit([judged(*made, session_id=session_id)])
        await self.feed.publish_pending(100)

    async def work(self, worker: SinkWorker) -> None:
        """Steps until there is nothing to do now."""
        for _ in range(200):
            worker.tell(await self.feed.head(ACME))
            if await worker.step() > 0 or worker.is_stopping:
                return
        raise AssertionError("the worker found no rest")

    async def work_for(self, worker: SinkWorker, hours: float) -> None:
        """The same over a stretch of time, jumping from one moment of interest to the next."""
        end = self.clock.now() + timedelta(hours=hours)
        while self.clock.now() < end and not worker.is_stopping:
            await self.work(worker)
            now = self.clock.now()
            due_at = await self.deliveries.next_due(worker.sink.sink_id, now)
            rests = self.database.sinks[worker.sink.sink_id].health.rests_until
            times = [time for time in (due_at, rests) if time is not None and time > now]
            jump = min([*times, end]) - now
            self.clock.stall(max(int(jump.total_seconds() * 1000), 1))

    def state(self, seq: int, session_id: str = "ses_1", sink_id: SinkId = SINK) -> str:
        one = self.database.deliveries[sink_id, AlertId(f"alr_{session_id}_{seq}")]
        return f"{one.state} {one.attempts} {one.code}".strip()


def seqs(receiver: FakeAlertSink, session_id: str = "ses_1") -> list[int]:
    return [i.alert.seq for i in receiver.delivered if i.alert.session_id == session_id]
