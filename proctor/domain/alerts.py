"""News of a change of an incident. An alert is immutable and numbered without holes per session."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import AlertId, CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Category, Severity
from proctor.domain.observations import Producer
from proctor.domain.signals import Signal


class Transition(StrEnum):
    """What happened to the incident."""

    OPENED = "opened"
    UPDATED = "updated"
    ESCALATED = "escalated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a proctor is told, with everything needed to explain it.

    Attributes:
        alert_id: Derived from session, rule, opening observation and transition.
        seq: 1, 2, 3 ... within the session, no holes.
        tenant_id: Whose data.
        exam_id: Which exam.
        session_id: Which session.
        candidate_id: Whose session.
        incident_id: Which incident changed.
        transition: How it changed.
        rule_id: The rule that held.
        policy_id: The policy it stands in.
        policy_version: The version of it.
        category: Conduct, identity or coverage.
        severity: How soon to look.
        title: Plain words for the reviewer, in the policy's language.
        reason: One sentence with the numbers that decided.
        occurred_ms: Session time at which the behaviour began (or ended, when closed).
        raised_at: Wall time at which the shard decided; not part of replay.
        signals: What it rests on.
        producers: Digests of every model whose reading was used.
        frame_digest: sha256 of the picture that was judged; None for sound and stream.
        suppressed_by: Accommodation or break that keeps it from being delivered, if any.
        unsynced: True when it went out before the database could take it.
    """

    alert_id: AlertId
    seq: int
    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId
    candidate_id: CandidateId
    incident_id: IncidentId
    transition: Transition
    rule_id: str
    policy_id: str
    policy_version: int
    category: Category
    severity: Severity
    title: str
    reason: str
    occurred_ms: int
    raised_at: datetime
    signals: tuple[Signal, ...]
    producers: tuple[Producer, ...]
    frame_digest: str | None
    suppressed_by: str | None = None
    unsynced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """An alert with its place in the tenant's feed: readers resume after the last position they saw.

    Its `seq` counts what was told of the session, 1, 2, 3 ... without holes. The number it is stored
    under counts what was held back as well, and would show readers that something was.
    """

    position: int
    alert: Alert
