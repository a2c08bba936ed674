"""A WebSocket held to rules: who may open it, how it begins, how much it may say, how it ends."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from proctor.api.bodies import parse_json
from proctor.api.problems import Malformed
from proctor.api.schemas import Id, Sent, Ticket
from proctor.ports import Clock
from proctor.services.alerts_follow import Window

NORMAL = 1000
UNSUPPORTED = 1003
NOT_THE_TYPE = 1007
POLICY = 1008
TOO_BIG = 1009
INTERNAL = 1011
TRY_AGAIN_LATER = 1013
UNAUTHORIZED = 4401
FORBIDDEN = 4403


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What a socket is held to.

    Attributes:
        hello_s: How long the first message may take.
        say_s: How long one message of ours may take to leave; slower clients are let go.
        look_s: How often a socket looks by itself, for what a lost notification did not tell.
        ping_s: How long we are silent at most.
        message_chars: Longest message that is taken.
        messages_per_s: How many are taken within a second.
        page: How many alerts are read from the store at once.
        waiting: How many messages for a candidate's page may wait to leave.
        window_bytes: How much may be on its way to a reader of alerts that does not say it arrived: Serve
            takes all that we send, whether or not anybody reads (docs/streams.md).
    """

    hello_s: float = 5.0
    say_s: float = 10.0
    look_s: float = 5.0
    ping_s: float = 15.0
    message_chars: int = 4096
    messages_per_s: int = 20
    page: int = 100
    waiting: int = 64
    window_bytes: int = 1 << 20


WORD_S = 5.0
"""How soon after an alert its reader is asked to say that it came: what it does not say in time, a sink
that stands in for live readers sends (services/live_readers.py)."""


class Close(Exception):  # an order, not an error
    """Ends the socket with a code and a reason."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Hello(Sent):
    """The first message of a client."""

    type: Literal["hello"]
    ticket: Ticket
    after: int = Field(default=0, ge=0, le=1 << 53)
    session_id: Id | None = None
    exam_id: Id | None = None


def may_open(socket: WebSocket, allowed_origins: frozenset[str]) -> bool:
    """Whether the handshake is one of our own pages' (or of an allowed origin), with no secret in it.

    A missing Origin is refused as a foreign one is (OWASP ASVS 4.4.2): a program names its own.
    """
    origin = socket.headers.get("origin", "")
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as `http://[`
        return False
    is_own = parts.scheme in ("http", "https") and parts.netloc == socket.headers.get("host")
    return (is_own or origin in allowed_origins) and not socket.query_params


class Line:
    """What is said and heard over one accepted socket."""

    def __init__(self, socket: WebSocket, limits: SocketLimits, clock: Clock) -> None:
        self._socket = socket
        self._limits = limits
        self._clock = clock
        self._heard: deque[int] = deque(maxlen=limits.messages_per_s)
        self._turn = asyncio.Lock()
        self._said_ms = clock.monotonic_ms()
        self._window = Window(limits.window_bytes)
        self._answered = asyncio.Event()
        self._unanswered_ms: int | None = None
        self._given_ms: int | None = None

    def begin(self, after: int) -> None:
        """The reader of a feed has everything up to its cursor."""
        self._window.given = self._window.has = after

    async def say(self, message: Mapping[str, object]) -> None:
        """Send one JSON message. Raises `Close` (1013) when the client does not take it in time."""
        text = json.dumps(message)
        try:
            async with asyncio.timeout(self._limits.say_s), self._turn:
                await self._socket.send_text(text)
        except TimeoutError:
            raise Close(TRY_AGAIN_LATER, "too slow; come back with your cursor") from None
        self._window.send(len(text))
        self._said_ms = self._clock.monotonic_ms()

    async def say_within_window(self, message: Mapping[str, object], position: int) -> None:
        """Send an alert. Once half the window is under way the client is asked (`ping`) to say so.

        Raises:
            Close: 1013: nothing was answered for `say_s` with a full window under way. The client has
                all that came before this, and goes on with its cursor.
        """
        if self._window.is_full:
            self._answered.clear()
            try:
                async with asyncio.timeout(self._limits.say_s):
                    while self._window.is_full:
                        await self._answered.wait()
                        self._answered.clear()
            except TimeoutError:
                raise Close(TRY_AGAIN_LATER, "too slow; come back with your cursor") from None
        await self.say(message)
        self._window.given = position
        if self._given_ms is None:
            self._given_ms = self._clock.monotonic_ms()
        if self._window.owes_question:
            await self._ask()

    async def keep_awake(self) -> None:
        """Say `ping` when nothing has been said for long, or an alert was given a while ago."""
        now_ms = self._clock.monotonic_ms()
        is_silent = now_ms - self._said_ms >= self._limits.ping_s * 1000
        is_owed = self._given_ms is not None and now_ms - self._given_ms >= WORD_S * 1000
        if is_silent or (is_owed and not self._window.is_asked):
            await self._ask()

    def has(self) -> int | None:
        """The position that the reader says to have; None once a question waits longer than `say_s`."""
        asked_ms = self._unanswered_ms
        if asked_ms is not None and (
            self._clock.monotonic_ms() - asked_ms >= self._limits.say_s * 1000
        ):
            return None
        return self._window.has

    async def _ask(self) -> None:
        self._given_ms = None
        if self._unanswered_ms is None:
            self._unanswered_ms = self._clock.monotonic_ms()
        self._window.ask()  # first: the answer may be here before `say` is back
        await self.say({"type": "ping"})

    def _take_pong(self) -> None:
        if self._window.answer():
            self._heard.pop()  # asked for: it is no chatter
            self._unanswered_ms = None
            self._answered.set()

    async def hear(self) -> dict[str, Any]:
        """The next message of the client.

        Raises:
            Close: Binary (1003), too long (1009), too many (1008), or no JSON object (1007).
            WebSocketDisconnect: The client is gone.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        now_ms = self._clock.monotonic_ms()
        if len(self._heard) == self._heard.maxlen and now_ms - self._heard[0] < 1000:
            raise Close(POLICY, "too many messages")
        self._heard.append(now_ms)
        text = message.get("text")
        if text is None:
            raise Close(UNSUPPORTED, "text only")
        if len(text) > self._limits.message_chars:
            raise Close(TOO_BIG, "message too long")
        try:
            value = parse_json(text.encode("utf-8", "surrogatepass"))
        except Malformed:
            raise Close(NOT_THE_TYPE, "no JSON") from None
        if not isinstance(value, dict):
            raise Close(NOT_THE_TYPE, "no JSON object")
        if value.get("type") == "pong":
            self._take_pong()
        return value

    async def hello(self) -> Hello:
        """The first message. Raises `Close` when it does not come, or is something else."""
        try:
            async with asyncio.timeout(self._limits.hello_s):
                return Hello.model_validate(await self.hear())
        except TimeoutError:
            raise Close(UNAUTHORIZED, "no hello") from None
        except ValidationError:
            raise Close(POLICY, "the first message must be a hello") from None

    async def close(self, code: int, reason: str = "") -> None:
        """Close, without waiting long for a client that does not listen."""
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(1.0):
                await self._socket.close(code, reason)


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; the others are cancelled, and what it raised is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()
