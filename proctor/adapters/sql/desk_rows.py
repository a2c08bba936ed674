"""Rows of the reviewer's desk: an incident's line, and a session's card."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.review_tables import coverage_sums, decisions
from proctor.adapters.sql.tables import candidates, exams, incidents, priorities
from proctor.domain.casework import DecisionWord, SessionDecision
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.desk import Card, CoverageSum, IncidentCount, IncidentLine
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Category, EvidenceStatus, Severity, Verdict
from proctor.domain.priority import WITHHELD_RANK, Priority
from proctor.domain.sessions import Session

_LINE = tuple(IncidentLine.__dataclass_fields__)


def line_columns() -> list[Column[Any]]:
    """The columns that an incident's line is made of."""
    return [incidents.c[name] for name in _LINE]


def line_of(row: Row[Any]) -> IncidentLine:
    """An incident of its columns."""
    fields = dict(row._mapping)
    return IncidentLine(
        **(
            fields
            | {
                "category": Category(fields["category"]),
                "severity": Severity(fields["severity"]),
                "verdict": Verdict(fields["verdict"]),
                "evidence": EvidenceStatus(fields["evidence"]),
            }
        )
    )


def decision_of(row: Row[Any]) -> SessionDecision:
    """A decision of its columns."""
    fields = dict(row._mapping)
    return SessionDecision(**(fields | {"word": DecisionWord(fields["word"])}))


async def cards_of(
    connection: AsyncConnection, tenant_id: TenantId, sessions: Sequence[Session]
) -> list[Card]:
    """Sessions with all that a list shows of them, in their order."""
    if not sessions:
        return []
    names = [session.session_id for session in sessions]
    refs = await _texts(
        connection,
        tenant_id,
        candidates.c.candidate_id,
        candidates.c.external_ref,
        sorted({session.candidate_id for session in sessions}),
    )
    titles = await _texts(
        connection,
        tenant_id,
        exams.c.exam_id,
        exams.c.title,
        sorted({session.exam_id for session in sessions}),
    )
    ranked = await _priorities(connection, tenant_id, names)
    sums = await _sums(connection, tenant_id, names)
    counts = await _counts(connection, tenant_id, names)
    decided = await _decisions(connection, tenant_id, names)
    return [
        Card(
            session=session,
            candidate_ref=refs.get(session.candidate_id, ""),
            exam_title=titles.get(session.exam_id, ""),
            rank=WITHHELD_RANK if priority is None else priority.rank,
            priority=priority,
            coverage=tuple(sums[session.session_id]),
            counts=tuple(counts[session.session_id]),
            decision=decided.get(session.session_id),
        )
        for session in sessions
        for priority in (ranked.get(session.session_id),)
    ]


async def _texts(
    connection: AsyncConnection,
    tenant_id: TenantId,
    key: Column[str],
    text: Column[str],
    wanted: Sequence[str],
) -> dict[str, str]:
    found = select(key, text).where(key.in_(wanted), key.table.c.tenant_id == tenant_id)
    return {row[0]: row[1] for row in await connection.execute(found)}


async def _priorities(
    connection: AsyncConnection, tenant_id: TenantId, names: Sequence[SessionId]
) -> dict[SessionId, Priority]:
    p = priorities.c
    found = select(p.session_id, p.payload).where(p.session_id.in_(names), p.tenant_id == tenant_id)
    return {row.session_id: row.payload for row in await connection.execute(found)}


async def _sums(
    connection: AsyncConnection, tenant_id: TenantId, names: Sequence[SessionId]
) -> dict[SessionId, list[CoverageSum]]:
    c = coverage_sums.c
    found = select(coverage_sums).where(c.session_id.in_(names), c.tenant_id == tenant_id)
    sums: dict[SessionId, list[CoverageSum]] = defaultdict(list)
    for row in await connection.execute(
        found.order_by(c.session_id, c.modality, c.state, c.reason)
    ):
        sums[row.session_id].append(
            CoverageSum(
                modality=Modality(row.modality),
                state=CoverageState(row.state),
                reason=CoverageReason(row.reason) if row.reason else None,
                closed_ms=row.closed_ms,
                open_since_ms=row.open_since_ms,
            )
        )
    return sums


async def _counts(
    connection: AsyncConnection, tenant_id: TenantId, names: Sequence[SessionId]
) -> dict[SessionId, list[IncidentCount]]:
    i = incidents.c
    found = (
        select(i.session_id, i.severity, i.verdict, func.count())
        .where(i.tenant_id == tenant_id, i.session_id.in_(names))
        .group_by(i.session_id, i.severity, i.verdict)
        .order_by(i.session_id, i.severity, i.verdict)
    )
    counts: dict[SessionId, list[IncidentCount]] = defaultdict(list)
    for name, severity, verdict, count in await connection.execute(found):
        counts[name].append(IncidentCount(Severity(severity), Verdict(verdict), count))
    return counts


async def _decisions(
    connection: AsyncConnection, tenant_id: TenantId, names: Sequence[SessionId]
) -> dict[SessionId, SessionDecision]:
    d = decisions.c
    found = select(decisions).where(d.session_id.in_(names), d.tenant_id == tenant_id)
    rows = await connection.execute(found.order_by(d.session_id, d.version))
    return {row.session_id: decision_of(row) for row in rows}  # the highest version comes last
