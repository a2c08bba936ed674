"""Exams, candidates, sessions and faces: what is kept of an exam besides its alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.candidates import Candidate, Consent, Enrolment, FaceTemplate, ModelRef
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.sessions import Exam, Session, SessionState


class ExamStore(Protocol):
    """Tenants and exams."""

    async def ensure_tenant(self, tenant_id: TenantId, name: str) -> None:
        """Create the tenant unless it exists."""
        ...

    async def add_exam(self, exam: Exam) -> None:
        """Store a new exam."""
        ...

    async def get_exam(self, tenant_id: TenantId, exam_id: ExamId) -> Exam:
        """Raises `NotFound`, for another tenant's exam too."""
        ...

    async def list_exams(
        self, tenant_id: TenantId, after: ExamId | None, limit: int
    ) -> Sequence[Exam]:
        """By id, after a cursor."""
        ...


class CandidateStore(Protocol):
    """Candidates and their consents."""

    async def add_candidate(self, candidate: Candidate) -> None:
        """Store; raises `Conflict` when the tenant already has this `external_ref`."""
        ...

    async def get_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        """Raises `NotFound`."""
        ...

    async def list_candidates(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        """By id, after a cursor."""
        ...

    async def add_consent(self, consent: Consent) -> None:
        """Store a new consent record."""
        ...

    async def withdraw_consent(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every live consent of the candidate as withdrawn."""
        ...

    async def live_consent(self, tenant_id: TenantId, candidate_id: CandidateId) -> Consent | None:
        """The newest consent that has not been withdrawn."""
        ...

    async def add_enrolment(self, enrolment: Enrolment) -> None:
        """Record an enrolment; earlier ones are marked erased at its `created_at`.

        Raises `Conflict` when the candidate already has this version.
        """
        ...

    async def newest_enrolment(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Enrolment | None:
        """The record of the highest version, erased or not; None when there never was one."""
        ...

    async def erase_enrolments(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every enrolment of the candidate as erased; those marked already keep their time."""
        ...


class SessionStore(Protocol):
    """Sessions."""

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """With its coverage. Raises `NotFound`."""
        ...

    async def list(
        self,
        tenant_id: TenantId,
        exam_id: ExamId | None,
        state: SessionState | None,
        after: SessionId | None,
        limit: int,
        candidate_id: CandidateId | None = None,
    ) -> Sequence[Session]:
        """By id, after a cursor, without coverage; of this exam, state and candidate, if given."""
        ...

    async def next_epoch(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Count a new connection, atomically; the first makes the session live with started_at = at.

        Raises `Conflict` when the session has ended.
        """
        ...

    async def forget_start(self, tenant_id: TenantId, session_id: SessionId, epoch: int) -> None:
        """The offer of this epoch, which began the session, was refused: it has not begun after all.

        When the session is live and this is still its epoch, it is `created` again without
        `started_at` (the count of epochs stays). Otherwise nothing happens.
        """
        ...

    async def end(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Mark as ended; a second end changes nothing and returns the same."""
        ...

    async def settle(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> None:
        """Nothing of this ended session is owed any more; twice is once. Raises `NotFound`."""
        ...

    async def unsettled(
        self, ended_before: datetime, after: SessionId | None, limit: int
    ) -> Sequence[Session]:
        """Of every tenant: begun, ended before then and not settled; by id, without coverage."""
        ...


class FaceIndex(Protocol):
    """Enrolled templates, sealed at rest."""

    async def put(self, template: FaceTemplate) -> None:
        """Store as the candidate's newest; older versions are erased, physically.

        Raises `Conflict` when the candidate has this version, or a newer one, already.
        """
        ...

    async def find(
        self, tenant_id: TenantId, candidate_id: CandidateId, model: ModelRef
    ) -> FaceTemplate | None:
        """The newest template made by exactly this model and version, else None."""
        ...

    async def newest_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Version of the newest template of any model; 0 when there is none."""
        ...

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Delete and physically clean up; afterwards no file holds the sealed bytes."""
        ...
