"""Evidence in memory: its rows over a fake database, its objects in a dict, the audit log in a list."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from proctor.domain.errors import NotFound
from proctor.domain.evidence import (
    EvidenceOrder,
    EvidenceRef,
    IncidentEvidence,
    KeptPiece,
    KeptSession,
    Loss,
    PieceKind,
    PieceState,
    Taken,
)
from proctor.domain.ids import CandidateId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import EvidenceStatus, Incident
from tests.fakes.database import EvidenceRow, FakeDatabase, FakeRelational
from tests.fakes.outage import Outage


def expect_evidence(database: FakeDatabase, incident: Incident) -> None:
    """What a shard's commit does for an incident whose evidence is pending."""
    if incident.evidence.status is EvidenceStatus.PENDING:
        _expected(database, incident.tenant_id, incident.session_id, incident.incident_id, True)


def _expected(
    database: FakeDatabase,
    tenant_id: TenantId,
    session_id: SessionId,
    incident_id: IncidentId,
    is_told: bool = False,
) -> EvidenceRow:
    state = IncidentEvidence(
        tenant_id=tenant_id,
        session_id=session_id,
        incident_id=incident_id,
        status=EvidenceStatus.PENDING,
    )
    return database.incident_evidence.setdefault(incident_id, EvidenceRow(state, is_told))


class FakeEvidenceLedger(FakeRelational):
    """`EvidenceLedger` in memory."""

    async def take(self, refs: Sequence[EvidenceRef], at: datetime) -> Taken:
        self._reach()
        erased = frozenset(ref.evidence_id for ref in refs if self._is_erased(ref))
        refs = [ref for ref in refs if ref.evidence_id not in erased]
        for ref in refs:
            _expected(self.database, ref.tenant_id, ref.session_id, ref.incident_id)
            self._put(ref, PieceState.WAITING, None, at)
        known = (self.database.evidence[ref.evidence_id][0] for ref in refs)
        stored = frozenset(
            piece.ref.evidence_id for piece in known if piece.state is PieceState.STORED
        )
        return Taken(stored=stored, erased=erased)

    async def stored(self, ref: EvidenceRef, at: datetime) -> bool:
        self._reach()
        known = self.database.evidence.get(ref.evidence_id)
        if known is None or known[0].ref.tenant_id != ref.tenant_id:
            return False
        stored = replace(known[0].ref, stored_at=at)
        piece = KeptPiece(ref=stored, state=PieceState.STORED)
        self.database.evidence[ref.evidence_id] = (piece, known[1])
        self._settle(ref.tenant_id, ref.session_id, ref.incident_id)
        return True

    async def lost(self, ref: EvidenceRef, loss: Loss, at: datetime) -> None:
        self._reach()
        about = (ref.tenant_id, ref.session_id, ref.incident_id)
        if not self._is_erased(ref):
            _expected(self.database, *about)
            self._put(ref, PieceState.LOST, loss, at)
            self._settle(*about)
        elif ref.incident_id in self.database.incident_evidence:
            self._settle(*about, loss)
        self._audit(ref.tenant_id, ref.evidence_id, loss)

    async def nothing(self, order: EvidenceOrder, loss: Loss, at: datetime) -> None:
        self._reach()
        is_known = order.incident_id in self.database.incident_evidence
        if is_known or not self._is_erased(order):
            self._settle(order.tenant_id, order.session_id, order.incident_id, loss)
        self._audit(order.tenant_id, order.incident_id, loss)

    async def incident(
        self, tenant_id: TenantId, incident_id: IncidentId
    ) -> tuple[IncidentEvidence | None, Sequence[KeptPiece]]:
        self._reach()
        row = self.database.incident_evidence.get(incident_id)
        if row is None or row.state.tenant_id != tenant_id:
            return None, []
        return row.state, self._pieces(tenant_id, incident_id)

    async def find(self, tenant_id: TenantId, evidence_id: str) -> KeptPiece:
        self._reach()
        piece, _ = self.database.evidence.get(evidence_id, (None, None))
        if piece is None or piece.ref.tenant_id != tenant_id:
            raise NotFound(f"no evidence {evidence_id}")
        return piece

    async def untold(self, after: IncidentId | None, limit: int) -> Sequence[IncidentEvidence]:
        self._reach()
        found = [row.state for row in self.database.incident_evidence.values() if not row.is_told]
        found.sort(key=lambda state: state.incident_id)
        return [state for state in found if after is None or state.incident_id > after][:limit]

    async def told(
        self, tenant_id: TenantId, incident_id: IncidentId, status: EvidenceStatus
    ) -> None:
        self._reach()
        row = self.database.incident_evidence.get(incident_id)
        if row is not None and (row.state.tenant_id, row.state.status) == (tenant_id, status):
            row.is_told = True

    async def give_up(self, at: datetime, ordered_before: datetime, taken_before: datetime) -> int:
        self._reach()
        count = 0
        for row in self.database.incident_evidence.values():
            state = row.state
            if state.status is not EvidenceStatus.PENDING:
                continue
            row.seen_at = row.seen_at or at
            pieces = self._pieces(state.tenant_id, state.incident_id)
            if row.seen_at < ordered_before and not pieces:
                about = (state.tenant_id, state.session_id, state.incident_id)
                self._settle(*about, Loss.NEVER_DELIVERED)
                self._audit(state.tenant_id, state.incident_id, Loss.NEVER_DELIVERED)
                count += 1
        for piece, taken_at in list(self.database.evidence.values()):
            if piece.state is PieceState.WAITING and taken_at < taken_before:
                await self.lost(piece.ref, Loss.SPOOL_GONE, at)
                count += 1
        return count

    def _is_erased(self, what: EvidenceRef | EvidenceOrder) -> bool:
        return (what.tenant_id, what.candidate_id) in self.database.erasures

    def _pieces(self, tenant_id: TenantId, incident_id: IncidentId) -> list[KeptPiece]:
        found = [
            piece
            for piece, _ in self.database.evidence.values()
            if (piece.ref.tenant_id, piece.ref.incident_id) == (tenant_id, incident_id)
        ]
        return sorted(found, key=lambda piece: (piece.ref.start_ms, piece.ref.evidence_id))

    def _put(self, ref: EvidenceRef, state: PieceState, loss: Loss | None, at: datetime) -> None:
        known = self.database.evidence.get(ref.evidence_id)
        if known is None or known[0].state is not PieceState.STORED:
            self.database.evidence[ref.evidence_id] = (
                KeptPiece(ref=ref, state=state, loss=loss),
                at,
            )

    def _settle(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        incident_id: IncidentId,
        without: Loss | None = None,
    ) -> None:
        row = _expected(self.database, tenant_id, session_id, incident_id)
        pieces = self._pieces(tenant_id, incident_id)
        states = {piece.state for piece in pieces}
        if PieceState.WAITING in states or not (pieces or without):
            return
        status, loss = EvidenceStatus.STORED, None
        if PieceState.STORED not in states:
            status = EvidenceStatus.LOST
            pieces.sort(key=lambda piece: piece.ref.kind is not PieceKind.JUDGED)
            loss = pieces[0].loss if pieces else without
        row.is_told = row.is_told and row.state.status is status
        row.state = replace(row.state, status=status, loss=loss)

    def _audit(self, tenant_id: TenantId, subject: str, loss: Loss) -> None:
        row = (tenant_id, "evidence keeper", "evidence.lost", subject, loss.value)
        self.database.audit.append(row)


class FakeEvidenceEnds(FakeRelational):
    """`EvidenceEnds` in memory."""

    async def due(self, at: datetime, limit: int) -> Sequence[KeptSession]:
        self._reach()
        found = {}
        for row in self.database.incident_evidence.values():
            session = self.database.sessions.get(row.state.session_id)
            if session is None or session.ended_at is None:
                continue
            kept = timedelta(days=self.database.exams[session.exam_id].retention_days)
            if session.ended_at + kept <= at:
                found[session.session_id] = KeptSession(
                    tenant_id=session.tenant_id,
                    exam_id=session.exam_id,
                    session_id=session.session_id,
                )
        return [found[name] for name in sorted(found)][:limit]

    async def erase_session(self, session: KeptSession, at: datetime) -> None:
        self._reach()
        whose = (session.tenant_id, session.session_id)
        self._forget(lambda ref: (ref.tenant_id, ref.session_id) == whose)
        for name, row in list(self.database.incident_evidence.items()):
            if (row.state.tenant_id, row.state.session_id) == whose:
                del self.database.incident_evidence[name]
        reason = "the exam's retention is over"
        self.database.audit.append(
            (session.tenant_id, "retention", "evidence.erased", session.session_id, reason)
        )

    async def of_candidate(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[EvidenceRef]:
        self._reach()
        found = [
            piece.ref
            for piece, _ in self.database.evidence.values()
            if (piece.ref.tenant_id, piece.ref.candidate_id) == (tenant_id, candidate_id)
        ]
        return sorted(found, key=lambda ref: ref.evidence_id)

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        theirs = {ref.incident_id for ref in await self.of_candidate(tenant_id, candidate_id)}
        for incident in self.database.incidents.values():
            if (incident.tenant_id, incident.candidate_id) == (tenant_id, candidate_id):
                theirs.add(incident.incident_id)
        for name in theirs:
            row = self.database.incident_evidence.get(name)
            if row is not None and row.state.tenant_id == tenant_id:
                del self.database.incident_evidence[name]
        self._forget(lambda ref: (ref.tenant_id, ref.candidate_id) == (tenant_id, candidate_id))

    async def retention(self, tenant_id: TenantId) -> Mapping[int, int]:
        self._reach()
        exams = self.database.exams.values()
        days = Counter(exam.retention_days for exam in exams if exam.tenant_id == tenant_id)
        return dict(sorted(days.items()))

    def _forget(self, is_meant: Callable[[EvidenceRef], bool]) -> None:
        for name, (piece, _) in list(self.database.evidence.items()):
            if is_meant(piece.ref):
                del self.database.evidence[name]


class FakeEvidenceObjects(Outage):
    """`EvidenceObjects` in memory. While `alters`, what is put is kept with a flipped bit."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.alters = False
        self.puts = 0

    async def put(self, object_key: str, sealed: bytes) -> None:
        self._reach()
        self.puts += 1
        kept = bytes([sealed[0] ^ 1]) + sealed[1:] if self.alters else sealed
        self.objects[object_key] = kept

    async def get(self, object_key: str) -> bytes:
        self._reach()
        if object_key not in self.objects:
            raise NotFound("the evidence is not in its store")
        return self.objects[object_key]

    async def erase(self, object_keys: Sequence[str]) -> None:
        self._reach()
        for key in object_keys:
            self.objects.pop(key, None)

    async def erase_session(self, session: KeptSession) -> None:
        self._reach()
        await self.erase([key for key in self.objects if key.startswith(session.folder + "/")])


class FakeAuditLog(FakeRelational):
    """`AuditLog` over the list that all fakes write to."""

    async def note(
        self,
        tenant_id: TenantId,
        *,
        at: datetime,
        actor: str,
        action: str,
        subject: str,
        reason: str | None = None,
    ) -> None:
        self._reach()
        self.database.audit.append((tenant_id, actor, action, subject, reason))
