"""A call before it is made: what to ask, and how its answer is read. Knows no network."""

import json as jsonlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from proctor_client.errors import AnswerNotUnderstood, Problem, problem_class

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Read = Callable[[httpx.Response], T]

SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[T]):
    """One call of the API.

    Attributes:
        method: HTTP method.
        path: Below the server's address; or a whole address.
        read: Makes the result of a successful answer.
        query: Parameters; those that are None are left out.
        json: Body as JSON; None for none.
        content: Or body as it is, with its `Content-Type` in `headers`.
        files: Or pictures, as (field, (name, bytes, media type)).
        headers: Further headers.
        with_token: Whether the caller's token is shown.
        repeatable: Whether the call may be sent again when no one knows if it arrived.
    """

    method: str
    path: str
    read: Read[T]
    query: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    json: object | None = None
    content: bytes | None = None
    files: tuple[tuple[str, tuple[str, bytes, str]], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    with_token: bool = True
    repeatable: bool = False

    def build(self, http: httpx.Client | httpx.AsyncClient, token: str | None) -> httpx.Request:
        """The request. Every try of a call sends the same one."""
        headers = dict(self.headers)
        if token is not None and self.with_token:
            headers["Authorization"] = f"Bearer {token}"
        query = {name: value for name, value in self.query.items() if value is not None}
        return http.build_request(
            self.method,
            self.path,
            params=query or None,
            json=self.json,
            content=self.content,
            files=list(self.files) or None,
            headers=headers,
        )


def path(*parts: str | int) -> str:
    """/v1/ and the parts, each quoted: an id is never more than one part of a path."""
    for part in parts:
        if str(part) in ("", ".", ".."):
            raise ValueError("an id must not be empty nor made of dots")
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def get(
    where: str, read: Read[T], query: Mapping[str, str | int | bool | None] | None = None
) -> Plan[T]:
    """A call that changes nothing."""
    return Plan(method="GET", path=where, read=read, query=query or {}, repeatable=True)


def create(where: str, body: object, read: Read[T], key: str | None = None) -> Plan[T]:
    """A call that makes something once, however often it is sent: its key sees to that."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return Plan(method="POST", path=where, read=read, json=body, headers=headers, repeatable=True)


def model(kind: type[M]) -> Read[M]:
    """Reads the answer as this model."""

    def read(response: httpx.Response) -> M:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:5])
            said = f"The answer is no {kind.__name__} (at {fields or 'its beginning'})."
            raise AnswerNotUnderstood(said) from None

    return read


def raw(response: httpx.Response) -> bytes:
    """Reads the answer as bytes."""
    return response.content


def nothing(response: httpx.Response) -> None:
    """Reads an answer without content."""
    del response


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds. None for none, or for what cannot be read.

    A date counts from the answer's own Date, so that the caller's clock does not matter.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at, here = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (at - here).total_seconds())
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None


def problem_of(response: httpx.Response) -> Problem:
    """The error of an answer of 300 or more, whose body was read; of a proxy's own pages, too."""
    body: dict[str, Any] = {}
    try:
        found = jsonlib.loads(response.content)
        if isinstance(found, dict):
            body = found
    except ValueError:
        pass
    known = ("type", "title", "status", "detail", "code", "request_id")
    return problem_class(response.status_code)(
        response.status_code,
        str(body.get("code", "http")),
        str(body.get("detail") or response.reason_phrase or "Refused."),
        str(body.get("request_id") or response.headers.get("x-request-id", "")),
        retry_after_s(response.headers),
        {name: value for name, value in body.items() if name not in known},
    )
