"""The API by subject, for coroutines: `resources` with `await`."""

from collections.abc import Mapping, Sequence

from proctor_client import calls
from proctor_client.calls import Picture, Policy
from proctor_client.frames import AsyncObservations
from proctor_client.models import (
    Candidate,
    Consent,
    Enrolment,
    Exam,
    Incident,
    JoinTicket,
    NewSession,
    RankedSession,
    Session,
    SessionSummary,
    Verdict,
    Verification,
)
from proctor_client.pages import AsyncPages
from proctor_client.senders import AsyncSender


class AsyncExams:
    """Exams: what is examined, under which policy."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def create(
        self,
        title: str,
        *,
        policy: Policy = "standard",
        retention_days: int,
        overrides: Mapping[str, object] | None = None,
        language: str | None = None,
        idempotency_key: str | None = None,
    ) -> Exam:
        """Make an exam; `policy` is a preset's name or `{"id": ..., "version": ...}`."""
        return await self._sender.send(
            calls.create_exam(title, policy, retention_days, overrides, language, idempotency_key)
        )

    async def get(self, exam_id: str) -> Exam:
        """One exam."""
        return await self._sender.send(calls.get_exam(exam_id))

    def list(self, *, page_size: int = 100) -> AsyncPages[Exam]:
        """Every exam of the tenant."""
        return AsyncPages(self._sender, lambda cursor: calls.list_exams(cursor, page_size))

    def priorities(self, exam_id: str, *, page_size: int = 100) -> AsyncPages[RankedSession]:
        """The exam's sessions, those to look at first in front."""
        return AsyncPages(
            self._sender, lambda cursor: calls.list_priorities(exam_id, cursor, page_size)
        )


class AsyncCandidates:
    """Candidates: consent, enrolment, verification."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def create(self, external_ref: str, *, idempotency_key: str | None = None) -> Candidate:
        """Make a candidate, by your own name for them."""
        return await self._sender.send(calls.create_candidate(external_ref, idempotency_key))

    async def get(self, candidate_id: str) -> Candidate:
        """One candidate."""
        return await self._sender.send(calls.get_candidate(candidate_id))

    def list(self, *, page_size: int = 100) -> AsyncPages[Candidate]:
        """Every candidate of the tenant."""
        return AsyncPages(self._sender, lambda cursor: calls.list_candidates(cursor, page_size))

    async def give_consent(
        self,
        candidate_id: str,
        *,
        text_version: str,
        text_sha256: str,
        locale: str,
        method: str,
        scopes: Sequence[str] = ("face",),
        idempotency_key: str | None = None,
    ) -> Consent:
        """Record what the candidate agreed to; `text_sha256` is of the very text shown."""
        return await self._sender.send(
            calls.give_consent(
                candidate_id, text_version, text_sha256, locale, method, scopes, idempotency_key
            )
        )

    async def withdraw_consent(self, candidate_id: str) -> None:
        """Withdraw every consent; the template is erased."""
        await self._sender.send(calls.withdraw_consent(candidate_id))

    async def enroll(
        self,
        candidate_id: str,
        pictures: Sequence[Picture],
        *,
        idempotency_key: str | None = None,
    ) -> Enrolment:
        """Enrol the face on 3 to 8 pictures, each (name, bytes, media type)."""
        return await self._sender.send(calls.enroll(candidate_id, pictures, idempotency_key))

    async def verify(self, candidate_id: str, pictures: Sequence[Picture]) -> Verification:
        """Compare 3 to 8 pictures with the enrolled face. Not repeated by itself."""
        return await self._sender.send(calls.verify(candidate_id, pictures))


class AsyncSessions:
    """Sessions: made, listed, ended, and what was observed in them."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def create(
        self, exam_id: str, candidate_id: str, *, idempotency_key: str | None = None
    ) -> NewSession:
        """Make a session, with a one-time ticket for its candidate."""
        return await self._sender.send(calls.create_session(exam_id, candidate_id, idempotency_key))

    async def get(self, session_id: str) -> Session:
        """One session with its coverage."""
        return await self._sender.send(calls.get_session(session_id))

    def list(
        self, *, exam_id: str | None = None, state: str | None = None, page_size: int = 100
    ) -> AsyncPages[SessionSummary]:
        """Every session of the tenant, or those of an exam, or of a state."""
        return AsyncPages(
            self._sender, lambda cursor: calls.list_sessions(exam_id, state, cursor, page_size)
        )

    async def end(self, session_id: str) -> Session:
        """End the session; ending it again changes nothing."""
        return await self._sender.send(calls.end_session(session_id))

    async def join_ticket(self, session_id: str) -> JoinTicket:
        """Another one-time ticket for the candidate."""
        return await self._sender.send(calls.join_ticket(session_id))

    async def incidents(self, session_id: str) -> Sequence[Incident]:
        """Every incident of the session, oldest first."""
        return (await self._sender.send(calls.list_incidents(session_id))).items

    def observations(self, session_id: str) -> AsyncObservations:
        """Everything that was seen and heard; `.to_pandas()` or `.to_arrow()` fetches it."""
        return AsyncObservations(self._sender, session_id)


class AsyncIncidents:
    """Incidents, and what reviewers say of them."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def give_verdict(
        self,
        incident_id: str,
        verdict: str,
        reason: str,
        *,
        idempotency_key: str | None = None,
    ) -> Verdict:
        """`confirm` or `dismiss`, and why. It is kept and told; nothing else follows."""
        return await self._sender.send(
            calls.give_verdict(incident_id, verdict, reason, idempotency_key)
        )

    async def verdicts(self, incident_id: str) -> Sequence[Verdict]:
        """Every word about the incident, oldest first."""
        return (await self._sender.send(calls.list_verdicts(incident_id))).items
