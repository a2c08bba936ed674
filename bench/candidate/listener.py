"""A proctor's ear: the live alert feed over WebSocket, resumed where it broke off."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.candidate.desk import call
from bench.candidate.person import socket_url
from bench.candidate.wire import AlertView, ApiProblem, FeedView


@dataclass(frozen=True, slots=True)
class Heard:
    """An alert as it came.

    Attributes:
        position: Its place in the feed.
        alert: What it says.
        at: When it was received, seconds since the epoch.
    """

    position: int
    alert: AlertView
    at: float


class AlertListener:
    """Hears every alert of the tenant once, in order, through lost connections.

    Attributes:
        heard: Everything so far.
        connected: Set once the feed has caught up for the first time.
    """

    def __init__(self, base_url: str, token: str, on_alert: Callable[[Heard], None]) -> None:
        self.heard: list[Heard] = []
        self.connected = asyncio.Event()
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._on_alert = on_alert
        self._position = 0

    async def run(self) -> None:
        """Listen until cancelled. Raises `ApiProblem` when the token is refused."""
        address = socket_url(self._base_url, "/v1/live/alerts")
        async with httpx.AsyncClient(
            base_url=self._base_url, headers=self._headers, timeout=30
        ) as client:
            async for socket in connect(address, origin=self._base_url):  # type: ignore[arg-type]
                try:
                    answer = await call(client, "POST", "/v1/live/tickets", value={})
                    hello = {
                        "type": "hello",
                        "ticket": answer.json()["ticket"],
                        "after": self._position,
                    }
                    await socket.send(json.dumps(hello))
                    await self._hear(socket)
                except (ConnectionClosed, InvalidStatus):
                    await asyncio.sleep(0.3)
                except ApiProblem as problem:
                    if not problem.retryable:
                        raise

    async def _hear(self, socket: ClientConnection) -> None:
        async for text in socket:
            at = time.time()
            message = json.loads(text)
            if message["type"] == "alert":
                item = FeedView.model_validate(message)
                if item.position > self._position:
                    self._position = item.position
                    heard = Heard(item.position, item.alert, at)
                    self.heard.append(heard)
                    self._on_alert(heard)
            elif message["type"] == "ping":
                await socket.send('{"type": "pong"}')
            elif message["type"] == "caught_up":
                self._position = max(self._position, int(message["position"]))
                self.connected.set()
