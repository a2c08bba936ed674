"""Accommodations of candidates and breaks of sessions: they hold news back, with a record, and no fact.

What is stored holds. A shard that judges the session now is told and reads it; one that cannot be
reached does so when the session connects again, and the caller is told to repeat the call.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from proctor.domain.allowances import Accommodated, Accommodation, Break, BreakBy, SessionBreak
from proctor.domain.errors import Conflict, InvalidInput, NotFound
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId, new_id
from proctor.domain.sessions import Session, SessionState
from proctor.ports import (
    AllowanceStore,
    CandidateStore,
    Clock,
    ExamStore,
    SessionJudges,
    SessionStore,
)
from proctor.services.join import SessionEnded

MOST_BREAKS = 50
LONGEST_MS = 24 * 3_600_000
_AT_ONCE = 200


class Accommodations:
    """Who is allowed what."""

    def __init__(
        self,
        store: AllowanceStore,
        candidates: CandidateStore,
        exams: ExamStore,
        sessions: SessionStore,
        judges: SessionJudges,
        clock: Clock,
    ) -> None:
        self._store = store
        self._candidates = candidates
        self._exams = exams
        self._sessions = sessions
        self._judges = judges
        self._clock = clock

    async def of(self, tenant_id: TenantId, candidate_id: CandidateId) -> Sequence[Accommodated]:
        """What holds in every exam first, then by exam. Raises `NotFound`."""
        await self._candidates.get_candidate(tenant_id, candidate_id)
        return await self._store.list_accommodations(tenant_id, candidate_id)

    async def put(
        self,
        tenant_id: TenantId,
        candidate_id: CandidateId,
        exam_id: ExamId | None,
        accommodations: Collection[Accommodation],
        actor: str,
    ) -> Accommodated:
        """Say what a candidate is allowed, in one exam or in every one; in live sessions at once.

        Raises:
            NotFound: No such candidate or exam.
            Unavailable: It is stored; the shard of a live session could not be told: call again.
        """
        await self._candidates.get_candidate(tenant_id, candidate_id)
        if exam_id is not None:
            await self._exams.get_exam(tenant_id, exam_id)
        given = Accommodated(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            exam_id=exam_id,
            accommodations=tuple(each for each in Accommodation if each in accommodations),
        )
        await self._store.put_accommodations(given, actor, self._clock.now())
        after = None
        while live := await self._sessions.list(
            tenant_id, exam_id, SessionState.LIVE, after, _AT_ONCE, candidate_id
        ):
            after = live[-1].session_id
            for session in live:
                await self._judges.allowances_changed(tenant_id, session.session_id)
        return given

    async def breaks(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Break]:
        """By their beginning. Raises `NotFound`."""
        await self._sessions.get(tenant_id, session_id)
        return await self._store.list_breaks(tenant_id, session_id)

    async def give_break(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        start_ms: int | None,
        end_ms: int | None,
        actor: str,
    ) -> Break:
        """Begin a break now (`start_ms` None), or plan one in session time. None begins in the past.

        Who gave it is in the audit log.

        Raises:
            NotFound: No such session.
            SessionEnded: It is over.
            Conflict: It has not begun, so there is no now; or it has too many breaks.
            InvalidInput: The break would lie in the past, or end before it begins.
            Unavailable: It is stored; the session's shard could not be told: call again for another.
        """
        session = await self._sessions.get(tenant_id, session_id)
        now_ms = self._session_ms(session)
        if start_ms is None and now_ms is None:
            raise Conflict("The session has not begun: give the break a start_ms.", "session/state")
        by = BreakBy.STAFF if start_ms is None else BreakBy.SCHEDULE
        begins_ms = max(now_ms or 0, 0) if start_ms is None else start_ms
        if begins_ms < (now_ms or 0):
            raise InvalidInput("A break begins now or later: start_ms lies in the past.")
        if end_ms is not None and not begins_ms < end_ms <= begins_ms + LONGEST_MS:
            raise InvalidInput("A break ends after it begins, and within a day: correct end_ms.")
        if len(await self._store.list_breaks(tenant_id, session_id)) >= MOST_BREAKS:
            raise Conflict(f"A session has at most {MOST_BREAKS} breaks.")
        given = Break(break_id=new_id("brk"), start_ms=begins_ms, end_ms=end_ms, by=by)
        await self._put(session, given, actor)
        return given

    async def end_break(
        self, tenant_id: TenantId, session_id: SessionId, break_id: str, actor: str
    ) -> Break:
        """End a break now; one that has not begun never does, one that is over stays as it is.

        Raises:
            NotFound: No such session or break.
            SessionEnded: The session is over.
            Unavailable: It is stored; the session's shard could not be told: call again.
        """
        session = await self._sessions.get(tenant_id, session_id)
        found = await self._store.list_breaks(tenant_id, session_id)
        given = next((each for each in found if each.break_id == break_id), None)
        if given is None:
            raise NotFound(f"no break {break_id}")
        now_ms = self._session_ms(session)
        until_ms = given.start_ms if now_ms is None else max(given.start_ms, now_ms)
        if given.end_ms is None or until_ms < given.end_ms:
            given = replace(given, end_ms=until_ms)
        await self._put(session, given, actor)
        return given

    async def _put(self, session: Session, given: Break, actor: str) -> None:
        whose = SessionBreak(
            tenant_id=session.tenant_id, session_id=session.session_id, given=given
        )
        await self._store.put_break(whose, actor, self._clock.now())
        # Looked at afterwards: one that began meanwhile may have read what was allowed before.
        session = await self._sessions.get(session.tenant_id, session.session_id)
        if session.state is SessionState.LIVE:
            await self._judges.allowances_changed(session.tenant_id, session.session_id)

    def _session_ms(self, session: Session) -> int | None:
        """Session time now; None before it has begun. Raises `SessionEnded`."""
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        if session.started_at is None:
            return None
        return (self._clock.now() - session.started_at) // timedelta(milliseconds=1)
