"""`FigureStore` in SQL: sums over indexes that hold all they need."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.evidence_tables import evidence
from proctor.adapters.sql.review_tables import coverage_sums
from proctor.adapters.sql.tables import alerts, exams, incidents, outbox, sessions
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.evidence import PieceState
from proctor.domain.figures import CoverageTotal, Lasting, RuleCount, TenantFigures
from proctor.domain.ids import TenantId
from proctor.domain.incidents import Verdict
from proctor.domain.observations import Producer
from proctor.domain.sessions import SessionState


class SqlFigureStore:
    """Sums over a tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rules(self, tenant_id: TenantId) -> Sequence[RuleCount]:
        """Incidents by policy version, rule and verdict."""
        i = incidents.c
        key = (i.policy_id, i.policy_version, i.rule_id, i.verdict)
        wanted = select(*key, func.count().label("found")).where(i.tenant_id == tenant_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.group_by(*key).order_by(*key))
            return [
                RuleCount(
                    policy_id=row.policy_id,
                    policy_version=row.policy_version,
                    rule_id=row.rule_id,
                    verdict=Verdict(row.verdict),
                    count=row.found,
                )
                for row in rows
            ]

    async def totals(self, tenant_id: TenantId, alerts: int) -> TenantFigures:
        """Everything else; the models of so many of the newest alerts."""
        async with self._database.reading() as connection:
            window, models = await _models(connection, tenant_id, alerts)
            return TenantFigures(
                sessions=await _states(connection, tenant_id),
                alerts=await _alerts(connection, tenant_id),
                coverage=await _coverage(connection, tenant_id),
                lasting=await _lasting(connection, tenant_id),
                models=models.most_common(),
                models_window=window,
                outbox=await _outbox(connection, tenant_id),
                retention=await _retention(connection, tenant_id),
                evidence_bytes=await connection.scalar(evidence_bytes(tenant_id)) or 0,
            )


async def _states(connection: AsyncConnection, tenant_id: TenantId) -> dict[SessionState, int]:
    s = sessions.c
    wanted = select(s.state, func.count()).where(s.tenant_id == tenant_id).group_by(s.state)
    found = {SessionState(state): count for state, count in await connection.execute(wanted)}
    return {state: found.get(state, 0) for state in SessionState}


async def _alerts(connection: AsyncConnection, tenant_id: TenantId) -> int:
    wanted = select(func.count()).where(
        alerts.c.tenant_id == tenant_id, alerts.c.position.is_not(None)
    )
    return await connection.scalar(wanted) or 0


async def _outbox(connection: AsyncConnection, tenant_id: TenantId) -> int:
    wanted = select(func.count()).where(outbox.c.tenant_id == tenant_id)
    return await connection.scalar(wanted) or 0


async def _coverage(connection: AsyncConnection, tenant_id: TenantId) -> list[CoverageTotal]:
    c = coverage_sums.c
    key = (c.modality, c.state, c.reason)
    wanted = select(*key, func.sum(c.closed_ms).label("closed_ms")).where(c.tenant_id == tenant_id)
    return [
        CoverageTotal(
            modality=Modality(row.modality),
            state=CoverageState(row.state),
            reason=CoverageReason(row.reason) if row.reason else None,
            closed_ms=int(row.closed_ms),
        )
        for row in await connection.execute(wanted.group_by(*key).order_by(*key))
    ]


async def _lasting(connection: AsyncConnection, tenant_id: TenantId) -> list[Lasting]:
    c, s = coverage_sums.c, sessions.c
    wanted = (
        select(c.modality, c.state, c.reason, c.open_since_ms, s.started_at)
        .join(sessions, and_(s.session_id == c.session_id, s.tenant_id == c.tenant_id))
        .where(
            c.tenant_id == tenant_id,
            c.open_since_ms.is_not(None),
            s.state == SessionState.LIVE.value,
            s.started_at.is_not(None),
        )
    )
    return [
        Lasting(
            modality=Modality(row.modality),
            state=CoverageState(row.state),
            reason=CoverageReason(row.reason) if row.reason else None,
            since_ms=row.open_since_ms,
            started_at=row.started_at,
        )
        for row in await connection.execute(wanted)
    ]


async def _models(
    connection: AsyncConnection, tenant_id: TenantId, most: int
) -> tuple[int, Counter[Producer]]:
    newest = (
        select(alerts.c.payload)
        .where(alerts.c.tenant_id == tenant_id, alerts.c.position.is_not(None))
        .order_by(alerts.c.position.desc())
        .limit(most)
    )
    looked_at = list(await connection.scalars(newest))
    return len(looked_at), Counter(one for alert in looked_at for one in alert.producers)


def evidence_bytes(tenant_id: TenantId) -> Select[tuple[int]]:
    """Sum of the sizes of what lies in the store; NULL for nothing."""
    e = evidence.c
    return select(func.sum(e.size)).where(
        e.tenant_id == tenant_id, e.state == PieceState.STORED.value
    )


async def _retention(connection: AsyncConnection, tenant_id: TenantId) -> list[tuple[int, int]]:
    e = exams.c
    wanted = (
        select(e.retention_days, func.count())
        .where(e.tenant_id == tenant_id)
        .group_by(e.retention_days)
        .order_by(e.retention_days)
    )
    return [(days, count) for days, count in await connection.execute(wanted)]
