"""What a reviewer's desk shows of many sessions: rows that are read together, never written."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.casework import DecisionWord, SessionDecision
from proctor.domain.coverage import (
    CoverageInterval,
    CoverageReason,
    CoverageState,
    Modality,
)
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId
from proctor.domain.incidents import Category, EvidenceStatus, Incident, Severity, Verdict
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import Priority
from proctor.domain.sessions import Session, SessionState


class ReviewStatus(StrEnum):
    """Where the review of a session stands."""

    OPEN = "open"
    """Nobody has decided yet."""
    REVIEWED = DecisionWord.REVIEWED.value
    FOLLOW_UP = DecisionWord.FOLLOW_UP.value
    CANNOT_TELL = DecisionWord.CANNOT_TELL.value


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which sessions are wanted; None or empty for any.

    Attributes:
        exam_id: Of this exam.
        state: In this state.
        status: Whose review stands there.
        severity: With an incident of this severity.
        rule_id: With an incident of this rule.
        category: With an incident of this category.
        verdict: With an incident of this verdict; with the three above: one incident that is all of it.
        min_rank: Ranked at least so (`Priority.rank`); those withheld are left out then.
        words: In the candidate's reference, or the session's id.
    """

    exam_id: ExamId | None = None
    state: SessionState | None = None
    status: ReviewStatus | None = None
    severity: Severity | None = None
    rule_id: str | None = None
    category: Category | None = None
    verdict: Verdict | None = None
    min_rank: int | None = None
    words: str = ""

    @property
    def asks_incidents(self) -> bool:
        """Whether an incident of a kind is asked for."""
        wanted = (self.severity, self.rule_id, self.category, self.verdict)
        return any(each is not None for each in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageSum:
    """How long one modality of a session was in one state for one reason.

    Attributes:
        modality: What was (not) watched.
        state: Monitored, degraded or blind.
        reason: Why; None when and only when monitored.
        closed_ms: In stretches that are over.
        open_since_ms: When the stretch that still lasts began; None when none lasts.
    """

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    closed_ms: int
    open_since_ms: int | None = None


def sums_of(intervals: Iterable[CoverageInterval]) -> tuple[CoverageSum, ...]:
    """What a session's coverage adds up to, in the order in which each kind first came."""
    closed: dict[tuple[Modality, CoverageState, CoverageReason | None], int] = {}
    lasting: dict[tuple[Modality, CoverageState, CoverageReason | None], int] = {}
    for each in intervals:
        kind = (each.modality, each.state, each.reason)
        lasted = 0 if each.end_ms is None else each.end_ms - each.start_ms
        closed[kind] = closed.get(kind, 0) + lasted
        if each.end_ms is None:
            lasting[kind] = max(each.start_ms, lasting.get(kind, 0))
    return tuple(
        CoverageSum(
            modality=modality,
            state=state,
            reason=reason,
            closed_ms=total,
            open_since_ms=lasting.get((modality, state, reason)),
        )
        for (modality, state, reason), total in closed.items()
    )


@dataclass(frozen=True, slots=True)
class IncidentCount:
    """How many incidents of a session are of one severity and verdict."""

    severity: Severity
    verdict: Verdict
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A session with what a list shows of it.

    Attributes:
        session: Without its coverage.
        candidate_ref: The tenant's own name for the candidate.
        exam_title: For people.
        rank: What the queue is sorted by; -1 when the priority is withheld or there is none yet.
        priority: The review priority; None before there was one.
        coverage: Sums of what could be seen.
        counts: Incidents by severity and verdict, those that people added too.
        decision: The newest; None while nobody decided.
    """

    session: Session
    candidate_ref: str
    exam_title: str
    rank: int
    priority: Priority | None
    coverage: tuple[CoverageSum, ...] = ()
    counts: tuple[IncidentCount, ...] = ()
    decision: SessionDecision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents are wanted; None for any."""

    exam_id: ExamId | None = None
    session_id: SessionId | None = None
    rule_id: str | None = None
    severity: Severity | None = None
    category: Category | None = None
    verdict: Verdict | None = None
    opened_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident as lists have it: no signals, nothing to be parsed.

    Attributes:
        opened_at: Wall time of `opened_ms`.
        evidence: Where its evidence stands.
        suppressed_by: What keeps its news back now.
    """

    incident_id: IncidentId
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
    opened_at: datetime
    verdict: Verdict
    evidence: EvidenceStatus
    suppressed_by: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection of a session began."""

    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What is stored of a session for its timeline, within bounds.

    Attributes:
        incidents: The most severe, then the longest; in order of time.
        incidents_total: How many there are.
        detailed: The most severe of them whole, with their signals; in order of time.
        verdicts: The newest words of reviewers; in order of time.
        connections: The newest; by epoch.
    """

    incidents: tuple[IncidentLine, ...] = ()
    incidents_total: int = 0
    detailed: tuple[Incident, ...] = ()
    verdicts: tuple[VerdictGiven, ...] = ()
    connections: tuple[Connected, ...] = ()
