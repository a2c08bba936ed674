"""How well a session is seen, as the product says it, heard here: whatever its candidate's line is."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.candidate.desk import call
from bench.candidate.person import socket_url
from bench.candidate.wire import ApiProblem, Sight, Status

NETWORK = frozenset({"no_media", "host_lost", "shard_lost"})
HOLDS_S = 2.0
"""A sight that is lost again within this was none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was said of the picture, and when (s since the epoch)."""

    at: float
    video: Sight

    @property
    def is_blind(self) -> bool:
        """Whether no picture comes."""
        return self.video.state == "blind" and self.video.reason in NETWORK


class Watcher:
    """Hears the control channel of one session beside its page.

    Attributes:
        seen: Everything said so far.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self.seen: list[Seen] = []
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self) -> None:
        """Listen until cancelled."""
        address = socket_url(self._base_url, "/v1/live/session")
        async with httpx.AsyncClient(base_url=self._base_url, headers=self._headers) as client:
            while True:
                try:
                    async with connect(address, origin=self._base_url) as socket:  # type: ignore[arg-type]
                        answer = await call(client, "POST", "/v1/live/tickets", value={})
                        hello = {"type": "hello", "ticket": answer.json()["ticket"]}
                        await socket.send(json.dumps(hello))
                        await self._hear(socket)
                except (OSError, ConnectionClosed, InvalidHandshake, ApiProblem):
                    pass
                await asyncio.sleep(0.2)

    async def _hear(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "status":
                self.seen.append(Seen(time.time(), Status.model_validate(message).video))


def blind_after_s(seen: Sequence[Seen], cut_at: float) -> float | None:
    """From the cut to the first word that nothing is seen; None when it was never said."""
    return next((one.at - cut_at for one in seen if one.at >= cut_at and one.is_blind), None)


def seen_after_s(seen: Sequence[Seen], back_at: float, *, monitored: bool) -> float | None:
    """From the link's return to the first word that there is a picture again, and it stays.

    0 when blind was not said by then; None when no such word came.

    Args:
        seen: What was said, in order.
        back_at: When the link was back, s since the epoch.
        monitored: Only `monitored` counts, not `degraded`.
    """

    def is_good(one: Seen) -> bool:
        return one.video.state == "monitored" if monitored else not one.is_blind

    before = [one for one in seen if one.at < back_at]
    if before and is_good(before[-1]):
        later = [one for one in seen if back_at <= one.at < back_at + HOLDS_S]
        if not any(one.is_blind for one in later):
            return 0.0
    for number, one in enumerate(seen):
        if one.at < back_at or not is_good(one):
            continue
        soon = [each for each in seen[number + 1 :] if each.at < one.at + HOLDS_S]
        if not any(each.is_blind for each in soon):
            return one.at - back_at
    return None


def sight_at(seen: Sequence[Seen], at: float) -> str:
    """What was said last of the picture at a moment: `monitored`, `degraded (overload)` ..."""
    before = [one.video for one in seen if one.at <= at]
    if not before:
        return "nothing"
    last = before[-1]
    return last.state + (f" ({last.reason})" if last.reason else "")
