"""`EvidenceLedger` in SQL.

Whatever changes a piece locks its incident's row first: of two pieces that are settled at the same time
the second sees the first, and the incident's state is never left behind. Before that it holds the
candidate: no row is made of one who is erased.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.erasures import hold_candidate
from proctor.adapters.sql.evidence_tables import evidence, incident_evidence
from proctor.domain.errors import NotFound
from proctor.domain.evidence import (
    EvidenceOrder,
    EvidenceRef,
    IncidentEvidence,
    KeptPiece,
    Loss,
    PieceKind,
    PieceState,
    Taken,
)
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import EvidenceStatus

KEEPER = "evidence keeper"
"""Who is named in the audit rows of losses."""
_WAITING, _STORED, _LOST = (each.value for each in PieceState)
REF_COLUMNS = [evidence.c[name] for name in EvidenceRef.__dataclass_fields__]


class SqlEvidenceLedger:
    """The rows of evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, refs: Sequence[EvidenceRef], at: datetime) -> Taken:
        """Rows of pieces that wait from now on; which of them do not."""
        async with self._database.writing() as connection:
            whose = sorted({(ref.tenant_id, ref.candidate_id) for ref in refs})
            closed = {each for each in whose if not await hold_candidate(connection, *each)}
            erased = {r.evidence_id for r in refs if (r.tenant_id, r.candidate_id) in closed}
            refs = [ref for ref in refs if ref.evidence_id not in erased]
            for incident in sorted({_incident_of(ref) for ref in refs}):
                await self._lock(connection, *incident)
            for ref in refs:
                await self._put(connection, ref, PieceState.WAITING, None, at)
            wanted = select(evidence.c.evidence_id).where(
                evidence.c.evidence_id.in_([ref.evidence_id for ref in refs]),
                evidence.c.state == _STORED,
            )
            stored = frozenset(await connection.scalars(wanted))
        return Taken(stored=stored, erased=frozenset(erased))

    async def stored(self, ref: EvidenceRef, at: datetime) -> bool:
        """It lies in the store. False when its row is gone: then it must not lie there."""
        lies = update(evidence).where(_is_piece(ref)).returning(evidence.c.evidence_id)
        async with self._database.writing() as connection:
            if not await self._exists(connection, ref):
                return False
            await self._lock(connection, *_incident_of(ref))
            values = {"state": _STORED, "loss": None, "stored_at": at}
            found = (await connection.execute(lies.values(**values))).one_or_none()
            await self._settle(connection, *_incident_of(ref))
            return found is not None

    async def lost(self, ref: EvidenceRef, loss: Loss, at: datetime) -> None:
        """It will not come, with an audit row; one that is stored stays stored."""
        async with self._database.writing() as connection:
            is_open = await hold_candidate(connection, ref.tenant_id, ref.candidate_id)
            if is_open:
                await self._lock(connection, *_incident_of(ref))
                await self._put(connection, ref, PieceState.LOST, loss, at)
            without = None if is_open else loss
            await self._settle(connection, *_incident_of(ref), without=without)
            await _audit_loss(connection, ref.tenant_id, ref.evidence_id, loss, at)

    async def nothing(self, order: EvidenceOrder, loss: Loss, at: datetime) -> None:
        """Nothing of an order will come, with an audit row. Pieces that came of another order count."""
        about = (order.tenant_id, order.session_id, order.incident_id)
        async with self._database.writing() as connection:
            if await hold_candidate(connection, order.tenant_id, order.candidate_id):
                await self._lock(connection, *about)
            await self._settle(connection, *about, without=loss)
            await _audit_loss(connection, order.tenant_id, order.incident_id, loss, at)

    async def incident(
        self, tenant_id: TenantId, incident_id: IncidentId
    ) -> tuple[IncidentEvidence | None, Sequence[KeptPiece]]:
        """Where it stands (None: nothing was ordered), and its pieces by the moment they show."""
        one = select(incident_evidence).where(
            incident_evidence.c.tenant_id == tenant_id,
            incident_evidence.c.incident_id == incident_id,
        )
        pieces = (
            select(evidence)
            .where(evidence.c.tenant_id == tenant_id, evidence.c.incident_id == incident_id)
            .order_by(evidence.c.start_ms, evidence.c.evidence_id)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(one)).one_or_none()
            found = [_piece(each) for each in await connection.execute(pieces)]
        return None if row is None else _incident(row), found

    async def find(self, tenant_id: TenantId, evidence_id: str) -> KeptPiece:
        """One piece. Raises `NotFound`, for another tenant's too."""
        wanted = select(evidence).where(
            evidence.c.tenant_id == tenant_id, evidence.c.evidence_id == evidence_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no evidence {evidence_id}")
        return _piece(row)

    async def untold(self, after: IncidentId | None, limit: int) -> Sequence[IncidentEvidence]:
        """Of every tenant, by incident: those whose state was not told yet."""
        name = incident_evidence.c.incident_id
        wanted = select(incident_evidence).where(incident_evidence.c.is_told.is_(False))
        if after is not None:
            wanted = wanted.where(name > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(name).limit(limit))
            return [_incident(row) for row in rows]

    async def told(
        self, tenant_id: TenantId, incident_id: IncidentId, status: EvidenceStatus
    ) -> None:
        """This state was told; twice is once."""
        told = update(incident_evidence).where(
            incident_evidence.c.tenant_id == tenant_id,
            incident_evidence.c.incident_id == incident_id,
            incident_evidence.c.status == status.value,
        )
        async with self._database.writing() as connection:
            await connection.execute(told.values(is_told=True))

    async def give_up(self, at: datetime, ordered_before: datetime, taken_before: datetime) -> int:
        """What is overdue is lost, with an audit row; how many incidents and pieces."""
        row = incident_evidence.c
        pending = row.status == EvidenceStatus.PENDING.value
        first = update(incident_evidence).where(pending, row.seen_at.is_(None))
        has_pieces = select(evidence.c.evidence_id).where(
            evidence.c.tenant_id == row.tenant_id, evidence.c.incident_id == row.incident_id
        )
        overdue = select(incident_evidence).where(
            pending, row.seen_at < ordered_before, ~has_pieces.exists()
        )
        old = select(*REF_COLUMNS).where(
            evidence.c.state == _WAITING, evidence.c.taken_at < taken_before
        )
        async with self._database.writing() as connection:
            await connection.execute(first.values(seen_at=at))
        async with self._database.reading() as connection:
            undelivered = [_incident(each) for each in await connection.execute(overdue)]
            gone = [read_ref(each) for each in await connection.execute(old)]
        for one in undelivered:
            about = (one.tenant_id, one.session_id, one.incident_id)
            async with self._database.writing() as connection:
                await self._lock(connection, *about)
                await self._settle(connection, *about, without=Loss.NEVER_DELIVERED)
                await _audit_loss(
                    connection, one.tenant_id, one.incident_id, Loss.NEVER_DELIVERED, at
                )
        for ref in gone:
            await self.lost(ref, Loss.SPOOL_GONE, at)
        return len(undelivered) + len(gone)

    async def _exists(self, connection: AsyncConnection, ref: EvidenceRef) -> bool:
        return await connection.scalar(select(evidence.c.state).where(_is_piece(ref))) is not None

    async def _lock(
        self,
        connection: AsyncConnection,
        tenant_id: TenantId,
        session_id: SessionId,
        incident_id: IncidentId,
    ) -> None:
        """The incident's row, made when there is none, is ours until the transaction ends."""
        new = self._database.insert(incident_evidence).values(
            incident_id=incident_id,
            tenant_id=tenant_id,
            session_id=session_id,
            status=EvidenceStatus.PENDING.value,
            is_told=False,
        )
        await connection.execute(new.on_conflict_do_nothing())
        mine = select(incident_evidence.c.status).where(
            incident_evidence.c.incident_id == incident_id
        )
        await connection.execute(mine.with_for_update())

    async def _put(
        self,
        connection: AsyncConnection,
        ref: EvidenceRef,
        state: PieceState,
        loss: Loss | None,
        at: datetime,
    ) -> None:
        """Its row in this state, unless it is stored already."""
        told = {"state": state.value, "loss": None if loss is None else loss.value}
        row = {**asdict(ref), "kind": ref.kind.value, **told, "taken_at": at, "stored_at": None}
        new = self._database.insert(evidence).values(row)
        put = new.on_conflict_do_update(
            index_elements=[evidence.c.evidence_id],
            set_={**told, "taken_at": at},
            where=(evidence.c.state != _STORED) & (evidence.c.tenant_id == ref.tenant_id),
        )
        await connection.execute(put)

    async def _settle(
        self,
        connection: AsyncConnection,
        tenant_id: TenantId,
        session_id: SessionId,
        incident_id: IncidentId,
        without: Loss | None = None,
    ) -> None:
        """What the incident's pieces say of it; without a piece it is lost as `without` says."""
        wanted = select(evidence.c.state, evidence.c.loss, evidence.c.kind).where(
            evidence.c.tenant_id == tenant_id, evidence.c.incident_id == incident_id
        )
        pieces = list(await connection.execute(wanted))
        states = {piece.state for piece in pieces}
        if _WAITING in states or not (pieces or without):
            return
        status, loss = EvidenceStatus.STORED, None
        if _STORED not in states:
            status = EvidenceStatus.LOST
            losses = sorted(pieces, key=lambda piece: piece.kind != PieceKind.JUDGED)
            loss = losses[0].loss if losses else without and without.value
        mine = update(incident_evidence).where(
            incident_evidence.c.tenant_id == tenant_id,
            incident_evidence.c.incident_id == incident_id,
        )
        moved = mine.where(incident_evidence.c.status != status.value)
        await connection.execute(moved.values(status=status.value, is_told=False))
        await connection.execute(mine.values(loss=loss))  # a truer reason is no news


async def _audit_loss(
    connection: AsyncConnection, tenant_id: TenantId, subject: str, loss: Loss, at: datetime
) -> None:
    await write_audit(
        connection,
        tenant_id,
        at=at,
        actor=KEEPER,
        action="evidence.lost",
        subject=subject,
        reason=loss.value,
    )


def _is_piece(ref: EvidenceRef) -> Any:
    return (evidence.c.evidence_id == ref.evidence_id) & (evidence.c.tenant_id == ref.tenant_id)


def _incident_of(ref: EvidenceRef) -> tuple[TenantId, SessionId, IncidentId]:
    return ref.tenant_id, ref.session_id, ref.incident_id


def read_ref(row: Row[Any]) -> EvidenceRef:
    """The ref of a row that has `REF_COLUMNS`."""
    fields = {name: row._mapping[name] for name in EvidenceRef.__dataclass_fields__}
    return EvidenceRef(**(fields | {"kind": PieceKind(fields["kind"])}))


def _piece(row: Row[Any]) -> KeptPiece:
    loss = None if row.loss is None else Loss(row.loss)
    return KeptPiece(ref=read_ref(row), state=PieceState(row.state), loss=loss)


def _incident(row: Row[Any]) -> IncidentEvidence:
    return IncidentEvidence(
        tenant_id=row.tenant_id,
        session_id=row.session_id,
        incident_id=row.incident_id,
        status=EvidenceStatus(row.status),
        loss=None if row.loss is None else Loss(row.loss),
    )
