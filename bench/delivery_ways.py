"""The ways that an alert may leave by, as their receivers see them; a new one is a row of `WAYS`."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no types
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.delivery_place import Ear, Place, Way
from bench.delivery_pushed import OverKafka, OverWebhook
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub

ORIGIN_PATH = "/v1/live"
COME_BACK_S = 0.1


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


WAYS: Mapping[str, Callable[[], Way]] = {
    "websocket": OverWebSocket,
    "sse": OverEvents,
    "grpc": OverGrpc,
    "kafka": OverKafka,
    "webhook": OverWebhook,
}
