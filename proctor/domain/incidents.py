"""What a reviewer judges: one rule that held for a while, with the signals it rests on."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.signals import Signal


class Severity(StrEnum):
    """How soon a human should look. It is no measure of guilt."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Category(StrEnum):
    """What an incident is about.

    Coverage incidents are never held against the candidate. Integrity incidents are plain facts about
    the pictures ("the same 12 s came again") that a human should look into; none is a verdict.
    """

    CONDUCT = "conduct"
    IDENTITY = "identity"
    COVERAGE = "coverage"
    INTEGRITY = "integrity"


class Verdict(StrEnum):
    """A human's judgement; only a reviewer changes it."""

    UNREVIEWED = "unreviewed"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class EvidenceStatus(StrEnum):
    """Where an incident's evidence stands. Failed evidence never delays an alert."""

    NONE = "none"
    PENDING = "pending"
    STORED = "stored"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is kept to prove an incident."""

    status: EvidenceStatus = EvidenceStatus.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One rule of one policy version that held in one session.

    Attributes:
        incident_id: Derived from session, rule and opening: the same on replay.
        tenant_id: Whose data.
        exam_id: Which exam.
        session_id: Which session.
        candidate_id: Whose session.
        rule_id: Which rule of the policy.
        policy_id: Which policy.
        policy_version: Which version of it.
        category: Conduct, identity or coverage.
        severity: How soon to look.
        opened_ms: Session time at which the behaviour began.
        closed_ms: Session time at which it ended; None while open.
        signals: What it rests on, newest state of each.
        verdict: A human's word.
        evidence: What is kept to prove it.
        suppressed_by: What keeps its news back now (`accommodation:...`, `break`, `budget`); None
            when they are delivered.
        is_told: Whether any news of it were delivered: then its end is, too.
        told_severity: What its news say while only its escalation is held back; None: its severity.
    """

    incident_id: IncidentId
    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId
    candidate_id: CandidateId
    rule_id: str
    policy_id: str
    policy_version: int
    category: Category
    severity: Severity
    opened_ms: int
    closed_ms: int | None
    signals: tuple[Signal, ...]
    verdict: Verdict = Verdict.UNREVIEWED
    evidence: Evidence = Evidence()
    suppressed_by: str | None = None
    is_told: bool = True
    told_severity: Severity | None = None
