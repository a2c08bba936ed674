"""Rows of the reviewer's desk: an incident's line, and a session's card."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.review_tables import coverage_sums, decisions
from proctor.adapters.sql.tables import candidates, exams, incidents, priorities
from proctor.adapters.sql.tables import sessions as sessions_table
from proctor.domain.casework import DecisionWord, SessionDecision
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.desk import Card, CoverageSum, IncidentCount, IncidentLine
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Category, EvidenceStatus, Severity, Verdict
from proctor.domain.priority import WITHHELD_RANK
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
    known = await _known(connection, tenant_id, names)
    sums = await _sums(connection, tenant_id, names)
    counts = await _counts(connection, tenant_id, names)
    return [
        Card(
            session=session,
            candidate_ref=row.external_ref,
            exam_title=row.title,
            rank=WITHHELD_RANK if row.priority is None else row.priority.rank,
            priority=row.priority,
            coverage=tuple(sums[session.session_id]),
            counts=tuple(counts[session.session_id]),
            decision=None if row.version is None else _newest(tenant_id, row),
        )
        for session in sessions
        for row in (known[session.session_id],)
    ]


async def _known(
    connection: AsyncConnection, tenant_id: TenantId, names: Sequence[SessionId]
) -> dict[SessionId, Any]:
    """Names, priority and newest decision of each session, in one read."""
    s, d = sessions_table.c, decisions.c
    later = decisions.alias("later")
    newest = (
        select(func.max(later.c.version)).where(later.c.session_id == s.session_id)
    ).scalar_subquery()
    found = (
        select(
            s.session_id,
            candidates.c.external_ref,
            exams.c.title,
            priorities.c.payload.label("priority"),
            d.version,
            d.word,
            d.reviewer,
            d.notes,
            d.given_at,
        )
        .join(candidates, candidates.c.candidate_id == s.candidate_id)
        .join(exams, exams.c.exam_id == s.exam_id)
        .outerjoin(
            priorities,
            and_(priorities.c.session_id == s.session_id, priorities.c.tenant_id == s.tenant_id),
        )
        .outerjoin(decisions, and_(d.session_id == s.session_id, d.version == newest))
        .where(s.tenant_id == tenant_id, s.session_id.in_(names))
    )
    return {SessionId(row.session_id): row for row in await connection.execute(found)}


def _newest(tenant_id: TenantId, row: Row[Any]) -> SessionDecision:
    return SessionDecision(
        tenant_id=tenant_id,
        session_id=SessionId(row.session_id),
        version=row.version,
        word=DecisionWord(row.word),
        reviewer=row.reviewer,
        notes=row.notes,
        given_at=row.given_at,
    )


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
