"""A candidate who behaves as the page does: joins, sends, and connects again when it is due."""

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.candidate.desk import call
from bench.candidate.film import Film
from bench.candidate.reels import Reels
from bench.candidate.sender import Attach, Playback, Sender, attach_reels
from bench.candidate.wire import ApiProblem, Joined, Status

BLIND_FOR_S = 2.0
GRACE_S = 6.0
CONNECT_WITHIN_S = 8.0
OFFER_WITHIN_S = 60.0
_SPREAD = wait_random_exponential(multiplier=0.4, max=8)
_REPAIRABLE = frozenset({"no_media", "host_lost"})


@dataclass(frozen=True, slots=True)
class Said:
    """What the control channel said, and when (s since the epoch)."""

    at: float
    status: Status


def socket_url(base_url: str, path: str) -> str:
    """The WebSocket address of a path of the API."""
    return base_url.replace("http", "ws", 1).rstrip("/") + path


def _worth_a_retry(problem: BaseException) -> bool:
    return isinstance(problem, ApiProblem) and problem.retryable


def _as_told_and_spread(state: RetryCallState) -> float:
    """As long as the server says (Retry-After) and up to as long again, else doubled and spread."""
    problem = state.outcome.exception() if state.outcome is not None else None
    if isinstance(problem, ApiProblem) and problem.retry_after_s > 0:
        return problem.retry_after_s * random.uniform(1.0, 2.0)
    return _SPREAD(state)


class Candidate:
    """One candidate in one session.

    Attributes:
        playback: Where in the script they are.
        epochs: Connections so far, in order.
        breaks: Why each new connection became due: failed, not connected, asked, blind.
        said: Every status that the control channel gave.
        ended: Set when the server says that the session has ended.
    """

    def __init__(self, base_url: str, shown: Reels | Film, attach: Attach = attach_reels) -> None:
        self.playback = Playback(shown)
        self._attach = attach
        self.epochs: list[int] = []
        self.breaks: list[str] = []
        self.said: list[Said] = []
        self.ended = asyncio.Event()
        self.session_id = ""
        self._base_url = base_url
        self._client = httpx.AsyncClient(base_url=base_url, timeout=30)
        self._joined: Joined | None = None
        self._sender: Sender | None = None
        self._opened_s = 0.0
        self._due = asyncio.Event()
        self._blind_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, ticket: str) -> None:
        """Exchange the ticket, connect, and stay connected until `close`. Raises `ApiProblem`."""
        answer = await call(self._client, "POST", "/v1/join", value={"ticket": ticket})
        self._joined = Joined.model_validate_json(answer.content)
        self.session_id = self._joined.session_id
        self._client.headers["Authorization"] = f"Bearer {self._joined.token}"
        await self._offer()
        self._tasks = [
            asyncio.create_task(self._stay_connected()),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._watch()),
        ]

    async def close(self) -> None:
        """Leave in order; nothing of this candidate stays open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sender is not None:
            with contextlib.suppress(ApiProblem):
                await self._sender.leave(self._client)
        await self._client.aclose()

    async def drop(self) -> None:
        """Lose the connection as a broken network would; `join`'s tasks find out and come back."""
        if self._sender is not None:
            await self._sender.close()

    async def _offer(self) -> None:
        assert self._joined is not None
        if self._sender is not None:
            await self._sender.close()
        retrying = AsyncRetrying(
            retry=retry_if_exception(_worth_a_retry),
            wait=_as_told_and_spread,
            stop=stop_after_delay(OFFER_WITHIN_S),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                sender = self._sender = Sender(self.playback, self._changed, self._attach)
                self._opened_s = time.monotonic()
                self._blind_since = None
                try:
                    await sender.open(self._client, self._joined.whip_url)
                except BaseException:
                    await sender.close()
                    raise
                self.epochs.append(sender.epoch)

    def _changed(self, state: str) -> None:
        if state == "failed":
            self._again("failed")

    def _again(self, why: str) -> None:
        if not self._due.is_set() and not self.ended.is_set():
            self.breaks.append(why)
        self._due.set()

    async def _stay_connected(self) -> None:
        while not self.ended.is_set():
            await self._due.wait()
            self._due.clear()
            try:
                await self._offer()
            except ApiProblem as problem:
                if not problem.retryable:
                    self.ended.set()
                    return
                self._due.set()

    async def _watch(self) -> None:
        stuck_since: float | None = None
        while not self.ended.is_set():
            await asyncio.sleep(0.25)
            age_s = time.monotonic() - self._opened_s
            if self._sender is None or self._sender.state == "connected":
                stuck_since = None
            elif stuck_since is None:
                stuck_since = time.monotonic()
            # a session that ends closes its connection a moment before it says so
            is_stuck = stuck_since is not None and time.monotonic() - stuck_since > 1.0
            is_blind = (
                self._blind_since is not None
                and time.monotonic() - self._blind_since > BLIND_FOR_S
                and age_s > GRACE_S
            )
            if is_stuck and age_s > CONNECT_WITHIN_S:
                self._again("not connected")
            elif is_blind:
                self._again("blind")

    async def _listen(self) -> None:
        address = socket_url(self._base_url, "/v1/live/session")
        async for socket in connect(address, origin=self._base_url):  # type: ignore[arg-type]
            try:
                answer = await call(self._client, "POST", "/v1/live/tickets", value={})
                hello = {"type": "hello", "ticket": answer.json()["ticket"]}
                await socket.send(json.dumps(hello))
                await self._hear(socket)
            except (ConnectionClosed, InvalidStatus):
                await asyncio.sleep(0.5)
            except ApiProblem as problem:
                if not problem.retryable:
                    return
            if self.ended.is_set():
                return

    async def _hear(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "status":
                    self._take(Status.model_validate(message))
                case "reconnect" if time.monotonic() - self._opened_s > 1.0:
                    self._again("asked")
                case "ended":
                    self.ended.set()
                    return

    def _take(self, status: Status) -> None:
        self.said.append(Said(time.time(), status))
        lost = any(
            sight.state == "blind" and sight.reason in _REPAIRABLE
            for sight in (status.video, status.audio)
        )
        if not lost:
            self._blind_since = None
        elif self._blind_since is None:
            self._blind_since = time.monotonic()
