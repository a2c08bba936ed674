"""The application of the deployment `live`: alerts down to proctors, a channel to the candidate's page.

It is mounted at /v1/live. A socket begins with `{"type": "hello", "ticket": ...}` within 5 s; the ticket
was bought with a bearer token at POST /v1/live/tickets. A cursor says what a proctor has seen already.
The same feed as server-sent events is in stream.py.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from proctor.api.access import SOCKETS
from proctor.api.app import add_routes, bare_app, refuse_open_routes
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.services import Services
from proctor.api.sockets import (
    FORBIDDEN,
    INTERNAL,
    NORMAL,
    POLICY,
    TRY_AGAIN_LATER,
    UNAUTHORIZED,
    Close,
    Hello,
    Line,
    SocketLimits,
    first_of,
    may_open,
)
from proctor.api.stream import stream_router
from proctor.api.views import TicketView, feed_message
from proctor.domain.errors import NotFound, ProctorError, Unauthorized, Unavailable
from proctor.domain.ids import ExamId, SessionId, new_id
from proctor.domain.observations import ClientEventName
from proctor.domain.roles import Principal
from proctor.domain.sessions import SessionState
from proctor.ports import Subscription
from proctor.services.alerts import CursorAhead
from proctor.services.alerts_follow import Following, Wanted, following, require_token
from proctor.services.judging.page_news import send_key, session_channel, status_key
from proctor.services.tickets import LIFE_S, TicketKind

PREFIX = "/v1/live"
TO_PAGE = frozenset({"status", "reconnect", "send", "ended"})
GONE = Close(NORMAL, "gone")
_log = structlog.get_logger(__name__)

Talk = Callable[[Line, Principal, Hello], Awaitable[None]]


def create_live_app(services: Services, limits: SocketLimits | None = None) -> FastAPI:
    """The WebSockets, and the tickets that open them. Paths are relative to /v1/live."""
    app = bare_app(services, prefix=PREFIX)
    router = APIRouter(tags=["live"], route_class=GuardedRoute)
    limits = limits or SocketLimits()
    sockets = LiveSockets(services, limits)

    @router.post("/tickets", status_code=201)
    async def new_live_ticket(caller: Caller) -> TicketView:
        """A ticket for one socket, good for 30 seconds."""
        ticket = await services.live_tickets.ticket(caller)
        return TicketView(ticket=ticket, expires_in_s=LIFE_S[TicketKind.LIVE])

    @router.websocket("/alerts")
    async def alerts(socket: WebSocket) -> None:
        await sockets.serve(socket, "alerts", sockets.send_alerts)

    @router.websocket("/session")
    async def session(socket: WebSocket) -> None:
        await sockets.serve(socket, "session", sockets.talk_with_page)

    add_routes(app, router, stream_router(services, limits))
    refuse_open_routes(app, prefix=PREFIX)
    return app


class LiveSockets:
    """What happens over the two kinds of socket."""

    def __init__(self, services: Services, limits: SocketLimits) -> None:
        self._services = services
        self._limits = limits
        self._open = {"alerts": 0, "session": 0}

    async def serve(self, socket: WebSocket, kind: str, talk: Talk) -> None:
        """One socket from handshake to end. A foreign origin gets no further than 403."""
        services = self._services
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=new_id("req"))
        if not may_open(socket, services.allowed_origins):
            await socket.close(POLICY)
            return
        await socket.accept()
        line = Line(socket, self._limits, services.clock)
        end = Close(NORMAL)
        self._count(kind, 1)
        try:
            hello = await line.hello()
            caller = await self._caller(hello.ticket, kind)
            structlog.contextvars.bind_contextvars(tenant_id=caller.tenant_id)
            await talk(line, caller, hello)
        except Close as close:
            end = close
        except WebSocketDisconnect:  # with a code of its choice: no label of ours
            end = GONE
        except Unavailable as error:
            _log.warning("socket ended", code=error.code)
            end = Close(TRY_AGAIN_LATER, "come back with your cursor")
        except Exception as error:  # noqa: BLE001  # the socket's own boundary; values stay out of the log
            _log.error("socket failed", error=type(error).__name__, detail=_code_of(error))
            end = Close(INTERNAL)
        finally:
            self._count(kind, -1)
            code = "client" if end is GONE else str(end.code)
            services.metrics.count("live_sockets_closed_total", kind=kind, code=code)
            await line.close(end.code, end.reason)

    def _count(self, kind: str, change: int) -> None:
        self._open[kind] += change
        self._services.metrics.gauge("live_sockets", self._open[kind], kind=kind)

    async def _caller(self, ticket: str, kind: str) -> Principal:
        try:
            caller = await self._services.live_tickets.redeem(ticket)
        except Unauthorized:
            raise Close(UNAUTHORIZED, "the ticket is used up or has run out") from None
        if caller.role not in SOCKETS[f"{PREFIX}/{kind}"]:
            raise Close(FORBIDDEN, "not open to this role")
        await self._check_token(caller)
        return caller

    async def _check_token(self, caller: Principal) -> None:
        """Raise `Close` (4401) once the token behind the ticket is expired or revoked."""
        try:
            await require_token(self._services, caller)
        except Unauthorized as error:
            raise Close(UNAUTHORIZED, error.code) from None

    # Alerts

    async def send_alerts(self, line: Line, caller: Principal, hello: Hello) -> None:
        """The tenant's feed from the cursor on, then everything as it comes."""
        limits = self._limits
        line.begin(hello.after)
        async with following(
            self._services,
            caller,
            wanted_of(hello),
            page=limits.page,
            look_s=limits.look_s,
            has=line.has,
            came=lambda delay_s: self._services.metrics.observe(
                "live_delay_seconds", delay_s, kind="websocket"
            ),
        ) as feed:
            try:
                await first_of(self._feed(line, feed), self._refuse_everything(line))
            except Unauthorized as error:
                raise Close(UNAUTHORIZED, error.code) from None

    @staticmethod
    async def _feed(line: Line, feed: Following) -> None:
        is_first = True
        while True:
            try:
                items = await feed.next()
            except CursorAhead as error:
                await line.say({"type": "error", "code": error.code})
                raise Close(POLICY, "the cursor is ahead of the feed") from None
            for item in items:
                await line.say_within_window(feed_message(item), item.position)
            if items:
                continue
            if is_first:
                await line.say({"type": "caught_up", "position": feed.position})
                is_first = False
            await line.keep_awake()

    @staticmethod
    async def _refuse_everything(line: Line) -> None:
        while True:
            message = await line.hear()
            if message.get("type") != "pong":
                await line.say({"type": "error", "code": "message/unknown-type"})

    # The candidate's page

    async def talk_with_page(self, line: Line, caller: Principal, hello: Hello) -> None:
        """Status and wishes down to the page of the token's session, its events up."""
        del hello
        session_id = caller.session_id
        if session_id is None:
            raise Close(FORBIDDEN, "bound to no session")
        structlog.contextvars.bind_contextvars(session_id=session_id)
        subscription = self._services.live.listen(session_channel(session_id))
        waiting: asyncio.Queue[str] = asyncio.Queue(self._limits.waiting)
        try:
            await subscription.start()
            session = await self._services.sessions.get(caller.tenant_id, session_id)
            if session.state is SessionState.ENDED:
                await line.say({"type": "ended"})
                return
            await first_of(
                _collect(subscription, waiting),
                self._tell_page(line, caller, session_id, waiting),
                self._hear_page(line, session_id),
            )
        finally:
            await subscription.aclose()

    async def _tell_page(
        self, line: Line, caller: Principal, session_id: SessionId, waiting: asyncio.Queue[str]
    ) -> None:
        kept = {"status": status_key(session_id), "send": send_key(session_id)}
        told: dict[str, str] = {}
        while True:
            await self._check_token(caller)
            for of_kind, key in kept.items():
                last = await self._services.live.get(key)
                if last is not None and last != told.get(of_kind):
                    told[of_kind] = last
                    await self._relay(line, last, of_kind)
            message: str | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.look_s):
                    message = await waiting.get()
            if message is not None:
                kind = await self._relay(line, message)
                if kind == "ended":
                    return
                if kind in kept:
                    told[kind] = message
            await line.keep_awake()

    @staticmethod
    async def _relay(line: Line, text: str, kind: str | None = None) -> str | None:
        """Pass a message of the system on to the page; the kind of it, None when it is none of ours."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if isinstance(message, dict):
            kind = kind or str(message.get("type"))
            if kind in TO_PAGE:
                await line.say({**message, "type": kind})
                return kind
        _log.warning("message for the page was not understood")
        return None

    async def _hear_page(self, line: Line, session_id: SessionId) -> None:
        while True:
            message = await line.hear()
            if message.get("type") == "pong":
                continue
            if message.get("type") != "event" or message.keys() - {"type", "name"}:
                await line.say({"type": "error", "code": "message/unknown-type"})
                continue
            try:
                name = ClientEventName(message.get("name", ""))
            except ValueError:
                await line.say({"type": "error", "code": "event/unknown"})
            else:
                await self._pass_on(session_id, name)

    async def _pass_on(self, session_id: SessionId, name: ClientEventName) -> None:
        try:
            await self._services.placement.client_event(session_id, name)
        except (NotFound, Unavailable) as error:
            _log.info("event of the page reached no host", event_name=name.value, code=error.code)


def wanted_of(hello: Hello) -> Wanted:
    """What the first message asks for."""
    return Wanted(
        after=hello.after,
        session_id=SessionId(hello.session_id) if hello.session_id else None,
        exam_id=ExamId(hello.exam_id) if hello.exam_id else None,
    )


async def _collect(subscription: Subscription, waiting: "asyncio.Queue[str]") -> None:
    async for message in subscription:
        try:
            waiting.put_nowait(message)
        except asyncio.QueueFull:
            raise Close(TRY_AGAIN_LATER, "too slow") from None


def _code_of(error: Any) -> str:
    return error.code if isinstance(error, ProctorError) else ""
