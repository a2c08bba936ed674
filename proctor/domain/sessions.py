"""Exams and the sessions in which candidates sit them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.allowances import NOTHING_ALLOWED, Allowances
from proctor.domain.candidates import ConsentScope
from proctor.domain.coverage import CoverageInterval
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What is sat.

    Attributes:
        exam_id: Its name.
        tenant_id: Whose exam.
        title: For people.
        policy_id: Which policy judges its sessions.
        policy_version: Which version, fixed when it was attached.
        policy_text: The policy itself (YAML), so that old sessions can always be explained.
        retention_days: How long evidence and recordings live after the session's end.
        created_at: When.
    """

    exam_id: ExamId
    tenant_id: TenantId
    title: str
    policy_id: str
    policy_version: int
    policy_text: str
    retention_days: int
    created_at: datetime


class SessionState(StrEnum):
    """created -> live -> ended, never back. A lost connection keeps the session live."""

    CREATED = "created"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sitting.

    Attributes:
        session_id: Its name.
        tenant_id: Whose data.
        exam_id: Which exam.
        candidate_id: Who sits it.
        state: Where it stands.
        epoch: How many connections it has had; 0 before the first offer.
        created_at: When it was made.
        started_at: Wall time of session time 0 (first accepted offer).
        ended_at: When it ended.
        settled_at: When its coverage was known to reach its end: nothing of it is owed any more.
        coverage: What could be seen, as far as it is committed.
    """

    session_id: SessionId
    tenant_id: TenantId
    exam_id: ExamId
    candidate_id: CandidateId
    state: SessionState
    epoch: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    settled_at: datetime | None = None
    coverage: tuple[CoverageInterval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """All that a session host and a fusion shard need to know to serve a session.

    `scopes` is what the candidate's consent was to when this connection began; `allowances` what was
    allowed then: a shard that knows the session already has newer ones. `retention_days` is how long
    the exam keeps the recording, None when nobody said. Of a connection that `is_rehearsal`, nothing is
    reported to a judge. Without `biometrics`, no face is compared and no voice is told from another.
    """

    session_id: SessionId
    tenant_id: TenantId
    exam_id: ExamId
    candidate_id: CandidateId
    policy_text: str
    started_at: datetime
    epoch: int
    scopes: tuple[ConsentScope, ...] = ()
    retention_days: int | None = None
    allowances: Allowances = NOTHING_ALLOWED
    is_rehearsal: bool = False
    biometrics: bool = True
