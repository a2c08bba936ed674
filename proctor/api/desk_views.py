"""What a reviewer's desk gets: the queue, incidents over sessions, one incident whole, a timeline."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from proctor.api.views import (
    EvidenceView,
    PriorityView,
    ProducerView,
    SessionSummary,
    SignalView,
    View,
)
from proctor.domain.casework import DecisionWord, StatementBy
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.incidents import Category, EvidenceStatus, Severity, Verdict
from proctor.domain.signals import SignalKind
from proctor.services.timeline import MilestoneKind


class Origin(StrEnum):
    """Who found an incident. What a person added is never counted as a machine's."""

    MACHINE = "machine"
    HUMAN = "human"


class ReasonShareView(View):
    """How much of a modality was not fully watched for one reason."""

    state: CoverageState
    reason: CoverageReason
    ms: int
    share: float


class ModalityCoverageView(View):
    """What could be seen or heard of a session so far.

    Attributes:
        total_ms: monitored, degraded and blind together: its length.
        monitored: Share of it, 0..1; null while the length is 0. The same for the two others.
        reasons: The longest first.
        now: State of the stretch that still lasts; null when none does (the session is over).
    """

    modality: Modality
    total_ms: int
    monitored: float | None
    degraded: float | None
    blind: float | None
    reasons: list[ReasonShareView]
    now: CoverageState | None
    now_reason: CoverageReason | None


class IncidentCountsView(View):
    """Incidents of a session by severity, and how many nobody has looked at."""

    total: int
    unreviewed: int
    confirmed: int
    dismissed: int
    by_severity: dict[Severity, int]
    unreviewed_by_severity: dict[Severity, int]


class DecisionView(View):
    """How a reviewer left a session; `version` is the ETag of the next one."""

    version: int
    word: DecisionWord
    reviewer: str
    notes: str
    given_at: datetime


class DecisionsView(View):
    """The decision that stands (null for none yet) and all of them, oldest first."""

    current: DecisionView | None
    history: list[DecisionView]


class SessionCardView(SessionSummary):
    """A session as grids and queues show it. Fields that were not asked for are null.

    Attributes:
        candidate_ref: Your own name for the candidate.
        exam_title: For people.
        priority: Its review priority; null before there was one.
        withheld: Why it has no priority: `coverage` when too little was seen, `none_yet` before the
            first was written down; null when it has one.
        coverage: One entry per modality.
        incidents: Counts; null for roles that may not know of accommodations (they would show in them).
        decision: The newest.
    """

    candidate_ref: str | None = None
    exam_title: str | None = None
    priority: PriorityView | None = None
    withheld: Literal["coverage", "none_yet"] | None = None
    coverage: list[ModalityCoverageView] | None = None
    incidents: IncidentCountsView | None = None
    decision: DecisionView | None = None


class IncidentLineView(View):
    """An incident in a list.

    Attributes:
        opened_at: Wall time of `opened_ms`.
        origin: `human` for one that a reviewer added.
        evidence: Where its evidence stands.
    """

    incident_id: str
    exam_id: str
    session_id: str
    candidate_id: str
    rule_id: str
    policy_id: str
    policy_version: int
    category: Category
    severity: Severity
    opened_ms: int
    closed_ms: int | None
    opened_at: datetime
    verdict: Verdict
    evidence: EvidenceStatus
    suppressed_by: str | None
    origin: Origin


class SaidView(View):
    """What was told of an incident at one moment: the words of its alert."""

    alert_id: str
    seq: int
    transition: str
    severity: Severity
    title: str
    reason: str
    occurred_ms: int
    raised_at: datetime
    suppressed_by: str | None


class AddedView(View):
    """Who added an incident that no rule found."""

    words: str
    reviewer: str
    added_at: datetime


class StatementView(View):
    """A candidate's own words about a session or an incident."""

    statement_id: str
    session_id: str
    incident_id: str | None
    by: StatementBy
    text: str
    made_at: datetime


class StatementsView(View):
    """Every statement of a session, oldest first."""

    items: list[StatementView]


class ReviewVerdictView(View):
    """One word of a reviewer about an incident."""

    verdict_id: str
    verdict: Verdict
    reviewer: str
    reason: str
    given_at: datetime


class IncidentWholeView(IncidentLineView):
    """All that explains one incident.

    Attributes:
        title: What its rule is called; for one that a person added: their words.
        reason: One sentence with the numbers that decided; null when no alert told it.
        lines: The reason at length, as `proctor explain` prints it.
        rule_text: The rule as the exam's policy says it (YAML); null when it is not there any more.
        signals: What it rests on, newest state of each.
        producers: Every model that looked or listened.
        frame_digest: sha256 of the judged picture; null when it rests on none.
        said: Every alert about it, oldest first.
        verdicts: Every word of a reviewer, oldest first.
        statements: What the candidate says to it.
        added: Who added it; null for a machine's.
    """

    title: str
    reason: str | None
    lines: list[str]
    rule_text: str | None
    signals: list[SignalView]
    producers: list[ProducerView]
    frame_digest: str | None
    evidence_kept: EvidenceView
    said: list[SaidView]
    verdicts: list[ReviewVerdictView]
    statements: list[StatementView]
    added: AddedView | None


class StretchView(View):
    """A stretch of coverage on a timeline; `end_ms` is null while it lasts."""

    start_ms: int
    end_ms: int | None
    state: CoverageState
    reason: CoverageReason | None


class CoverageLaneView(View):
    """What could be seen or heard, in order."""

    modality: Modality
    stretches: list[StretchView]


class TimelineIncidentView(IncidentLineView):
    """An incident on a timeline, by its rule's title."""

    title: str


class TimelineSignalView(View):
    """A behaviour on a timeline."""

    signal_id: str
    started_ms: int
    ended_ms: int | None
    probability: float
    incident_ids: list[str]


class SignalLaneView(View):
    """One kind of behaviour, in order."""

    kind: SignalKind
    items: list[TimelineSignalView]


class MilestoneView(View):
    """Something that happened at a moment; after the end for what was said later.

    Attributes:
        at_ms: Session time, which goes on after the end.
        at: The same in wall time.
        epoch: Of a connection.
        incident_id: What it is about.
        word: The verdict, or the decision.
        who: The reviewer.
    """

    at_ms: int
    at: datetime
    kind: MilestoneKind
    epoch: int | None = None
    incident_id: str | None = None
    word: str | None = None
    who: str | None = None


class SpanView(View):
    """A stretch of session time; `end_ms` is null while it lasts."""

    start_ms: int
    end_ms: int | None


class BreakSpanView(SpanView):
    """A break."""

    break_id: str
    by: str


class SuppressedView(SpanView):
    """A stretch in which news of an incident were held back, and by what."""

    incident_id: str
    rule_id: str
    by: str


class TruncatedView(View):
    """What a lane leaves out.

    Attributes:
        lane: `incidents`, `signals`, `coverage.video`, `coverage.audio` or `milestones`.
        shown: How many are there.
        total: How many there would be; null when nobody counted.
        rule: By which rule the others were left out.
    """

    lane: str
    shown: int
    total: int | None
    rule: str


class TimelineView(View):
    """A session ready to be drawn; all `*_ms` are session time.

    Attributes:
        length_ms: How long it lasted, or has lasted so far.
        is_over: Whether it has ended.
        incidents: In order of time.
        coverage: One lane per modality.
        signals: One lane per kind; of signals that made an incident: others are in the recording only.
        milestones: In order of time.
        breaks: In which nobody has to be seen.
        suppressed: In which news were held back.
        rates: Effective rates; null, with the reason, where they are not in the database.
        truncated: Every lane that leaves something out; empty when all is here.
    """

    session: SessionSummary
    length_ms: int
    is_over: bool
    incidents: list[TimelineIncidentView]
    coverage: list[CoverageLaneView]
    signals: list[SignalLaneView]
    milestones: list[MilestoneView]
    breaks: list[BreakSpanView]
    suppressed: list[SuppressedView]
    rates: None = None
    rates_reason: str = "effective rates are kept in the session's recording only"
    truncated: list[TruncatedView]
