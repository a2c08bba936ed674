"""Small facts shared between processes, and where sessions live."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from proctor.domain.ids import SessionId
from proctor.domain.observations import ClientEventName
from proctor.domain.sessions import SessionSpec


class Subscription(Protocol):
    """Messages of one channel. A cancelled `__anext__` loses nothing; close it when done.

    Messages sent while the store was away are gone, so a listener also looks by itself now and then.
    """

    async def start(self) -> None:
        """Subscribe now: what is published after this is heard. The first `__anext__` does it too."""
        ...

    def __aiter__(self) -> AsyncIterator[str]:
        """Itself."""
        ...

    async def __anext__(self) -> str:
        """The next message; ends once closed."""
        ...

    async def aclose(self) -> None:
        """Unsubscribe. Idempotent."""
        ...


class LiveState(Protocol):
    """Small, short-lived facts shared between processes (Redis)."""

    async def put_once(self, key: str, value: str, ttl_s: int) -> bool:
        """Store unless the key exists; True when stored."""
        ...

    async def take(self, key: str) -> str | None:
        """Read and delete in one step: what makes a ticket one-time."""
        ...

    async def put(self, key: str, value: str, ttl_s: int | None) -> None:
        """Store."""
        ...

    async def get(self, key: str) -> str | None:
        """Read."""
        ...

    async def count(self, key: str, window_s: int) -> int:
        """Add one to a counter that expires `window_s` after its first count; the new value."""
        ...

    async def delete(self, key: str) -> None:
        """Forget."""
        ...

    async def compact(self) -> None:
        """Have the store's own files lose what was deleted; it may take a while after this returns."""
        ...

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens now."""
        ...

    def listen(self, channel: str) -> Subscription:
        """Messages from `start()` on; the subscription stands before the first `__anext__` waits."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A WebRTC answer and which connection of the session it belongs to."""

    sdp: str
    epoch: int


class SessionPlacement(Protocol):
    """Where sessions are hosted. Raises `NoCapacity` when every host is at its load."""

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        """Host the session (an older connection of it is closed) and answer the offer."""
        ...

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        """Add ICE candidates (RFC 8840 fragment). Raises `NotFound` for another epoch."""
        ...

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        """Close that connection, or an older one; the session stays live.

        Nothing happens when it is gone already, or a newer one is there.
        Raises `Unavailable` when its host does not answer: it may still be open.
        """
        ...

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        """Pass on what the candidate's page said. Raises `NotFound` when no host has the session."""
        ...
