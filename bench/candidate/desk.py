"""The steps of an exam office, by the public API: exam, candidate, consent, enrolment, session."""

import hashlib
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx
from pydantic import BaseModel, TypeAdapter

from bench.candidate.wire import (
    ApiProblem,
    FeedPage,
    FeedView,
    NewSession,
    SessionView,
    Verification,
)

CONSENT_TEXT = "My camera and microphone are analysed: faces, direction of gaze, body, voice."


async def call(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    value: BaseModel | dict[str, str | int] | None = None,
    content: str | None = None,
    content_type: str = "application/json",
    images: Sequence[bytes] = (),
) -> httpx.Response:
    """One call; raises `ApiProblem` for everything but success."""
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    files = [("images", (f"{n}.jpg", data, "image/jpeg")) for n, data in enumerate(images)] or None
    if content is not None:
        headers["Content-Type"] = content_type
    body = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    try:
        answer = await client.request(
            method, path, json=body, content=content, files=files, headers=headers
        )
    except httpx.TransportError as problem:
        raise ApiProblem(0, "network/unreachable", type(problem).__name__) from problem
    if answer.is_success:
        return answer
    told: dict[str, object] = {}
    if "json" in answer.headers.get("Content-Type", ""):
        told = TypeAdapter(dict[str, object]).validate_json(answer.content)
    wait = answer.headers.get("Retry-After", "0")
    raise ApiProblem(
        answer.status_code,
        str(told.get("code") or told.get("type") or "http"),
        str(told.get("detail") or answer.reason_phrase),
        float(wait) if wait.replace(".", "", 1).isdecimal() else 0.0,
    )


class ExamOffice:
    """An administrator's client. Use as an async context manager."""

    def __init__(self, base_url: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def _make(self, path: str, value: dict[str, str | int], name: str) -> str:
        answer = await call(self._client, "POST", path, value=value)
        return TypeAdapter(dict[str, object]).validate_json(answer.content)[name].__str__()

    async def exam(self, title: str, policy: str = "standard", retention_days: int = 1) -> str:
        """A new exam's id."""
        body: dict[str, str | int] = {
            "title": title,
            "policy": policy,
            "retention_days": retention_days,
        }
        return await self._make("/v1/exams", body, "exam_id")

    async def candidate(self, external_ref: str) -> str:
        """A new candidate's id."""
        return await self._make("/v1/candidates", {"external_ref": external_ref}, "candidate_id")

    async def consent(self, candidate_id: str) -> None:
        """Record that the candidate agreed."""
        body: dict[str, str | int] = {
            "text_version": "1",
            "text_sha256": hashlib.sha256(CONSENT_TEXT.encode()).hexdigest(),
            "locale": "en",
            "method": "checkbox",
        }
        await call(self._client, "POST", f"/v1/candidates/{candidate_id}/consents", value=body)

    async def enrol(self, candidate_id: str, images: Sequence[bytes]) -> None:
        """Enrol a face from at least three pictures; `ApiProblem` with face/quality otherwise."""
        path = f"/v1/candidates/{candidate_id}/enrolments"
        await call(self._client, "POST", path, images=images)

    async def verify(self, candidate_id: str, images: Sequence[bytes]) -> Verification:
        """Whether these pictures show the enrolled person."""
        path = f"/v1/candidates/{candidate_id}/verifications"
        answer = await call(self._client, "POST", path, images=images)
        return Verification.model_validate_json(answer.content)

    async def session(self, exam_id: str, candidate_id: str) -> NewSession:
        """A new session with its join ticket."""
        body: dict[str, str | int] = {"exam_id": exam_id, "candidate_id": candidate_id}
        answer = await call(self._client, "POST", "/v1/sessions", value=body)
        return NewSession.model_validate_json(answer.content)

    async def look(self, session_id: str) -> SessionView:
        """The session with its coverage."""
        answer = await call(self._client, "GET", f"/v1/sessions/{session_id}")
        return SessionView.model_validate_json(answer.content)

    async def end(self, session_id: str) -> None:
        """End the session."""
        await call(self._client, "POST", f"/v1/sessions/{session_id}/end", value={})

    async def alerts(self, session_id: str) -> tuple[FeedView, ...]:
        """Every delivered alert of a session, in order."""
        found: list[FeedView] = []
        while True:
            after = found[-1].position if found else 0
            path = f"/v1/alerts?session_id={session_id}&after={after}&limit=200"
            answer = await call(self._client, "GET", path)
            page = FeedPage.model_validate_json(answer.content).items
            if not page:
                return tuple(found)
            found += page

    async def page_ticket(self) -> str:
        """A one-time ticket with which the proctor's page signs in as this caller."""
        answer = await call(self._client, "POST", "/v1/tickets", value={})
        return str(TypeAdapter(dict[str, object]).validate_json(answer.content)["ticket"])
