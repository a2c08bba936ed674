"""Errors become RFC 9457 problems, here and nowhere else.

A problem names what is wrong and what to do next. It repeats nothing of what the caller sent but the
names of fields, and shows no stack, path, statement, token or name.
"""

import json
import random
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from proctor.domain.errors import (
    ChallengeRefused,
    InvalidInput,
    NotFound,
    PolicyRefused,
    ProctorError,
    QualityRefused,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_CHARS = 80

_BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("request/malformed", "The request cannot be read."),
    404: ("resource/not-found", "There is nothing here by this name."),
    405: ("request/method", "This address does not know this method; see the header Allow."),
    408: ("request/timeout", "The request did not arrive in time; send it again."),
    413: ("request/too-large", "The request is larger than this address takes."),
    415: ("request/media-type", "This address does not take this kind of content."),
}

_log = structlog.get_logger(__name__)


class TooLarge(InvalidInput):
    """More was sent than is taken."""

    code = "request/too-large"
    status = 413


class WrongMediaType(InvalidInput):
    """Something else was sent than is taken."""

    code = "request/media-type"
    status = 415


class Malformed(InvalidInput):
    """What was sent cannot be read at all."""

    code = "request/malformed"
    status = 400


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id that the door gave this request."""
    return str(scope.get("state", {}).get("request_id", ""))


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """One problem as a response. ASCII only, so that nothing in it can trick a terminal."""
    body = {
        "type": f"urn:rayproctor:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_of(request.scope),
        **members,
    }
    return Response(json.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def of_error(request: Request, error: ProctorError) -> Response:
    """The problem of one of our own errors."""
    headers: dict[str, str] = {}
    members: dict[str, object] = {}
    detail = error.detail
    match error:
        case Unauthorized():
            challenge = "" if error.code == "auth/missing" else ' error="invalid_token"'
            headers["WWW-Authenticate"] = f"Bearer{challenge}"
        case NotFound():
            # Whatever a store said: another tenant's thing and no thing are told alike, to the byte.
            detail = _BY_STATUS[404][1]
        case QualityRefused():
            members["reasons"] = list(error.reasons)
            members["pictures"] = [list(reasons) for reasons in error.pictures]
        case ChallengeRefused():
            members["reasons"] = list(error.reasons)
            members["steps"] = [list(reasons) for reasons in error.steps]
        case PolicyRefused():
            members["faults"] = list(error.faults)
        case TooManyAttempts():
            headers["Retry-After"] = str(error.retry_after_s)
        case Unavailable():
            # Jitter, so that all who were refused together do not come back together.
            wait_s = error.retry_after_s + random.randint(0, max(error.retry_after_s, 1))
            headers["Retry-After"] = str(wait_s)
    return problem(request, error.status, error.code, detail, headers=headers, **members)


def _field(location: Sequence[object]) -> str:
    """A field's address such as `title` or `query.limit`, made of printable ASCII."""
    parts = [str(part) for part in location if part != "body"]
    return ascii(".".join(parts) or "body")[1:-1][:MAX_FIELD_CHARS]


def install(app: FastAPI) -> None:
    """Answer every error of this application with a problem."""

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProctorError)
        if error.status >= 500:
            _log.warning("request failed", code=error.code)
        return of_error(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [
            {"field": _field(fault["loc"]), "problem": str(fault["msg"])}
            for fault in error.errors()[:20]
        ]
        detail = f"Correct what is sent as {faults[0]['field']}: {faults[0]['problem']}."
        return problem(request, 422, "request/invalid", detail, errors=faults)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code, detail = _BY_STATUS.get(error.status_code, ("request/refused", "Refused."))
        allow = (
            {"Allow": error.headers["Allow"]} if error.headers and error.status_code == 405 else {}
        )
        return problem(request, error.status_code, code, detail, headers=allow)

    app.add_exception_handler(ProctorError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
