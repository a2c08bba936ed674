"""The appeal bundle: everything about one session that speaks for or against what was noted of it."""

from datetime import datetime

from proctor.api.desk_views import ModalityCoverageView, StatementView, StretchView
from proctor.api.views import View
from proctor.domain.casework import DecisionWord
from proctor.domain.coverage import Modality
from proctor.domain.incidents import Category, EvidenceStatus, Severity, Verdict


class AppealModelView(View):
    """A model that took part.

    Attributes:
        role: What it looks or listens for, in plain words; null when the catalogue does not know it.
        error_rates: What was measured of it here, with its caveats; empty with a reason when nothing was.
        error_rates_reason: Why there are none.
    """

    model: str
    version: str
    digest: str
    role: str | None
    error_rates: list[str]
    error_rates_reason: str | None


class AppealSignalView(View):
    """A behaviour that an incident rests on."""

    what: str
    started_ms: int
    ended_ms: int | None
    probability: float
    numbers: dict[str, float]


class AppealVerdictView(View):
    """What a reviewer said. Name and reason are null for the candidate: those stay with who reviews."""

    verdict: Verdict
    given_at: datetime
    reviewer: str | None
    reason: str | None


class AppealDecisionView(View):
    """How a reviewer left the session. Name and notes are null for the candidate."""

    word: DecisionWord
    given_at: datetime
    reviewer: str | None
    notes: str | None


class AppealIncidentView(View):
    """One incident, in plain words.

    Attributes:
        found_by: `a rule of the exam's policy`, or `a reviewer`.
        rule_text: The rule (YAML); null for one that a reviewer added.
    """

    incident_id: str
    title: str
    reason: str | None
    found_by: str
    rule_id: str
    rule_text: str | None
    category: Category
    severity: Severity
    opened_ms: int
    closed_ms: int | None
    evidence: EvidenceStatus
    frame_digest: str | None
    verdict: Verdict
    verdicts: list[AppealVerdictView]
    signals: list[AppealSignalView]
    held_back_by: str | None


class CoverageGapsView(View):
    """Stretches of one modality that were not fully watched."""

    modality: Modality
    gaps: list[StretchView]


class AppealView(View):
    """One session, for whoever contests what was noted of it.

    Attributes:
        explained: What this is and is not, in plain sentences.
        candidate_ref: The institution's own name for the candidate.
        incidents: Oldest first.
        models: Every model that an incident rests on.
        coverage: Shares of what could be seen and heard.
        gaps: When not; nothing in them is held against anybody.
        decisions: Oldest first. For the candidate without names and notes.
        statements: The candidate's own words.
        policy_text: The whole policy, as it judged this session.
        left_out: What the bundle leaves out for its size, in words; empty when all is here.
    """

    made_at: datetime
    explained: list[str]
    session_id: str
    candidate_ref: str
    exam_id: str
    exam_title: str
    started_at: datetime | None
    ended_at: datetime | None
    length_ms: int
    retention_days: int
    incidents: list[AppealIncidentView]
    models: list[AppealModelView]
    coverage: list[ModalityCoverageView]
    gaps: list[CoverageGapsView]
    decisions: list[AppealDecisionView]
    statements: list[StatementView]
    policy_id: str
    policy_version: int
    policy_text: str
    left_out: list[str]
