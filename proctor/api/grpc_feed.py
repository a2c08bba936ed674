"""The alert feed over gRPC (proto/alerts.proto), free of whatever serves it: Serve's proxy or plain grpcio.

A caller brings its token as metadata. What is refused or breaks ends the call with one of gRPC's own
codes and a line `code: sentence`, the same two that a problem of the HTTP API has.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no types
import structlog

from proctor.api.access import CALLS
from proctor.api.guard import hold_back
from proctor.api.proto.alerts_pb2 import AlertEvent, AlertEvents, FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsServicer
from proctor.api.services import Services
from proctor.api.sockets import SocketLimits
from proctor.api.stream import LAST_POSITION
from proctor.api.views import AlertView
from proctor.domain.alerts import FeedItem
from proctor.domain.errors import (
    Forbidden,
    InvalidInput,
    ProctorError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
)
from proctor.domain.ids import ExamId, SessionId
from proctor.domain.roles import Principal
from proctor.services.alerts_follow import Wanted, Window, following, require_token

FOLLOW = "/rayproctor.alerts.v1.Alerts/Follow"
MOST_PER_MESSAGE = 100
SPLIT_BYTES = 1 << 20
"""A client takes 4 MiB by default, and one that got more could never get past it."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_log = structlog.get_logger(__name__)

Metadata = Iterable[tuple[str, str | bytes]]


class CallEnded(Exception):  # positional: it crosses Serve's processes
    """A call that ends with something else than OK."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail

    @property
    def code(self) -> grpc.StatusCode:
        """As gRPC has it."""
        return grpc.StatusCode[self.status]

    def __str__(self) -> str:
        return self.detail


class FeedCalls:
    """What the calls of the service do."""

    def __init__(self, services: Services, limits: SocketLimits | None = None) -> None:
        self._services = services
        self._limits = limits or SocketLimits()
        self._open = 0

    async def follow(
        self, request: FollowRequest, metadata: Metadata
    ) -> AsyncIterator[AlertEvents]:
        """The messages of one call. Raises `CallEnded` for any end but OK."""
        services, code = self._services, "client"
        structlog.contextvars.clear_contextvars()
        self._count(1)
        try:
            caller = await self._caller(metadata)
            structlog.contextvars.bind_contextvars(tenant_id=caller.tenant_id)
            async for message in self._messages(request, caller):
                yield message
            code = "window"
        except ProctorError as error:
            code = error.code
            _log.info("call ended", code=code)
            raise CallEnded(_status_of(error), f"{code}: {error.detail}") from None
        except Exception as error:  # noqa: BLE001  # the call's own boundary; values stay out of the log
            code = "internal/error"
            _log.error("call failed", error=type(error).__name__)
            detail = "internal/error: Something went wrong on our side."
            raise CallEnded("INTERNAL", detail) from None
        finally:
            self._count(-1)
            services.metrics.count("live_streams_closed_total", kind="grpc", code=code)

    def _count(self, change: int) -> None:
        self._open += change
        self._services.metrics.gauge("live_streams", self._open, kind="grpc")

    async def _caller(self, metadata: Metadata) -> Principal:
        services = self._services
        caller = services.tokens.check(_bearer_of(metadata))
        await require_token(services, caller)
        rule = CALLS[FOLLOW]
        if caller.role not in (rule.roles or ()):
            raise Forbidden(f"This is not open to the role {caller.role}.")
        if rule.limit is not None:
            await hold_back(services.live, rule.limit, caller)
        return caller

    async def _messages(
        self, request: FollowRequest, caller: Principal
    ) -> AsyncIterator[AlertEvents]:
        wanted, most = _wanted(request), request.most_per_message or MOST_PER_MESSAGE
        limits, clock = self._limits, self._services.clock
        window, is_first, said_ms = Window(limits.window_bytes), True, clock.monotonic_ms()
        page = min(limits.page, most)
        async with following(
            self._services,
            caller,
            wanted,
            page=page,
            look_s=limits.look_s,
            came=lambda delay_s: self._services.metrics.observe(
                "live_delay_seconds", delay_s, kind="grpc"
            ),
        ) as feed:
            while not window.is_full:
                items = await feed.next()
                is_silent = clock.monotonic_ms() - said_ms >= limits.ping_s * 1000
                if not items and (is_first or is_silent):
                    messages, is_first = [message_of((), feed.position)], False
                else:
                    messages = sized(items)
                for message in messages:
                    yield message
                    said_ms = clock.monotonic_ms()
                    if not window.send(message.ByteSize()):
                        break  # the rest of the page comes with the next call


class AioAlerts(AlertsServicer):
    """The service on a plain `grpc.aio` server, for tests, benchmarks and whoever runs one."""

    def __init__(self, calls: FeedCalls) -> None:
        self._calls = calls

    async def Follow(self, request: FollowRequest, context: Any) -> AsyncIterator[AlertEvents]:
        """One call."""
        try:
            async for message in self._calls.follow(request, context.invocation_metadata() or ()):
                yield message
        except CallEnded as end:
            await context.abort(end.code, end.detail)


def sized(items: Sequence[FeedItem], most_bytes: int = SPLIT_BYTES) -> list[AlertEvents]:
    """Some alerts as one message, or as several where they are large."""
    made: list[AlertEvents] = []
    for item in items:
        one = message_of([item], item.position)
        if made and made[-1].ByteSize() + one.ByteSize() <= most_bytes:
            made[-1].events.extend(one.events)
            made[-1].position = one.position
        else:
            made.append(one)
    return made


def message_of(items: Sequence[FeedItem], position: int) -> AlertEvents:
    """Some alerts as one message."""
    events = []
    for item in items:
        plain = AlertView.model_validate(item.alert).model_dump()
        events.append(AlertEvent(position=item.position, alert=plain))
    return AlertEvents(events=events, position=position)


def _wanted(request: FollowRequest) -> Wanted:
    if request.after_position > LAST_POSITION:
        raise InvalidInput("after_position is no position of this feed.", "cursor/invalid")
    if request.most_per_message > MOST_PER_MESSAGE:
        raise InvalidInput(f"most_per_message is at most {MOST_PER_MESSAGE}.")
    for name in ("session_id", "exam_id"):
        given = getattr(request, name)
        if given and not _ID.fullmatch(given):
            raise InvalidInput(f"{name} is no id.")
    return Wanted(
        after=request.after_position,
        session_id=SessionId(request.session_id) if request.session_id else None,
        exam_id=ExamId(request.exam_id) if request.exam_id else None,
    )


def _bearer_of(metadata: Metadata) -> str:
    given = [value for key, value in metadata if key == "authorization"]
    if len(given) == 1 and isinstance(given[0], str):
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    raise Unauthorized("Send the metadata `authorization: Bearer ...`.", "auth/missing")


def _status_of(error: ProctorError) -> str:
    match error:
        case Unauthorized():
            return "UNAUTHENTICATED"
        case Forbidden():
            return "PERMISSION_DENIED"
        case TooManyAttempts():
            return "RESOURCE_EXHAUSTED"
        case InvalidInput():
            return "INVALID_ARGUMENT"
        case Unavailable():
            return "UNAVAILABLE"
        case _:
            return "INTERNAL"
