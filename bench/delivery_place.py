"""Where the receivers of the delivery benchmarks stand, and what they tell."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from proctor.domain.ids import TenantId
from proctor.ports import Clock, LiveState
from proctor.services.alerts import Alerts

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
