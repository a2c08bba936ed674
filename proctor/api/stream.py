"""The alert feed as server-sent events (WHATWG HTML 9.2): one long answer that resumes at an event id.

Nothing comes back from such a reader, and Serve's proxy takes whatever we send. So an answer is long but
not endless: it ends after `window_bytes`, and a reader comes back with the last id that it has, which
browsers and SSE libraries do by themselves. What waits for a reader that does not read is one window.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.routes.alerts import Filter, Position
from proctor.api.services import Services
from proctor.api.sockets import SocketLimits, first_of
from proctor.api.views import FeedItemView
from proctor.domain.alerts import FeedItem
from proctor.domain.errors import InvalidInput, ProctorError
from proctor.domain.ids import ExamId, SessionId
from proctor.domain.roles import Principal
from proctor.services.alerts_follow import Following, Wanted, Window, following

COME_BACK_MS = 500
"""How long a browser waits before it comes back (`retry:`)."""

LAST_POSITION = 1 << 53
_log = structlog.get_logger(__name__)


def stream_router(services: Services, limits: SocketLimits) -> APIRouter:
    """GET /alerts/stream, relative to where `live` is mounted."""
    router = APIRouter(tags=["live"], route_class=GuardedRoute)
    streams = Streams(services, limits)

    @router.get("/alerts/stream", response_class=Response)
    async def stream_alerts(
        caller: Caller,
        request: Request,
        after: Position = 0,
        session_id: Filter = None,
        exam_id: Filter = None,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    ) -> Response:
        """Alerts after a position as server-sent events; `Last-Event-ID` counts for more than `after`."""
        wanted = Wanted(
            after=position_of(last_event_id) if last_event_id else after,
            session_id=SessionId(session_id) if session_id else None,
            exam_id=ExamId(exam_id) if exam_id else None,
        )
        await services.alerts.check(caller.tenant_id, wanted.after)
        return FeedEvents(streams, caller, wanted)

    return router


def position_of(last_event_id: str) -> int:
    """The feed position that an event id is. Raises `InvalidInput` (cursor/invalid) for another text."""
    if not (last_event_id.isascii() and last_event_id.isdecimal()):
        raise InvalidInput("Last-Event-ID is the id of an event of this stream.", "cursor/invalid")
    position = int(last_event_id)
    if position > LAST_POSITION:
        raise InvalidInput("Last-Event-ID is the id of an event of this stream.", "cursor/invalid")
    return position


class Streams:
    """What the open answers share: limits, and how many there are."""

    def __init__(self, services: Services, limits: SocketLimits) -> None:
        self.services = services
        self.limits = limits
        self._open = 0

    def count(self, change: int) -> None:
        """One more, or one less."""
        self._open += change
        self.services.metrics.gauge("live_streams", self._open, kind="sse")

    def ended(self, code: str) -> None:
        """Note why one ended."""
        self.services.metrics.count("live_streams_closed_total", kind="sse", code=code)


class FeedEvents(Response):
    """The answer: events until the reader goes, the token ends, or the window is full."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, caller: Principal, wanted: Wanted) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._caller = caller
        self._wanted = wanted
        self._code = "client"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the end; a reader that takes nothing for `say_s` is cut off."""
        del scope
        self._streams.count(1)
        try:
            await self._say(
                send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            )
            await first_of(self._events(send), _gone(receive))
        except TimeoutError:
            self._code = "slow"
        finally:
            self._streams.count(-1)
            self._streams.ended(self._code)

    async def _events(self, send: Send) -> None:
        services, limits = self._streams.services, self._streams.limits
        window, code = Window(limits.window_bytes), "window"
        try:
            async with following(
                services,
                self._caller,
                self._wanted,
                page=limits.page,
                look_s=limits.look_s,
                came=lambda delay_s: services.metrics.observe(
                    "live_delay_seconds", delay_s, kind="sse"
                ),
            ) as feed:
                await self._follow(send, feed, window)
        except ProctorError as error:
            code = error.code
            _log.info("stream ended", code=code)
        self._code = code
        # The reader is told why, and that it may come back: it has its position.
        await self._write(send, _word("end", {"code": code}))
        await self._say(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, send: Send, feed: Following, window: Window) -> None:
        clock, ping_ms = self._streams.services.clock, self._streams.limits.ping_s * 1000
        said_ms, is_first = clock.monotonic_ms(), True
        while not window.is_full:
            items = await feed.next()
            events = b""
            for item in items:
                event = event_of(item)
                events += event
                if not window.send(len(event)):
                    break  # the rest of the page comes with the next answer
            if not items and is_first:
                is_first = False
                events = _word("caught_up", {"position": feed.position}, str(feed.position))
            elif not items and clock.monotonic_ms() - said_ms >= ping_ms:
                events = format_sse_event(comment="ping")
            if events:
                await self._write(send, events)
                if not items:
                    window.send(len(events))
                said_ms = clock.monotonic_ms()

    async def _write(self, send: Send, body: bytes) -> None:
        await self._say(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _say(self, send: Send, message: Mapping[str, Any]) -> None:
        async with asyncio.timeout(self._streams.limits.say_s):
            await send(dict(message))


def event_of(item: FeedItem) -> bytes:
    """An alert as one event: its id is the feed position, its data what GET /v1/alerts has as an item."""
    return format_sse_event(
        event="alert",
        data_str=FeedItemView.model_validate(item).model_dump_json(),
        id=str(item.position),
    )


def _word(event: str, data: Mapping[str, object], event_id: str | None = None) -> bytes:
    """An event that is no alert."""
    told = json.dumps(data)
    return format_sse_event(event=event, data_str=told, id=event_id, retry=COME_BACK_MS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
