"""What the API answers, typed. Fields that this version does not know are kept out of the way.

Words that the server may add to (kinds of signals, reasons) are plain strings, so that a newer server does
not break an older client. Times ending in `_ms` are session time in milliseconds; `_at` are UTC.
"""

from datetime import datetime

from pydantic import Field

from proctor_client.people import (
    Candidate as Candidate,
)
from proctor_client.people import (
    Consent as Consent,
)
from proctor_client.people import (
    EmbeddingModel as EmbeddingModel,
)
from proctor_client.people import (
    Enrolment as Enrolment,
)
from proctor_client.people import (
    Exam as Exam,
)
from proctor_client.people import (
    IceServer as IceServer,
)
from proctor_client.people import (
    Joined as Joined,
)
from proctor_client.people import (
    JoinTicket as JoinTicket,
)
from proctor_client.people import (
    Media as Media,
)
from proctor_client.people import (
    Model as Model,
)
from proctor_client.people import (
    Page as Page,
)
from proctor_client.people import (
    StaffToken as StaffToken,
)
from proctor_client.people import (
    Verification as Verification,
)


class Coverage(Model):
    """One stretch of session time; `end_ms` is None while it lasts."""

    modality: str
    state: str
    reason: str | None = None
    start_ms: int
    end_ms: int | None = None


class Contribution(Model):
    """What one signal adds to a review priority."""

    kind: str
    source: str
    log_odds: float
    since_ms: int


class Priority(Model):
    """How soon a session is worth a look. It ranks sessions and is no probability of guilt."""

    at_ms: int
    value: float | None = None
    withheld: str | None = None
    peak: float | None = None
    peak_ms: int | None = None
    base_log_odds: float | None = None
    log_odds: float | None = None
    contributions: list[Contribution] | None = None
    peak_contributions: list[Contribution] | None = None


class SessionSummary(Model):
    """A session as lists have it."""

    session_id: str
    exam_id: str
    candidate_id: str
    state: str
    epoch: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    notice: str | None = None


class Session(SessionSummary):
    """A session with what could be seen of it."""

    coverage: list[Coverage] = Field(default_factory=list)
    signals_off: list[str] | None = None
    alert_log_sha256: str | None = None
    priority: Priority | None = None


class NewSession(JoinTicket):
    """A session that was just made, with the way in."""

    session: Session


class RankedSession(Model):
    """A session and its review priority; None before there was one."""

    session: SessionSummary
    priority: Priority | None = None


class Producer(Model):
    """A model that looked or listened."""

    model: str
    version: str
    digest: str


class Support(Model):
    """What a signal rests on."""

    observations: int
    numbers: dict[str, float] = Field(default_factory=dict)
    producers: list[Producer] = Field(default_factory=list)
    frame_digest: str | None = None
    labels: list[str] = Field(default_factory=list)


class Signal(Model):
    """A behaviour that lasted."""

    signal_id: str
    kind: str
    started_ms: int
    ended_ms: int | None = None
    probability: float
    support: Support


class Alert(Model):
    """News of a change of an incident, with all that explains it. It is no verdict."""

    alert_id: str
    seq: int
    exam_id: str
    session_id: str
    candidate_id: str
    incident_id: str
    transition: str
    rule_id: str
    policy_id: str
    policy_version: int
    category: str
    severity: str
    title: str
    reason: str
    occurred_ms: int
    raised_at: datetime
    signals: list[Signal] = Field(default_factory=list)
    producers: list[Producer] = Field(default_factory=list)
    frame_digest: str | None = None
    unsynced: bool = False


class FeedItem(Model):
    """An alert and its place in the feed."""

    position: int
    alert: Alert


class Feed(Model):
    """Alerts, and the position to go on from."""

    items: list[FeedItem]
    next: int


class EvidenceStatus(Model):
    """Where an incident's evidence stands."""

    status: str


class Incident(Model):
    """What a reviewer judges."""

    incident_id: str
    rule_id: str
    policy_id: str
    policy_version: int
    category: str
    severity: str
    opened_ms: int
    closed_ms: int | None = None
    signals: list[Signal] = Field(default_factory=list)
    verdict: str
    evidence: EvidenceStatus
    suppressed_by: str | None = None


class Incidents(Model):
    """Every incident of a session, oldest first."""

    items: list[Incident]


class Verdict(Model):
    """A reviewer's word about an incident."""

    verdict_id: str
    incident_id: str
    verdict: str
    reviewer: str
    reason: str
    given_at: datetime
    told_at: datetime | None = None


class Verdicts(Model):
    """Every word about one incident, oldest first."""

    items: list[Verdict]


class EvidencePiece(Model):
    """A piece of evidence; `sha256` and `size` are of the bytes that a download gives."""

    evidence_id: str
    kind: str
    media_type: str
    start_ms: int
    end_ms: int
    sha256: str
    size: int
    state: str
    loss: str | None = None
    stored_at: datetime | None = None


class EvidenceList(Model):
    """All evidence of an incident, by the moment it shows."""

    status: str
    loss: str | None = None
    kept_until: datetime | None = None
    items: list[EvidencePiece]


class EvidenceLink(Model):
    """An address that shows one piece until `expires_at`. Whoever has it can look."""

    url: str = Field(repr=False)
    expires_at: datetime
