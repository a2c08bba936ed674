"""Keeps the chain of every session: what was committed is put into it by a worker, afterwards.

The alert path does not wait for it and cannot fail by it: alerts, verdicts and evidence are rows that
their own transactions made durable, and each enters the chain once, by its name. A worker that was
away finds what it missed, so nothing is lost; a row is unprotected only until the next step, some two
seconds. The store takes entries only behind the end that they were linked to, so two workers never
fork a chain.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from proctor.domain.erasure import Erasure
from proctor.domain.errors import Conflict, InvalidInput, NotFound, StateStoreUnavailable
from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.proof import ChainHead, Checkpoint, Fact, FactKind
from proctor.domain.recordings import RecordingKey
from proctor.domain.sessions import Session
from proctor.ports import (
    AlertArchive,
    CaseStore,
    ChainStore,
    Clock,
    Elsewhere,
    ErasureStore,
    ExamStore,
    IncidentStore,
    Recordings,
    Seal,
    SessionStore,
    StoredEvidence,
)
from proctor.services.proof import facts
from proctor.services.proof.checkpoints import CHECKPOINT, write_checkpoint
from proctor.services.proof.entries import link
from proctor.services.proof.reviewed import review_facts

SIGN_EVERY = 64
"""Entries of a session that goes on, until a checkpoint of them is signed; at its end it always is."""

RECORDED_WITHIN = timedelta(minutes=10)
"""A recording that is not closed by then is no longer waited for; an export still asks for it."""

AT_ONCE = 200
TRIES = 5
_log = structlog.get_logger(__name__)


class ChainKeeper:
    """Brings chains up to what was committed, and signs where they stand."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        sessions: SessionStore,
        exams: ExamStore,
        alerts: AlertArchive,
        erasures: ErasureStore,
        recordings: Recordings,
        elsewhere: Elsewhere,
        seal: Seal,
        clock: Clock,
        cases: CaseStore,
        incidents: IncidentStore,
        evidence: StoredEvidence | None = None,
    ) -> None:
        self._chain = chain
        self._sessions = sessions
        self._exams = exams
        self._alerts = alerts
        self._erasures = erasures
        self._recordings = recordings
        self._elsewhere = elsewhere
        self._seal = seal
        self._clock = clock
        self._cases = cases
        self._incidents = incidents
        self._evidence = evidence

    async def keep_due(self) -> int:
        """Chain what is new in sessions that go on or just ended; how many could not be."""
        return await self._keep(await self._chain.due(AT_ONCE))

    async def keep_late(self) -> int:
        """Chain what came after a chain was closed, or while nobody kept it; how many could not be."""
        return await self._keep(await self._chain.late(AT_ONCE))

    async def _keep(self, sessions: Sequence[Session]) -> int:
        failed = 0
        for session in sessions:
            try:
                await self.bring_up(session.tenant_id, session.session_id)
            except (StateStoreUnavailable, InvalidInput) as error:  # others' must not wait for it
                failed += 1
                _log.warning("not chained", session_id=session.session_id, code=error.code)
        return failed

    async def bring_up(self, tenant_id: TenantId, session_id: SessionId) -> ChainHead:
        """Put everything that is committed of a session into its chain, and sign it when it is due.

        Raises:
            NotFound: There is no such session.
            Conflict: Others write to the chain without end.
            StateStoreUnavailable: A store is away, or the place of checkpoints; what could be chained is.
        """
        for _ in range(TRIES):
            session = await self._sessions.get(tenant_id, session_id)
            before = await self._chain.head(tenant_id, session_id)
            known = await self._chain.chained(tenant_id, session_id)
            receipt = await self._erasures.find(tenant_id, session.candidate_id)
            new, seq = await self._new_facts(session, known, receipt)
            is_awaited = await self._is_evidence_awaited(session, known, new)
            entries = link(before, new)
            if receipt is not None:
                # what comes once an erasure was asked for is committed to, and never opens
                entries = [replace(entry, salt=None) for entry in entries]
            last = entries[-1] if entries else None
            after = replace(
                before,
                size=before.size + len(entries),
                head=last.sha256 if last else before.head,
                alert_seq=max(before.alert_seq, seq),
                is_open=is_awaited or not self._is_complete(session, known, new),
            )
            if after != before:
                try:
                    await self._chain.append(before, entries, after)
                except Conflict:
                    continue
            return await self._sign(after, is_over=session.settled_at is not None)
        raise Conflict(f"the chain of session {session_id} is busy", "proof/busy")

    async def sign_now(self, tenant_id: TenantId, session_id: SessionId) -> ChainHead:
        """Bring the chain up and sign all of it. Raises as `bring_up`."""
        return await self._sign(await self.bring_up(tenant_id, session_id), is_over=True)

    async def _sign(self, head: ChainHead, *, is_over: bool) -> ChainHead:
        unsigned = head.size - head.signed_size
        if unsigned <= 0 or not (is_over or unsigned >= SIGN_EVERY):
            return head
        checkpoint = Checkpoint(
            session_id=head.session_id,
            tenant_id=head.tenant_id,
            size=head.size,
            head=head.head,
            at=self._clock.now(),
        )
        signed = self._seal.sign(CHECKPOINT, write_checkpoint(checkpoint))
        await self._elsewhere.put_checkpoint(head.tenant_id, head.session_id, head.size, signed)
        await self._chain.signed(head.tenant_id, head.session_id, head.size)
        return replace(head, signed_size=head.size)

    async def _new_facts(
        self, session: Session, known: set[tuple[str, str]], receipt: Erasure | None
    ) -> tuple[list[Fact], int]:
        """What is committed and not chained, in order; and the number of the newest alert."""
        if session.started_at is None:
            return [], 0
        tenant_id, session_id = session.tenant_id, session.session_id
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        alerts = await self._alerts.of_session(tenant_id, session_id)
        verdicts = await self._chain.verdicts(tenant_id, session_id)
        found = [facts.begun(session, exam)]
        found += [facts.alert(news) for news in alerts]
        found += [facts.verdict(given) for given in verdicts]
        found += await self._review_facts(session)
        found += await self._evidence_facts(session, known)
        if session.settled_at is not None:
            found.append(facts.coverage(session, len(alerts)))
            found += await self._recording_facts(session, known)
        if receipt is not None and receipt.done_at is not None:
            found.append(facts.erased(receipt))
        new = [fact for fact in found if (fact.kind.value, fact.source_id) not in known]
        return new, max((news.seq for news in alerts), default=0)

    async def _review_facts(self, session: Session) -> list[Fact]:
        whose = (session.tenant_id, session.session_id)
        additions = await self._cases.additions(*whose)
        incidents = await self._incidents.list_incidents(*whose) if additions else []
        return review_facts(await self._cases.decisions(*whose), additions, incidents)

    async def _evidence_facts(self, session: Session, known: set[tuple[str, str]]) -> list[Fact]:
        if self._evidence is None:
            return []
        refs = await self._evidence.of_session(session)
        new = [ref for ref in refs if (FactKind.EVIDENCE.value, ref.evidence_id) not in known]
        made = [await self._evidence_fact(self._evidence, ref) for ref in new]
        return [fact for fact in made if fact is not None]

    async def _is_evidence_awaited(
        self, session: Session, known: set[tuple[str, str]], new: Sequence[Fact]
    ) -> bool:
        """Whether a piece has a row but could not be read now; a chain waits for it so long only."""
        if self._evidence is None or session.ended_at is None:
            return False
        if self._clock.now() - session.ended_at >= RECORDED_WITHIN:
            return False
        chained = {name for kind, name in known if kind == FactKind.EVIDENCE.value}
        chained |= {fact.source_id for fact in new if fact.kind is FactKind.EVIDENCE}
        return any(
            ref.evidence_id not in chained for ref in await self._evidence.of_session(session)
        )

    async def _evidence_fact(self, store: StoredEvidence, ref: EvidenceRef) -> Fact | None:
        try:
            sealed = await store.sealed(ref)
        except (NotFound, StateStoreUnavailable) as error:  # the next step asks again
            _log.warning("evidence not chained", session_id=ref.session_id, code=error.code)
            return None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(sealed).hexdigest())
        return facts.evidence(ref, digest)

    async def _recording_facts(self, session: Session, known: set[tuple[str, str]]) -> list[Fact]:
        key = RecordingKey(
            tenant_id=session.tenant_id, exam_id=session.exam_id, session_id=session.session_id
        )
        try:
            footer = await self._recordings.footer(key)
            if footer is None or (FactKind.RECORDING.value, facts.recording_id(footer)) in known:
                return []
            found = await self._recordings.read(key)
        except (NotFound, StateStoreUnavailable, InvalidInput) as error:
            _log.warning("recording not chained", session_id=session.session_id, code=error.code)
            return []
        return [await asyncio.to_thread(facts.recording, found, footer)]

    def _is_complete(
        self, session: Session, known: set[tuple[str, str]], new: Sequence[Fact]
    ) -> bool:
        """Whether nothing of the session is waited for any more; what comes later comes late."""
        if session.settled_at is None or session.ended_at is None:
            return False
        kinds = {kind for kind, _ in known} | {fact.kind.value for fact in new}
        is_late = self._clock.now() - session.ended_at >= RECORDED_WITHIN
        return FactKind.RECORDING.value in kinds or is_late
