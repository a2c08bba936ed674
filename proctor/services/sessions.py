"""Sessions: made, listed, connected to again and again, and ended once."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from proctor.domain.coverage import Modality
from proctor.domain.errors import Conflict, InvalidInput, StateStoreUnavailable, Unavailable
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId, new_id
from proctor.domain.incidents import Incident
from proctor.domain.notices import NoticeChoice
from proctor.domain.recordings import RecordingKey
from proctor.domain.sessions import Session, SessionSpec, SessionState
from proctor.domain.signals import SignalKind
from proctor.fusion.offered import SPEAKERS, signals_off
from proctor.fusion.policy import parse_policy
from proctor.ports import (
    Answer,
    CandidateStore,
    Clock,
    ExamStore,
    IncidentStore,
    NoticeStore,
    Recordings,
    SessionJudges,
    SessionPlacement,
    SessionStore,
    Tracer,
)
from proctor.services.consents import scopes_of
from proctor.services.deadline import TimedOut, within
from proctor.services.join import SessionEnded
from proctor.services.no_tracing import OFF

MAX_MEDIA_SECTIONS = 16
SETTLED_WITHIN = timedelta(seconds=15)
"""An end that was called for is through by then, or has failed (a shard is waited for 10 s)."""
SETTLE_AT_ONCE = 100
FOOTER_WITHIN_MS = 2_000
"""Who looks at a session does not wait longer for where its recording lies."""
_log = structlog.get_logger(__name__)


class Declined(Conflict):
    """The candidate has declined to be watched."""

    code = "session/declined"


class Sessions:
    """Makes, finds and ends sessions."""

    def __init__(
        self,
        store: SessionStore,
        exams: ExamStore,
        candidates: CandidateStore,
        incidents: IncidentStore,
        placement: SessionPlacement,
        judges: SessionJudges,
        clock: Clock,
        groups: Collection[str] = (),
        recordings: Recordings | None = None,
    ) -> None:
        self._groups = frozenset(groups)
        self._recordings = recordings
        self._store = store
        self._exams = exams
        self._candidates = candidates
        self._incidents = incidents
        self._placement = placement
        self._judges = judges
        self._clock = clock

    async def alert_log_sha256(self, session: Session) -> str | None:
        """Of the alerts that the live session left behind: what a replay must give.

        None until its recording is closed, which is some seconds after its end, or cannot be asked.
        """
        if self._recordings is None or session.state is not SessionState.ENDED:
            return None
        key = RecordingKey(
            tenant_id=session.tenant_id, exam_id=session.exam_id, session_id=session.session_id
        )
        try:
            asked = self._recordings.footer(key)
            footer = await within(self._clock, FOOTER_WITHIN_MS, asked)
        except (StateStoreUnavailable, TimedOut):
            return None
        return None if footer is None else footer.alert_log_sha256

    async def create(
        self, tenant_id: TenantId, exam_id: ExamId, candidate_id: CandidateId
    ) -> Session:
        """A new session. Raises `NotFound` when exam or candidate is not the tenant's."""
        await self._exams.get_exam(tenant_id, exam_id)
        await self._candidates.get_candidate(tenant_id, candidate_id)
        session = Session(
            session_id=SessionId(new_id("ses")),
            tenant_id=tenant_id,
            exam_id=exam_id,
            candidate_id=candidate_id,
            state=SessionState.CREATED,
            epoch=0,
            created_at=self._clock.now(),
        )
        await self._store.add(session)
        return session

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """With its coverage. Raises `NotFound`."""
        return await self._store.get(tenant_id, session_id)

    async def signals_off(
        self, session: Session, choice: NoticeChoice | None = None
    ) -> tuple[SignalKind, ...] | None:
        """Signals of its exam's rules that do not exist in it now: no model, or no consent to them.

        `choice` is what the candidate answered to the notice. None when the exam's policy can no longer
        be read.
        """
        exam = await self._exams.get_exam(session.tenant_id, session.exam_id)
        consent = await self._candidates.live_consent(session.tenant_id, session.candidate_id)
        try:
            policy = parse_policy(exam.policy_text)
        except InvalidInput:
            return None
        without = {SPEAKERS} if choice is NoticeChoice.WITHOUT_BIOMETRICS else set()
        return signals_off(policy, self._groups - without, scopes_of(consent))

    async def list(
        self,
        tenant_id: TenantId,
        exam_id: ExamId | None,
        state: SessionState | None,
        after: SessionId | None,
        limit: int,
    ) -> Sequence[Session]:
        """By id, after a cursor, without coverage."""
        return await self._store.list(tenant_id, exam_id, state, after, limit)

    async def incidents(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Incident]:
        """Oldest first. Raises `NotFound`."""
        await self._store.get(tenant_id, session_id)
        return await self._incidents.list_incidents(tenant_id, session_id)

    async def end(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """End the session; a second call changes nothing and answers the same.

        The end is stored first, so that no new connection comes. A call whose later steps failed
        (`Unavailable`) may be repeated until the coverage has been told to the last moment; when
        nobody repeats it, `settle_ended` does.
        """
        session = await self._store.end(tenant_id, session_id, self._clock.now())
        session = await self._store.get(tenant_id, session_id)
        if session.started_at is None or session.ended_at is None or session.settled_at is not None:
            return session
        if not _is_told(session):
            session = await self._tell_end(session, session.ended_at)
        if _is_told(session):
            await self._store.settle(tenant_id, session_id, self._clock.now())
        return session

    async def _tell_end(self, session: Session, ended_at: datetime) -> Session:
        """Close the connection, have the judges finish, and look at what they left."""
        session_id = session.session_id
        try:
            await self._placement.leave(session_id, session.epoch)
        except Unavailable as error:
            _log.warning("ended session could not be disconnected", code=error.code)
        spec = await spec_of(self._exams, session)
        await self._judges.end(spec, ended_at)
        return await self._store.get(session.tenant_id, session_id)

    async def settle_ended(self) -> int:
        """End again what ended some time ago and is not settled: its shard was away, or nobody asked.

        Returns:
            How many could not be settled now; the next call tries them again.
        """
        before = self._clock.now() - SETTLED_WITHIN
        failed, after = 0, None
        while batch := await self._store.unsettled(before, after, SETTLE_AT_ONCE):
            after = batch[-1].session_id
            for session in batch:
                try:
                    ended = await self.end(session.tenant_id, session.session_id)
                    failed += not _is_told(ended)
                except Unavailable as error:
                    failed += 1
                    _log.warning(
                        "end is still owed", session_id=session.session_id, code=error.code
                    )
        return failed


class Connections:
    """A candidate's connections to their session (WHIP): offers, candidates, goodbyes."""

    def __init__(
        self,
        store: SessionStore,
        exams: ExamStore,
        candidates: CandidateStore,
        placement: SessionPlacement,
        clock: Clock,
        incidents: IncidentStore,
        notices: NoticeStore,
        tracer: Tracer = OFF,
    ) -> None:
        self._store = store
        self._exams = exams
        self._candidates = candidates
        self._placement = placement
        self._clock = clock
        self._incidents = incidents
        self._notices = notices
        self._tracer = tracer

    async def offer(self, tenant_id: TenantId, session_id: SessionId, sdp: str) -> Answer:
        """Take an offer; every one is a new epoch, so a second one resumes the session.

        Raises:
            InvalidInput: `webrtc/bad-sdp` or `webrtc/no-video`; a session that this offer would
                have begun has not begun.
            NotFound: No such session.
            SessionEnded: It is over.
            Declined: The candidate has declined, and said nothing else since.
            Unavailable: No host takes it now (`NoCapacity`), none can be reached, or the consent or the
                answer was changed meanwhile: the next offer goes by the new one.
        """
        with self._tracer.root("session.offer"):
            return await self._offer(tenant_id, session_id, sdp)

    async def _offer(self, tenant_id: TenantId, session_id: SessionId, sdp: str) -> Answer:
        check_offer(sdp)
        session = await self._store.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        said = await self._notices.newest_answer(tenant_id, session_id)
        choice = None if said is None else said.choice
        if choice is NoticeChoice.DECLINED:
            raise Declined(
                "You have declined; nothing is analysed. You may still change your answer."
            )
        now = self._clock.now()
        session = await self._store.next_epoch(tenant_id, session_id, now)
        try:
            consent = await self._candidates.live_consent(tenant_id, session.candidate_id)
            allowed = await self._incidents.allowances(tenant_id, session_id)
            spec = replace(
                await spec_of(self._exams, session),
                scopes=scopes_of(consent),
                allowances=allowed,
                biometrics=choice is not NoticeChoice.WITHOUT_BIOMETRICS,
            )
            answer = await self._placement.join(spec, sdp)
        except Exception:
            if session.started_at == now:  # it was this offer that began the session
                await self._store.forget_start(tenant_id, session_id, session.epoch)
            raise
        session = await self._store.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:  # while the host was answering
            await self._placement.leave(session_id, answer.epoch)
            raise SessionEnded("The session has ended.")
        if await self._candidates.live_consent(tenant_id, session.candidate_id) != consent:
            # Taken back, or given anew, while the host was answering by the old one.
            await self._placement.leave(session_id, answer.epoch)
            raise Unavailable("The consent was changed meanwhile; connect again.")
        if await self._notices.newest_answer(tenant_id, session_id) != said:
            # An answer leaves the consent as it was where there was none: it is looked at by itself.
            await self._placement.leave(session_id, answer.epoch)
            raise Unavailable("The answer to the notice was changed meanwhile; connect again.")
        return answer

    async def trickle(
        self, tenant_id: TenantId, session_id: SessionId, epoch: int, fragment: str
    ) -> None:
        """Add ICE candidates (RFC 8840). Raises `NotFound` when this connection is gone."""
        await self._store.get(tenant_id, session_id)
        await self._placement.trickle(session_id, epoch, fragment)

    async def leave(self, tenant_id: TenantId, session_id: SessionId, epoch: int) -> None:
        """Close the connection; the session goes on. Raises `NotFound` for an unknown session."""
        await self._store.get(tenant_id, session_id)
        await self._placement.leave(session_id, epoch)


async def spec_of(exams: ExamStore, session: Session) -> SessionSpec:
    """What hosts and shards need to know of a session that has begun."""
    exam = await exams.get_exam(session.tenant_id, session.exam_id)
    if session.started_at is None:
        raise ValueError("a session that has not begun has no spec")
    return SessionSpec(
        session_id=session.session_id,
        tenant_id=session.tenant_id,
        exam_id=session.exam_id,
        candidate_id=session.candidate_id,
        policy_text=exam.policy_text,
        started_at=session.started_at,
        epoch=session.epoch,
        retention_days=exam.retention_days,
    )


def check_offer(sdp: str) -> None:
    """Refuse at the gateway what no host could answer, so that junk makes no epoch.

    Raises `InvalidInput` (webrtc/bad-sdp, webrtc/no-video). The host looks closer.
    """
    lines = sdp.splitlines()
    media = [line for line in lines if line.startswith("m=")]
    is_sdp = bool(lines) and lines[0] == "v=0" and 0 < len(media) <= MAX_MEDIA_SECTIONS
    is_sealed = any(line.startswith("a=fingerprint:") for line in lines)
    if not (is_sdp and is_sealed):
        raise InvalidInput("This is no WebRTC offer that can be answered.", "webrtc/bad-sdp")
    if not any(line.startswith("m=video ") for line in media):
        raise InvalidInput("The offer has no video.", "webrtc/no-video")


def _is_told(session: Session) -> bool:
    """Whether the coverage of an ended session reaches its very end, for every modality."""
    if session.started_at is None or session.ended_at is None:
        return False
    length_ms = (session.ended_at - session.started_at) // timedelta(milliseconds=1)
    told = {
        part.modality
        for part in session.coverage
        if part.end_ms is not None and part.end_ms >= length_ms - 1
    }
    return told == set(Modality)
