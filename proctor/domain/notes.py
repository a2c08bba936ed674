"""Late news: what becomes known of an incident after it was told, by a human or by the evidence store."""

from dataclasses import dataclass
from datetime import datetime

from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNote:
    """One piece of news about one incident. A judge consumes it like a report.

    Attributes:
        note_id: Its name: the same news twice is told once.
        incident: The incident as the database knows it.
        verdict: What a human said, if that is the news.
        evidence: Where its evidence stands, if that is the news.
        is_told: An alert tells it already, of which this memory need not know: a second would be the
            same alert under another number, and leave a hole.
    """

    note_id: str
    incident: Incident
    verdict: Verdict | None = None
    evidence: EvidenceStatus | None = None
    is_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGiven:
    """A reviewer's word, as it is kept. It has no consequence but to be told.

    Attributes:
        verdict_id: Its name.
        tenant_id: Whose.
        session_id: In which session.
        incident_id: Of which incident.
        verdict: Confirmed or dismissed.
        reviewer: The subject of the reviewer's token.
        reason: Their own words; told to nobody but those who review.
        given_at: When.
        told_at: When the alert about it was safe; None while that is owed.
    """

    verdict_id: str
    tenant_id: TenantId
    session_id: SessionId
    incident_id: IncidentId
    verdict: Verdict
    reviewer: str
    reason: str
    given_at: datetime
    told_at: datetime | None = None
