"""What the relational fakes share: the rows, and being told to be down."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from proctor.domain.alerts import Alert, FeedItem
from proctor.domain.allowances import Accommodated, SessionBreak
from proctor.domain.candidates import Candidate, Consent, Enrolment
from proctor.domain.casework import Added, SessionDecision, Statement
from proctor.domain.coverage import CoverageInterval
from proctor.domain.deliveries import Delivery
from proctor.domain.desk import Connected
from proctor.domain.erasure import Erasure
from proctor.domain.evidence import IncidentEvidence, KeptPiece
from proctor.domain.ids import AlertId, CandidateId, ExamId, IncidentId, SessionId, SinkId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.notes import VerdictGiven
from proctor.domain.policies import StoredPolicy
from proctor.domain.preflights import Preflight
from proctor.domain.priority import Priority
from proctor.domain.proof import ChainHead, Entry
from proctor.domain.sessions import Exam, Session
from proctor.domain.sinks import Sink
from tests.fakes.outage import Outage

T = TypeVar("T")


@dataclass
class EvidenceRow:
    """Where an incident's evidence stands, and what else is written down of it."""

    state: IncidentEvidence
    is_told: bool
    seen_at: datetime | None = None


@dataclass
class FakeDatabase:
    """What all relational fakes of one test share."""

    tenants: dict[TenantId, str] = field(default_factory=dict)
    exams: dict[ExamId, Exam] = field(default_factory=dict)
    policies: dict[tuple[TenantId, str], list[StoredPolicy]] = field(default_factory=dict)
    candidates: dict[CandidateId, Candidate] = field(default_factory=dict)
    consents: list[Consent] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    coverage: dict[SessionId, tuple[CoverageInterval, ...]] = field(default_factory=dict)
    incidents: dict[IncidentId, Incident] = field(default_factory=dict)
    alerts: dict[AlertId, Alert] = field(default_factory=dict)
    outbox: deque[Alert] = field(default_factory=deque)
    feeds: dict[TenantId, list[FeedItem]] = field(default_factory=dict)
    sinks: dict[SinkId, Sink] = field(default_factory=dict)
    sealed: dict[SinkId, bytes] = field(default_factory=dict)
    deliveries: dict[tuple[SinkId, AlertId], Delivery] = field(default_factory=dict)
    accommodations: dict[tuple[CandidateId, str], Accommodated] = field(default_factory=dict)
    breaks: dict[str, SessionBreak] = field(default_factory=dict)
    verdicts: dict[str, VerdictGiven] = field(default_factory=dict)
    priorities: dict[SessionId, tuple[TenantId, Priority]] = field(default_factory=dict)
    evidence: dict[str, tuple[KeptPiece, datetime]] = field(default_factory=dict)
    incident_evidence: dict[IncidentId, EvidenceRow] = field(default_factory=dict)
    erasures: dict[tuple[TenantId, CandidateId], Erasure] = field(default_factory=dict)
    chains: dict[SessionId, ChainHead] = field(default_factory=dict)
    chain_entries: dict[SessionId, list[Entry]] = field(default_factory=dict)
    decisions: dict[SessionId, list[SessionDecision]] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    additions: dict[IncidentId, Added] = field(default_factory=dict)
    preflights: list[Preflight] = field(default_factory=list)
    connections: dict[SessionId, list[Connected]] = field(default_factory=dict)
    audit: list[tuple[TenantId, str, str, str, str | None]] = field(default_factory=list)


class FakeRelational(Outage):
    def __init__(self, database: FakeDatabase | None = None) -> None:
        super().__init__()
        self.database = database or FakeDatabase()


def page(items: Iterable[tuple[str, T]], after: str | None, limit: int) -> list[T]:
    ordered = sorted(items, key=lambda item: item[0])
    return [item for key, item in ordered if after is None or key > after][:limit]
