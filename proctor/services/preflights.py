"""Pre-flight: camera, microphone and line are tried on a real session host, which judges nothing.

A connection of its own, under a name of its own: the session has not begun, no shard hears of it, no face
is compared and nothing but numbers is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proctor.domain.errors import Conflict, NotFound, Unavailable
from proctor.domain.ids import SessionId, TenantId, new_id
from proctor.domain.notices import NoticeChoice
from proctor.domain.preflights import (
    PageTold,
    Preflight,
    Rehearsed,
    camera_codes,
    microphone_codes,
    network_codes,
)
from proctor.domain.sessions import SessionSpec, SessionState
from proctor.ports import Clock, ExamStore, LiveState, NoticeStore, SessionPlacement, SessionStore
from proctor.services.host.rehearsal import read, rehearsal_key
from proctor.services.join import SessionEnded
from proctor.services.sessions import Declined, check_offer

EPOCH = 1
KEPT_S = 600


@dataclass(frozen=True, slots=True)
class Trial:
    """A connection that is tried out: its name, and the answer to its offer."""

    preflight_id: str
    sdp: str


class Preflights:
    """Tries connections out."""

    def __init__(
        self,
        store: NoticeStore,
        sessions: SessionStore,
        exams: ExamStore,
        placement: SessionPlacement,
        live: LiveState,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._exams = exams
        self._placement = placement
        self._live = live
        self._clock = clock

    async def offer(self, tenant_id: TenantId, session_id: SessionId, sdp: str) -> Trial:
        """Take an offer; a trial of this session that still runs is closed first.

        Raises:
            InvalidInput: `webrtc/bad-sdp` or `webrtc/no-video`.
            NotFound: No such session.
            SessionEnded: It is over.
            Conflict: It has begun: what it receives is told by the exam itself.
            Declined: The candidate has declined, and said nothing else since.
            Unavailable: No host takes it now, or another trial was begun meanwhile.
        """
        check_offer(sdp)
        session = await self._sessions.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        if session.state is SessionState.LIVE:
            raise Conflict("The exam has begun; there is nothing left to try.", "preflight/begun")
        await self._raise_if_declined(tenant_id, session_id)
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        await self.stop(tenant_id, session_id)
        name = new_id("pre")
        await self._live.put(_key(tenant_id, session_id), name, KEPT_S)
        spec = SessionSpec(
            session_id=SessionId(name),
            tenant_id=tenant_id,
            exam_id=session.exam_id,
            candidate_id=session.candidate_id,
            policy_text=exam.policy_text,
            started_at=self._clock.now(),
            epoch=EPOCH,
            is_rehearsal=True,
            biometrics=False,
        )
        answer = await self._placement.join(spec, sdp)
        try:
            await self._raise_if_declined(tenant_id, session_id)
            if await self._live.get(_key(tenant_id, session_id)) != name:
                raise Unavailable("Another trial was begun meanwhile; try again.")
        except Exception:
            await self._placement.leave(SessionId(name), EPOCH)  # one place for a session, not more
            raise
        return Trial(name, answer.sdp)

    async def stop(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Close the trial that runs, if one does; nothing is kept."""
        name = await self._live.get(_key(tenant_id, session_id))
        if name is not None:
            await self._placement.leave(SessionId(name), EPOCH)
            await self._live.delete(_key(tenant_id, session_id))

    async def trickle(
        self, tenant_id: TenantId, session_id: SessionId, name: str, fragment: str
    ) -> None:
        """Add ICE candidates. Raises `NotFound` when this trial is gone."""
        await self._placement.trickle(
            await self._mine(tenant_id, session_id, name), EPOCH, fragment
        )

    async def seen(self, tenant_id: TenantId, session_id: SessionId, name: str) -> Rehearsed:
        """What the host has received so far. Raises `NotFound` when this trial is gone."""
        whose = await self._mine(tenant_id, session_id, name)
        kept = await self._live.get(rehearsal_key(whose))
        return Rehearsed(at_ms=0) if kept is None else read(kept)

    async def finish(
        self, tenant_id: TenantId, session_id: SessionId, name: str, told: PageTold
    ) -> Preflight:
        """Close the trial and keep what came of it. Raises `NotFound` when it is gone."""
        seen = await self.seen(tenant_id, session_id, name)
        await self.leave(tenant_id, session_id, name)
        found = Preflight(
            preflight_id=name,
            tenant_id=tenant_id,
            session_id=session_id,
            checked_at=self._clock.now(),
            camera=camera_codes(seen),
            microphone=microphone_codes(seen),
            network=network_codes(told),
            seen=seen,
            told=told,
        )
        await self._store.add_preflight(found)
        return found

    async def leave(self, tenant_id: TenantId, session_id: SessionId, name: str) -> None:
        """Close the trial. Raises `NotFound` when it is not the session's newest."""
        whose = await self._mine(tenant_id, session_id, name)
        await self._live.delete(_key(tenant_id, session_id))
        await self._placement.leave(whose, EPOCH)

    async def of(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Preflight]:
        """What came of every trial, newest first. Raises `NotFound`."""
        await self._sessions.get(tenant_id, session_id)
        return await self._store.preflights(tenant_id, session_id)

    async def _raise_if_declined(self, tenant_id: TenantId, session_id: SessionId) -> None:
        said = await self._store.newest_answer(tenant_id, session_id)
        if said is not None and said.choice is NoticeChoice.DECLINED:
            raise Declined(
                "You have declined; nothing is analysed. You may still change your answer."
            )

    async def _mine(self, tenant_id: TenantId, session_id: SessionId, name: str) -> SessionId:
        if await self._live.get(_key(tenant_id, session_id)) != name:
            raise NotFound("this trial is over")
        return SessionId(name)


def _key(tenant_id: TenantId, session_id: SessionId) -> str:
    return f"preflight:{tenant_id}:{session_id}"
