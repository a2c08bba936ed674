"""Erases a candidate: the data key first, then everything it opened and everything that lay beside it.

What stays: that consent was given and withdrawn, that alerts were raised (under a name that is
nobody's any more), the audit log, and the chain, whose commitments no longer open. Each step may be
repeated; what breaks off is owed, and `sweep` goes on with it. A tombstone lies outside the stores
that a backup may bring back, so that who is erased stays erased after a restore.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import structlog

from proctor.domain.erasure import Erasure, Tombstone
from proctor.domain.errors import Conflict, NotFound, ProctorError
from proctor.domain.ids import CandidateId, SessionId, TenantId, derive_id
from proctor.domain.recordings import RecordingKey
from proctor.domain.sessions import Session, SessionState
from proctor.ports import (
    CandidateStore,
    Clock,
    Elsewhere,
    ErasureStore,
    FaceIndex,
    LiveState,
    Recordings,
    Seal,
    SessionStore,
    StoredEvidence,
    SubjectKeys,
)
from proctor.services import challenges, verify
from proctor.services.judging.page_news import send_key, status_key
from proctor.services.proof.keep import ChainKeeper
from proctor.services.tombstones import TOMBSTONE, read_stone, receipt_of, write_stone

LOOKED_AT_AGAIN = timedelta(days=1)
"""A recording or a picture that was on its way when its candidate was erased is deleted then."""

_PAGE = 200
_log = structlog.get_logger(__name__)


class EndsSessions(Protocol):
    """`Sessions`: ends one, with its host and its judge."""

    async def end(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """End the session; a second call changes nothing."""
        ...


class Erase:
    """Erases candidates, once and for all.

    Args:
        ends: Ends their live sessions; None where no cluster can be reached: then a live session
            must be ended first.
        live: Short-lived facts; None where they cannot be reached: they expire within the hour.
        evidence: Pictures and clips; None when this site keeps none.
    """

    def __init__(
        self,
        *,
        erasures: ErasureStore,
        candidates: CandidateStore,
        sessions: SessionStore,
        keys: SubjectKeys,
        faces: FaceIndex,
        recordings: Recordings,
        elsewhere: Elsewhere,
        seal: Seal,
        keeper: ChainKeeper,
        clock: Clock,
        ends: EndsSessions | None = None,
        live: LiveState | None = None,
        evidence: StoredEvidence | None = None,
    ) -> None:
        self._erasures = erasures
        self._candidates = candidates
        self._sessions = sessions
        self._keys = keys
        self._faces = faces
        self._recordings = recordings
        self._elsewhere = elsewhere
        self._seal = seal
        self._keeper = keeper
        self._clock = clock
        self._ends = ends
        self._live = live
        self._evidence = evidence

    async def __call__(
        self,
        tenant_id: TenantId,
        candidate_id: CandidateId,
        asked_by: str,
        *,
        stop_live: bool = False,
    ) -> Erasure:
        """Erase a candidate; asked again, it goes on with what is owed and answers the same receipt.

        Args:
            tenant_id: Whose candidate.
            candidate_id: Who.
            asked_by: Who asks.
            stop_live: End sessions that go on; without it they are in the way.

        Raises:
            NotFound: The tenant has no such candidate, and erased none.
            Conflict: A session of theirs goes on (erasure/session-live).
            Unavailable: A store, a host or the place of tombstones is away; what was begun is owed,
                and is done by `sweep` or by the next call.
        """
        known = await self._erasures.find(tenant_id, candidate_id)
        if known is not None and known.done_at is not None:
            return known
        if known is None:
            await self._candidates.get_candidate(tenant_id, candidate_id)
        await self._refuse_live(tenant_id, candidate_id, may_stop=stop_live or known is not None)
        return await self._finish(known or await self._begin(tenant_id, candidate_id, asked_by))

    async def receipt(self, tenant_id: TenantId, candidate_id: CandidateId) -> Erasure:
        """What was done. Raises `NotFound` when nobody asked for it."""
        known = await self._erasures.find(tenant_id, candidate_id)
        if known is None:
            raise NotFound(f"no erasure of candidate {candidate_id}")
        return known

    async def sweep(self, *, with_tombstones: bool = False) -> int:
        """Do what is owed.

        Args:
            with_tombstones: Also look once more at what was done within a day, and erase again whom a
                restored backup brought back.

        Returns:
            How many could not be erased now.
        """
        looked_at = LOOKED_AT_AGAIN if with_tombstones else timedelta(0)
        owed = {
            (one.tenant_id, one.candidate_id): one
            for one in await self._erasures.since(self._clock.now() - looked_at)
        }
        if with_tombstones:
            async for signed in self._elsewhere.tombstones():
                stone = read_stone(signed, self._seal)
                if stone is None or (stone.tenant_id, stone.candidate_id) in owed:
                    continue
                known = await self._erasures.find(stone.tenant_id, stone.candidate_id)
                if known is None or known.done_at is None:
                    begun = await self._erasures.begin(receipt_of(stone))
                    owed[(stone.tenant_id, stone.candidate_id)] = begun
        failed = 0
        for receipt in owed.values():
            try:
                await self._finish(receipt)
            except ProctorError as error:
                failed += 1
                _log.warning("erasure is owed", receipt_id=receipt.receipt_id, code=error.code)
        return failed

    async def _refuse_live(
        self, tenant_id: TenantId, candidate_id: CandidateId, *, may_stop: bool
    ) -> None:
        if may_stop and self._ends is not None:
            return
        theirs = await self._theirs(tenant_id, candidate_id)
        if any(session.state is SessionState.LIVE for session in theirs):
            raise Conflict(
                "A session of the candidate goes on: end it first, or ask to have it stopped.",
                "erasure/session-live",
            )

    async def _begin(
        self, tenant_id: TenantId, candidate_id: CandidateId, asked_by: str
    ) -> Erasure:
        """The tombstone comes first: what is begun can no longer be undone by a restore."""
        stone = Tombstone(
            receipt_id=derive_id("era", tenant_id, candidate_id),  # the same when repeated
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            asked_by=asked_by,
            asked_at=self._clock.now(),
        )
        signed = self._seal.sign(TOMBSTONE, write_stone(stone))
        await self._elsewhere.put_tombstone(tenant_id, candidate_id, signed)
        return await self._erasures.begin(receipt_of(stone))

    async def _finish(self, receipt: Erasure) -> Erasure:
        tenant_id, candidate_id = receipt.tenant_id, receipt.candidate_id
        is_first = receipt.done_at is None
        sessions = await self._theirs(tenant_id, candidate_id)
        for session in sessions:
            if session.state is not SessionState.ENDED:
                await self._end(session)
        if is_first:
            for session in sessions:  # what is committed enters the chain while it is still there
                await self._keeper.bring_up(tenant_id, session.session_id)
            await self._keys.destroy(tenant_id, candidate_id)
            # Consents end before the template does: an enrolment that is under way undoes itself.
            await self._erasures.scrub(tenant_id, candidate_id, self._clock.now())
            await self._faces.erase(tenant_id, candidate_id)
            await self._forget(tenant_id, candidate_id, sessions)
        pieces = 0
        if self._evidence is not None:
            pieces = await self._evidence.erase_candidate(tenant_id, candidate_id)
        recordings = [await self._erase_recording(session) for session in sessions]
        done = replace(
            receipt,
            done_at=receipt.done_at or self._clock.now(),
            sessions=max(receipt.sessions, len(sessions)),
            recordings=receipt.recordings + sum(recordings),
            evidence=receipt.evidence + pieces,
        )
        if done != receipt:
            await self._erasures.done(done)
        for session in sessions:
            await self._keeper.bring_up(tenant_id, session.session_id)
        if is_first:
            _log.info("candidate erased", receipt_id=receipt.receipt_id)
        return done

    async def _end(self, session: Session) -> None:
        if self._ends is not None:
            await self._ends.end(session.tenant_id, session.session_id)
        elif session.state is SessionState.CREATED:  # nobody is connected to it
            now = self._clock.now()
            await self._sessions.end(session.tenant_id, session.session_id, now)
        else:
            raise Conflict("A session of the candidate goes on.", "erasure/session-live")

    async def _erase_recording(self, session: Session) -> int:
        key = RecordingKey(
            tenant_id=session.tenant_id, exam_id=session.exam_id, session_id=session.session_id
        )
        was_there = await self._recordings.footer(key) is not None
        await self._recordings.erase(key)
        return int(was_there)

    async def _forget(
        self, tenant_id: TenantId, candidate_id: CandidateId, sessions: list[Session]
    ) -> None:
        if self._live is None:
            return
        names = [*verify.live_keys(tenant_id, candidate_id)]
        names += challenges.live_keys(tenant_id, candidate_id)
        for session in sessions:
            names += [status_key(session.session_id), send_key(session.session_id)]
        for name in names:
            await self._live.delete(name)
        await self._live.compact()

    async def _theirs(self, tenant_id: TenantId, candidate_id: CandidateId) -> list[Session]:
        found: list[Session] = []
        after: SessionId | None = None
        while page := await self._sessions.list(tenant_id, None, None, after, _PAGE, candidate_id):
            found += page
            after = page[-1].session_id
        return found
