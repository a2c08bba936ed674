"""The ways that the product pushes by, each with the other end that gets it."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.delivery_place import Ear, Place
from bench.mock_kafka import MockKafka
from bench.receiver import Got, Receiver, make_certificates, receiving
from proctor.adapters.sinks.kafka import KafkaSink
from proctor.adapters.sinks.registry import SinkRegistry
from proctor.alerting.envelope import DATA_SCHEMA
from proctor.alerting.grouping import groups
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Owed, SinkKind
from proctor.domain.ids import SinkId
from proctor.domain.roles import Principal, Role
from proctor.domain.sinks import Batching, Sink
from proctor.ports import AlertSink
from proctor.services.alerts_follow import Wanted, following
from proctor.services.sink_secrets import new_secret

TOPIC = "alerts"
PARTITIONS = 4
SINK_S = 2.0


class OverKafka:
    """The Kafka sink to librdkafka's mock cluster, and a consumer of its topic."""

    def __init__(self, on_cluster: Callable[[MockKafka], None] = lambda _: None) -> None:
        """`on_cluster` gets the brokers as soon as they run, to hurt them."""
        self._on_cluster = on_cluster

    async def receive(self, place: Place, ear: Ear) -> None:
        """Follow the feed, send, and consume, until cancelled."""
        cluster, topic = MockKafka(), TOPIC
        cluster.create_topic(topic, PARTITIONS)
        self._on_cluster(cluster)
        sink = KafkaSink(bootstrap=cluster.bootstrap, topic=topic, deadline_s=SINK_S)
        consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": "bench",
                "log_level": 0,
                # A mock broker answers a fetch that found nothing at the end of this, whatever came.
                "fetch.wait.max.ms": 5,
            }
        )
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def consume() -> None:
            while not is_over.is_set():
                for record in consumer.consume(500, timeout=0.05):
                    event_id = None if record.error() else id_of(record.value() or b"")
                    if event_id is not None:
                        loop.call_soon_threadsafe(ear.hear, event_id)

        thread = ThreadPoolExecutor(1)  # of its own: the loop's few are not for loops
        consuming = loop.run_in_executor(thread, consume)
        try:
            await push(place, ear, sink)
        finally:
            is_over.set()
            await asyncio.gather(consuming, return_exceptions=True)
            thread.shutdown(wait=False)
            await sink.close()
            consumer.close()
            cluster.close()


def id_of(value: bytes) -> str | None:
    """The id of the alert that a record holds; None puts the record aside, so that the rest flows."""
    try:
        event = json.loads(value)
        return str(event["id"]) if event["dataschema"] == DATA_SCHEMA else None
    except (ValueError, KeyError, TypeError):
        return None


class OverWebhook:
    """The webhook sink to an HTTPS receiver, in requests as large as the dispatcher makes them."""

    async def receive(self, place: Place, ear: Ear) -> None:
        """Follow the feed and send, until cancelled."""

        def heard(got: Got) -> None:
            told = json.loads(got.body)
            for event in told if isinstance(told, list) else [told]:
                ear.hear(event["id"])

        with tempfile.TemporaryDirectory() as folder:
            certificates = make_certificates(Path(folder))
            async with receiving(Receiver(decide=heard), certificates.tls) as receiver:
                registry = SinkRegistry(
                    clock=place.clock,
                    allow=[f"127.0.0.1/32:{receiver.port}"],
                    ca=certificates.ca,
                )
                made = Sink(
                    sink_id=SinkId("snk_bench"),
                    tenant_id=place.tenant_id,
                    name="bench",
                    kind=SinkKind.WEBHOOK,
                    target=f"https://127.0.0.1:{receiver.port}/",
                    created_at=place.clock.now(),
                )
                sink = registry.open(made, [new_secret()])
                try:
                    await push(place, ear, sink, cut=lambda items: _requests(items, place))
                finally:
                    await sink.close()


def _requests(items: Sequence[FeedItem], place: Place) -> list[list[FeedItem]]:
    now = place.clock.now()
    owed = [Owed(item=item, attempts=0, planned_at=now, batch_id=None) for item in items]
    made = groups(owed, Batching(most=place.most), now)
    return [[one.item for one in group.owed] for group in made]


async def push(
    place: Place,
    ear: Ear,
    sink: AlertSink,
    cut: Callable[[Sequence[FeedItem]], list[list[FeedItem]]] = lambda items: [list(items)],
) -> None:
    """Follow the feed and hand it to a sink, each page in calls as `cut` says, until cancelled."""
    owner = Principal(
        subject="bench",
        tenant_id=place.tenant_id,
        role=Role.SERVICE,
        token_id="bench",
        expires_at=place.clock.now() + timedelta(hours=1),
    )
    wanted = Wanted(after=ear.after)
    async with following(place, owner, wanted, page=place.most, look_s=1.0) as feed:
        while True:
            page = await feed.next()
            if not page:
                ear.is_ready.set()
            for left in cut(page):
                while left:
                    answers = zip(left, await sink.send(left), strict=True)
                    left = [item for item, sent in answers if sent.outcome is Outcome.RETRY]
