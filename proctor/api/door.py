"""The outermost layer: gives every request an id, every answer its headers, and every failure a form."""

import re
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proctor.api.problems import problem
from proctor.domain.ids import new_id
from proctor.ports import Clock, Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = frozenset({"/healthz", "/metrics"})
_log = structlog.get_logger(__name__)

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Door:
    """ASGI middleware around a whole application."""

    def __init__(self, app: ASGIApp, *, clock: Clock, metrics: Metrics) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; nothing but cancellation gets past."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began_ms = self._clock.monotonic_ms()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:  # noqa: BLE001  # the last resort: fail closed, say nothing of the inside
            # No message and no values: an exception's text may hold what was sent.
            _log.error(
                "unexpected error", error=type(error).__name__, at=_frames(error.__traceback__)
            )
            self._metrics.count("http_unexpected_errors_total")
            if status == 0:
                detail = "Something went wrong on our side; it is noted under the request id."
                refusal = problem(Request(scope), 500, "internal/error", detail)
                await refusal(scope, receive, answer)
        finally:
            took_ms = self._clock.monotonic_ms() - began_ms
            self._note(scope, status, took_ms)
            structlog.contextvars.clear_contextvars()

    def _note(self, scope: Scope, status: int, took_ms: int) -> None:
        template = _template(scope)
        kind = f"{(status or 499) // 100}xx"  # 0: the client went before there was an answer
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.count("http_requests_total", method=method, route=template, status=kind)
        self._metrics.observe("http_request_seconds", took_ms / 1000, method=method, route=template)
        if template not in _QUIET:
            _log.info("request", method=method, route=template, status=status, took_ms=took_ms)


_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"})


def _template(scope: Mapping[str, Any]) -> str:
    """The route's path template, so that labels and logs come from a closed list."""
    return str(getattr(scope.get("route"), "path_format", "unknown"))


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)[-12:]]
