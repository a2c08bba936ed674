"""What callers get: the domain's values as JSON, and nothing that a caller has no use for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from proctor.domain.alerts import FeedItem, Transition
from proctor.domain.candidates import Decision
from proctor.domain.challenges import Step
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.incidents import Category, EvidenceStatus, Severity, Verdict
from proctor.domain.notices import NoticeChoice
from proctor.domain.priority import Withheld
from proctor.domain.roles import Role
from proctor.domain.sessions import SessionState
from proctor.domain.signals import SignalKind

Item = TypeVar("Item")


class View(BaseModel):
    """Root of everything that is answered; made from a domain value of the same field names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(View, Generic[Item]):
    """Some items, and the cursor that goes on; None at the end."""

    items: list[Item]
    next: str | None


class PolicyLine(View):
    """A policy in a list. Presets have no times.

    Attributes:
        use_when: What it is for and what it costs, in the words of whoever wrote it.
    """

    policy_id: str
    version: int
    name: str
    use_when: str | None
    created_at: datetime | None = None
    retired_at: datetime | None = None


class PolicyView(PolicyLine):
    """One version of a policy, with its text and its test cases."""

    text: str
    tests: list[str]


class PoliciesView(Page[PolicyLine]):
    """The tenant's own policies by pages, and the presets that everybody has."""

    presets: list[PolicyLine]


class ExamView(View):
    """An exam. Its policy is named, not shown.

    Attributes:
        policy_overrides: What the exam changes of the policy, as YAML; None for nothing.
        signals_off: Signals that its policy's rules name and that no model of this installation gives:
            those rules never hold. None when the policy can no longer be read.
    """

    exam_id: str
    title: str
    policy_id: str
    policy_version: int
    retention_days: int
    created_at: datetime
    policy_overrides: str | None = None
    signals_off: list[SignalKind] | None = None


class CandidateView(View):
    """A candidate."""

    candidate_id: str
    external_ref: str
    created_at: datetime


class ConsentView(View):
    """A consent record."""

    consent_id: str
    candidate_id: str
    text_version: str
    text_sha256: str
    locale: str
    method: str
    given_at: datetime
    withdrawn_at: datetime | None
    scopes: list[str]


class ModelView(View):
    """An embedding model."""

    model: str
    version: str


class ChallengeView(View):
    """What to do before the camera, in this order."""

    challenge: str
    steps: list[Step]
    expires_at: datetime
    most_pictures_per_step: int


class EnrolmentView(View):
    """That a face was enrolled; never the face."""

    version: int
    pictures: int
    model: ModelView
    created_at: datetime


class VerificationView(View):
    """The answer to a verification; never a score."""

    decision: Decision
    fmr: float
    reasons: list[str]


class CoverageView(View):
    """One stretch of session time; `end_ms` is null while it lasts."""

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    start_ms: int
    end_ms: int | None


class SessionSummary(View):
    """A session without its coverage, as lists have it.

    Attributes:
        notice: What the candidate answered to the notice last; null for nothing, or where not asked for.
    """

    session_id: str
    exam_id: str
    candidate_id: str
    state: SessionState
    epoch: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    notice: NoticeChoice | None = None


class ContributionView(View):
    """What one signal adds to a review priority; see docs/priority.md."""

    kind: SignalKind
    source: str
    log_odds: float
    since_ms: int


class PriorityView(View):
    """How soon a session is worth a look. It ranks sessions; it is no probability of guilt.

    Attributes:
        value: 0..1; null when too little was seen (`withheld`).
        peak: The highest so far; ended sessions are ranked by it.
        contributions: What the value is made of, with the sum and where it begins; for those who
            review, else null.
    """

    at_ms: int
    value: float | None
    withheld: Withheld | None
    peak: float | None
    peak_ms: int | None
    base_log_odds: float | None
    log_odds: float | None
    contributions: list[ContributionView] | None
    peak_contributions: list[ContributionView] | None


class SessionView(SessionSummary):
    """A session with what could be seen of it.

    Attributes:
        coverage: Intervals that add up to its length.
        signals_off: For staff who ask about one session: signals of its exam's rules that do not exist
            in it, for want of a model or of the candidate's consent.
        alert_log_sha256: For staff, of an ended session: of the alerts it left behind, as its recording
            was closed with; `proctor replay` prints the same.
        priority: For staff who ask about one session: its review priority, once there is one.
    """

    coverage: list[CoverageView]
    signals_off: list[SignalKind] | None = None
    alert_log_sha256: str | None = None
    priority: PriorityView | None = None


class NewSessionView(View):
    """A session that was just made, with the way in."""

    session: SessionView
    join_ticket: str
    join_url: str
    expires_in_s: int


class JoinTicketView(View):
    """Another way into a session."""

    join_ticket: str
    join_url: str
    expires_in_s: int


class TicketView(View):
    """A one-time ticket."""

    ticket: str
    expires_in_s: int


class TokenView(View):
    """A bearer token for a staff page."""

    token: str
    role: Role


class IceServerView(View):
    """One entry of RTCConfiguration.iceServers; names without a value are left out."""

    urls: list[str]
    username: str | None
    credential: str | None


class MediaView(View):
    """What the candidate's page is asked to send."""

    width: int
    height: int
    fps: int
    max_kbps: int


class ExamNotice(View):
    """What a candidate is told of the exam before anything starts."""

    title: str
    retention_days: int


class JoinView(View):
    """What a candidate's page needs."""

    token: str
    session_id: str
    candidate_id: str
    whip_url: str
    ice_servers: list[IceServerView]
    media: MediaView
    exam: ExamNotice


class ProducerView(View):
    """A model that looked or listened."""

    model: str
    version: str
    digest: str


def _as_mapping(numbers: object) -> object:
    return numbers if isinstance(numbers, Mapping) else dict(numbers)  # type: ignore[call-overload]


class SupportView(View):
    """What a signal rests on."""

    observations: int
    numbers: Annotated[dict[str, float], BeforeValidator(_as_mapping)]
    producers: list[ProducerView]
    frame_digest: str | None
    labels: list[str]


class SignalView(View):
    """A behaviour that lasted."""

    signal_id: str
    kind: SignalKind
    started_ms: int
    ended_ms: int | None
    probability: float
    support: SupportView


class AlertView(View):
    """News of a change of an incident, with all that explains it."""

    alert_id: str
    seq: int
    exam_id: str
    session_id: str
    candidate_id: str
    incident_id: str
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
    signals: list[SignalView]
    producers: list[ProducerView]
    frame_digest: str | None
    unsynced: bool


class FeedItemView(View):
    """An alert and its place in the feed."""

    position: int
    alert: AlertView


class FeedView(View):
    """Alerts, and the position to go on from."""

    items: list[FeedItemView]
    next: int


class EvidenceView(View):
    """What is kept to prove an incident."""

    status: EvidenceStatus


class IncidentView(View):
    """What a reviewer judges.

    Attributes:
        suppressed_by: What keeps its news back, for those who may know: `accommodation:...`, `break`
            or `budget`.
    """

    incident_id: str
    rule_id: str
    policy_id: str
    policy_version: int
    category: Category
    severity: Severity
    opened_ms: int
    closed_ms: int | None
    signals: list[SignalView]
    verdict: Verdict
    evidence: EvidenceView
    suppressed_by: str | None = None


class IncidentsView(View):
    """Every incident of a session, oldest first."""

    items: list[IncidentView]


def feed_message(item: FeedItem) -> dict[str, object]:
    """An alert as the WebSocket sends it."""
    return {"type": "alert", **FeedItemView.model_validate(item).model_dump(mode="json")}
