"""What candidates may know of their own session: where it stands, and what they are allowed."""

from dataclasses import dataclass
from datetime import timedelta

from proctor.domain.allowances import Accommodation, Break
from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notices import NoticeAnswer
from proctor.domain.sessions import Exam, Session
from proctor.fusion.policy import parse_policy
from proctor.ports import CandidateStore, Clock, ExamStore, IncidentStore, NoticeStore, SessionStore
from proctor.services.consents import scopes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """A candidate's session, as they may see it. No alert, no reading, no score.

    Attributes:
        session: Where it stands.
        exam: What is sat.
        answer: What they answered to the notice; None for nothing.
        scopes: What their consent is to now.
        is_enrolled: Whether a face of theirs serves.
        challenge: Whether this exam asks for movements at enrolment.
        accommodations: What they may do that others may not.
        breaks: Theirs, by their beginning.
        now_ms: Session time now; None before it has begun.
    """

    session: Session
    exam: Exam
    answer: NoticeAnswer | None
    scopes: tuple[ConsentScope, ...]
    is_enrolled: bool
    challenge: bool
    accommodations: tuple[Accommodation, ...]
    breaks: tuple[Break, ...]
    now_ms: int | None


class OwnSessions:
    """Tells candidates of their own."""

    def __init__(
        self,
        sessions: SessionStore,
        exams: ExamStore,
        candidates: CandidateStore,
        incidents: IncidentStore,
        notices: NoticeStore,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._exams = exams
        self._candidates = candidates
        self._incidents = incidents
        self._notices = notices
        self._clock = clock

    async def of(self, tenant_id: TenantId, session_id: SessionId) -> OwnSession:
        """Raises `NotFound`."""
        session = await self._sessions.get(tenant_id, session_id)
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        allowed = await self._incidents.allowances(tenant_id, session_id)
        candidate_id = session.candidate_id
        enrolment = await self._candidates.newest_enrolment(tenant_id, candidate_id)
        now_ms = None
        if session.started_at is not None:
            now_ms = (self._clock.now() - session.started_at) // timedelta(milliseconds=1)
        return OwnSession(
            session=session,
            exam=exam,
            answer=await self._notices.newest_answer(tenant_id, session_id),
            scopes=scopes_of(await self._candidates.live_consent(tenant_id, candidate_id)),
            is_enrolled=enrolment is not None and enrolment.erased_at is None,
            challenge=parse_policy(exam.policy_text).enrolment.challenge == "required",
            accommodations=allowed.accommodations,
            breaks=allowed.breaks,
            now_ms=now_ms,
        )
