"""The ways that an alert may leave by, as their receivers see them; a new one is a row of `WAYS`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import grpc  # type: ignore[import-untyped]  # it ships no types
import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.mock_kafka import MockKafka
from proctor.adapters.sinks.kafka import KafkaSink
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome
from proctor.domain.ids import TenantId
from proctor.domain.roles import Principal, Role
from proctor.ports import Clock, LiveState
from proctor.services.alerts import Alerts
from proctor.services.alerts_follow import Wanted, following

ORIGIN_PATH = "/v1/live"
PARTITIONS = 4
COME_BACK_S = 0.1
SINK_S = 2.0
WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a receiver finds the feed.

    Attributes:
        base_url: The HTTP door.
        grpc_port: The gRPC door.
        token: A proctor's.
        tenant_id: Whose feed.
        alerts: The feed itself, for what pushes.
        live: News of it.
        clock: Time.
        most: Most alerts in one message or call.
    """

    base_url: str
    grpc_port: int
    token: str
    tenant_id: TenantId
    alerts: Alerts
    live: LiveState
    clock: Clock
    most: int


@dataclass(slots=True)
class Ear:
    """Where a receiver tells what it heard.

    Attributes:
        hear: Called with the id of each alert.
        after: The feed position to begin after; goes on as alerts come.
        rest: Awaited before the next message of a WebSocket is read: a reader that does something else.
        is_ready: Set once the receiver listens.
    """

    hear: Callable[[str], None]
    after: int = 0
    rest: Callable[[], Awaitable[None]] | None = None
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Way(Protocol):
    """One way."""

    async def receive(self, place: Place, ear: Ear) -> None:
        """Receive until cancelled, coming back where an answer ends."""
        ...


class OverWebSocket:
    """The WebSocket /v1/live/alerts."""

    async def receive(self, place: Place, ear: Ear) -> None:
        """One socket after the other."""
        headers = {"Authorization": f"Bearer {place.token}"}
        address = place.base_url.replace("http", "ws") + f"{ORIGIN_PATH}/alerts"
        async with httpx.AsyncClient(base_url=place.base_url, headers=headers) as client:
            while True:
                try:
                    answer = await client.post(f"{ORIGIN_PATH}/tickets")
                    answer.raise_for_status()
                    hello = {
                        "type": "hello",
                        "ticket": answer.json()["ticket"],
                        "after": ear.after,
                    }
                    async with connect(address, origin=place.base_url, max_queue=4) as socket:  # type: ignore[arg-type]
                        await socket.send(json.dumps(hello))
                        await self._hear(socket, ear)
                except (httpx.TransportError, ConnectionClosed, InvalidHandshake, OSError):
                    await asyncio.sleep(COME_BACK_S)

    @staticmethod
    async def _hear(socket: ClientConnection, ear: Ear) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "alert":
                ear.hear(message["alert"]["alert_id"])
                ear.after = message["position"]
            elif message["type"] == "ping":
                await socket.send('{"type": "pong"}')
            elif message["type"] == "caught_up":
                ear.is_ready.set()
            if ear.rest is not None:
                await ear.rest()


class OverEvents:
    """Server-sent events from /v1/live/alerts/stream."""

    async def receive(self, place: Place, ear: Ear) -> None:
        """One answer after the other."""
        headers = {"Authorization": f"Bearer {place.token}"}
        path = f"{ORIGIN_PATH}/alerts/stream"
        async with httpx.AsyncClient(
            base_url=place.base_url, headers=headers, timeout=60
        ) as client:
            while True:
                params = {"after": ear.after}
                try:
                    async with client.stream("GET", path, params=params) as answer:
                        answer.raise_for_status()
                        await self._hear(answer, ear)
                except httpx.TransportError:
                    await asyncio.sleep(COME_BACK_S)

    @staticmethod
    async def _hear(answer: httpx.Response, ear: Ear) -> None:
        kind = ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
                if kind == "caught_up":
                    ear.is_ready.set()
            elif name == "data" and kind == "alert":
                item = json.loads(value)
                ear.hear(item["alert"]["alert_id"])
                ear.after = item["position"]


class OverGrpc:
    """Alerts.Follow on a plain grpcio server."""

    async def receive(self, place: Place, ear: Ear) -> None:
        """One call after the other. Raises what gRPC raises, but for a server that is away."""
        while True:
            options = [("grpc.max_reconnect_backoff_ms", 500)]
            target = f"127.0.0.1:{place.grpc_port}"
            async with grpc.aio.insecure_channel(target, options=options) as channel:
                try:
                    await self._follow(AlertsStub(channel), place, ear)  # type: ignore[no-untyped-call]  # generated
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(COME_BACK_S)

    @staticmethod
    async def _follow(stub: Any, place: Place, ear: Ear) -> None:
        metadata = (("authorization", f"Bearer {place.token}"),)
        while True:
            request = FollowRequest(after_position=ear.after, most_per_message=place.most)
            async for message in stub.Follow(request, metadata=metadata):
                for event in message.events:
                    ear.hear(event.alert.alert_id)
                ear.after = message.position
                if not message.events:
                    ear.is_ready.set()


class OverKafka:
    """The Kafka sink to librdkafka's mock cluster, and a consumer of its topic."""

    def __init__(self, on_cluster: Callable[[MockKafka], None] = lambda _: None) -> None:
        """`on_cluster` gets the brokers as soon as they run, to hurt them."""
        self._on_cluster = on_cluster

    async def receive(self, place: Place, ear: Ear) -> None:
        """Follow the feed, send, and consume, until cancelled."""
        cluster, topic = MockKafka(), "alerts"
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
                    if record.error() is None:
                        event = json.loads(record.value() or b"{}")
                        loop.call_soon_threadsafe(ear.hear, event["id"])

        thread = ThreadPoolExecutor(1)  # of its own: the loop's few are not for loops
        consuming = loop.run_in_executor(thread, consume)
        try:
            await self._push(place, ear, sink)
        finally:
            is_over.set()
            await asyncio.gather(consuming, return_exceptions=True)
            thread.shutdown(wait=False)
            await sink.close()
            consumer.close()
            cluster.close()

    @staticmethod
    async def _push(place: Place, ear: Ear, sink: KafkaSink) -> None:
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
                left: Sequence[FeedItem] = await feed.next()
                if not left:
                    ear.is_ready.set()
                while left:
                    answers = zip(left, await sink.send(left), strict=True)
                    left = [item for item, sent in answers if sent.outcome is Outcome.RETRY]


WAYS: Mapping[str, Callable[[], Way]] = {
    "websocket": OverWebSocket,
    "sse": OverEvents,
    "grpc": OverGrpc,
    "kafka": OverKafka,
}


async def ready(receiving: "asyncio.Task[Any]", ear: Ear) -> None:
    """Wait until the receiver listens; raises what it raised instead."""
    waiting = asyncio.create_task(ear.is_ready.wait())
    try:
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({waiting, receiving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if receiving.done():
        receiving.result()
