"""The reviewer's desk: which session next, what was noted in it, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.candidates import Candidate
from proctor.domain.casework import (
    MANUAL_RULE,
    NO_POLICY_VERSION,
    Added,
    SessionDecision,
    Statement,
)
from proctor.domain.desk import Card, IncidentFilter, IncidentLine, QueueFilter
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.notes import VerdictGiven
from proctor.domain.sessions import Exam, Session
from proctor.fusion.explain import sentences
from proctor.ports import (
    AllowanceStore,
    CandidateStore,
    CaseStore,
    Clock,
    ExamStore,
    IncidentStore,
    ReviewDesk,
    SessionStore,
    VerdictStore,
)
from proctor.services.policy_reader import PolicyReader, ReadPolicy
from proctor.services.timeline import MOST_DETAILED, MOST_INCIDENTS, Timeline, drawn

ADDED_TITLE = "Seen by a reviewer"
_OPENS = (Transition.OPENED, Transition.ESCALATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeIncident:
    """One incident with all that explains it.

    Attributes:
        line: As lists have it.
        incident: With its signals.
        title: What its rule is called.
        reason: One sentence with the numbers that decided; None when no alert told it.
        lines: The same at length.
        rule_text: Its rule as YAML; None when that is not known any more.
        told: Every alert about it.
        verdicts: Every word of a reviewer.
        statements: What the candidate says to it.
        added: Who added it; None for a machine's.
    """

    line: IncidentLine
    incident: Incident
    title: str
    reason: str | None
    lines: tuple[str, ...]
    rule_text: str | None
    told: tuple[Alert, ...]
    verdicts: tuple[VerdictGiven, ...]
    statements: tuple[Statement, ...]
    added: Added | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A session with everything that an appeal is made of.

    Attributes:
        exam: With its policy's text.
        candidate: Whose session.
        card: Sums of coverage and counts.
        timeline: Lanes, incidents and all.
        details: The most severe incidents whole, in order of time.
        openings: The alert that told each.
        verdicts: By incident.
        policy: The exam's, read.
        decisions: Oldest first.
        statements: Oldest first.
        additions: By incident.
    """

    exam: Exam
    candidate: Candidate
    card: Card
    timeline: Timeline
    details: tuple[Incident, ...]
    openings: Mapping[IncidentId, Alert]
    verdicts: tuple[VerdictGiven, ...]
    policy: ReadPolicy
    decisions: tuple[SessionDecision, ...]
    statements: tuple[Statement, ...]
    additions: Mapping[IncidentId, Added]


class Desk:
    """Reads what those who review look at. Changes nothing."""

    def __init__(
        self,
        desk: ReviewDesk,
        cases: CaseStore,
        sessions: SessionStore,
        exams: ExamStore,
        candidates: CandidateStore,
        incidents: IncidentStore,
        verdicts: VerdictStore,
        allowances: AllowanceStore,
        reader: PolicyReader,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._cases = cases
        self._sessions = sessions
        self._exams = exams
        self._candidates = candidates
        self._incidents = incidents
        self._verdicts = verdicts
        self._allowances = allowances
        self._reader = reader
        self._clock = clock

    def now(self) -> datetime:
        """The moment up to which live sessions are told."""
        return self._clock.now()

    async def queue(
        self,
        tenant_id: TenantId,
        wanted: QueueFilter,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[Card]:
        """The highest priority first, those without one last.

        A session that moves between two pages may be on both or none. Raises `NotFound` for another
        tenant's exam, too.
        """
        if wanted.exam_id is not None:
            await self._exams.get_exam(tenant_id, wanted.exam_id)
        return await self._desk.queue(tenant_id, wanted, after, limit)

    async def cards(self, tenant_id: TenantId, sessions: Sequence[Session]) -> Sequence[Card]:
        """These sessions with what a grid shows of them."""
        return await self._desk.cards(tenant_id, sessions)

    async def incidents(
        self,
        tenant_id: TenantId,
        wanted: IncidentFilter,
        after: tuple[datetime, IncidentId] | None,
        limit: int,
    ) -> Sequence[IncidentLine]:
        """The newest first, over sessions. Raises `NotFound` for another tenant's exam or session."""
        if wanted.exam_id is not None:
            await self._exams.get_exam(tenant_id, wanted.exam_id)
        if wanted.session_id is not None:
            await self._sessions.get(tenant_id, wanted.session_id)
        return await self._desk.incidents(tenant_id, wanted, after, limit)

    async def incident(self, tenant_id: TenantId, incident_id: IncidentId) -> WholeIncident:
        """One incident with all that explains it. Raises `NotFound`."""
        line = await self._desk.line(tenant_id, incident_id)
        incident = await self._incidents.get_incident(tenant_id, incident_id)
        told = tuple(await self._desk.told(tenant_id, incident_id))
        opened = [alert for alert in told if alert.transition in _OPENS]
        policy = await self._policy(tenant_id, line)
        rule = None if is_added(line) else policy.rules.get(line.rule_id)
        said = opened[-1] if opened else None
        additions = await self._cases.additions(tenant_id, line.session_id)
        statements = await self._cases.statements(tenant_id, line.session_id)
        added = next((each for each in additions if each.incident_id == incident_id), None)
        return WholeIncident(
            line=line,
            incident=incident,
            title=title_of(line, said, policy),
            reason=added.words if added else None if said is None else said.reason,
            lines=() if said is None else tuple(sentences(said, rule)),
            rule_text=rule,
            told=told,
            verdicts=tuple(await self._verdicts.list(tenant_id, incident_id)),
            statements=tuple(each for each in statements if each.incident_id == incident_id),
            added=added,
        )

    async def _policy(self, tenant_id: TenantId, line: IncidentLine) -> ReadPolicy:
        exam = await self._exams.get_exam(tenant_id, line.exam_id)
        return await self._reader.read(exam.policy_text)

    async def timeline(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> tuple[Timeline, ReadPolicy]:
        """A session ready to be drawn, and its policy for the names of rules. Raises `NotFound`."""
        case = await self._drawn(tenant_id, session_id)
        exam = await self._exams.get_exam(tenant_id, case[0].session.exam_id)
        return case[0], await self._reader.read(exam.policy_text)

    async def _drawn(self, tenant_id: TenantId, session_id: SessionId) -> tuple[Timeline, "_Parts"]:
        session = await self._sessions.get(tenant_id, session_id)
        record = await self._desk.record(tenant_id, session_id, MOST_INCIDENTS, MOST_DETAILED)
        breaks = await self._allowances.list_breaks(tenant_id, session_id)
        decisions = await self._cases.decisions(tenant_id, session_id)
        statements = await self._cases.statements(tenant_id, session_id)
        additions = await self._cases.additions(tenant_id, session_id)
        timeline = drawn(
            session, record, breaks, decisions, statements, additions, self._clock.now()
        )
        return timeline, _Parts(
            details=record.detailed,
            verdicts=record.verdicts,
            decisions=tuple(decisions),
            statements=tuple(statements),
            additions=tuple(additions),
        )

    async def case(self, tenant_id: TenantId, session_id: SessionId) -> CaseFile:
        """Everything that an appeal is made of. Raises `NotFound`."""
        timeline, parts = await self._drawn(tenant_id, session_id)
        session = timeline.session
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        names = [each.incident_id for each in parts.details]
        (card,) = await self._desk.cards(tenant_id, [session])
        return CaseFile(
            exam=exam,
            candidate=await self._candidates.get_candidate(tenant_id, session.candidate_id),
            card=card,
            timeline=timeline,
            details=parts.details,
            openings=await self._desk.openings(tenant_id, names),
            verdicts=parts.verdicts,
            policy=await self._reader.read(exam.policy_text),
            decisions=parts.decisions,
            statements=parts.statements,
            additions={each.incident_id: each for each in parts.additions},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    details: tuple[Incident, ...]
    verdicts: tuple[VerdictGiven, ...]
    decisions: tuple[SessionDecision, ...]
    statements: tuple[Statement, ...]
    additions: tuple[Added, ...]


def is_added(found: IncidentLine | Incident) -> bool:
    """Whether a person added the incident: no rule of a policy found it."""
    return found.rule_id == MANUAL_RULE and found.policy_version == NO_POLICY_VERSION


def title_of(found: IncidentLine | Incident, told: Alert | None, policy: ReadPolicy) -> str:
    """What an incident is called: as it was told, else as the policy's rule is."""
    if is_added(found):
        return ADDED_TITLE
    return policy.title(found.rule_id) if told is None else told.title
