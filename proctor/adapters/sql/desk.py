"""`ReviewDesk` in SQL: pages by key, never by offset, and what belongs to a page by a few more reads.

A page is found first, over narrow indexes; refs, sums and counts are read for its sessions alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.cases import read_additions, read_decisions, read_statements
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.desk_rows import cards_of, line_columns, line_of
from proctor.adapters.sql.review import read_breaks, read_verdict
from proctor.adapters.sql.review_tables import connections, decisions
from proctor.adapters.sql.sessions import read_session
from proctor.adapters.sql.tables import (
    alerts,
    candidates,
    incidents,
    priorities,
    sessions,
    verdicts,
)
from proctor.domain.alerts import Alert, Transition
from proctor.domain.desk import (
    Card,
    Connected,
    IncidentFilter,
    IncidentLine,
    QueueFilter,
    ReviewStatus,
    SessionRecord,
)
from proctor.domain.errors import NotFound
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import Verdict
from proctor.domain.priority import WITHHELD_RANK
from proctor.domain.sessions import Session
from proctor.fusion.grouping import ORDER


class SqlReviewDesk:
    """Lists for reviewers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue(
        self,
        tenant_id: TenantId,
        wanted: QueueFilter,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[Card]:
        """The highest rank first, those withheld last; of one rank the highest id first."""
        async with self._database.reading() as connection:
            found: list[Session] = []
            if after is None or after[0] > WITHHELD_RANK:
                found = await _sessions(connection, ranked(tenant_id, wanted, after, limit))
            if len(found) < limit and wanted.min_rank is None:
                begin = after[1] if after is not None and after[0] <= WITHHELD_RANK else None
                rest = withheld(tenant_id, wanted, begin, limit - len(found))
                found += await _sessions(connection, rest)
            return await cards_of(connection, tenant_id, found)

    async def cards(self, tenant_id: TenantId, sessions: Sequence[Session]) -> Sequence[Card]:
        """These sessions, in their order, with what a list shows of them."""
        async with self._database.reading() as connection:
            return await cards_of(connection, tenant_id, sessions)

    async def incidents(
        self,
        tenant_id: TenantId,
        wanted: IncidentFilter,
        after: tuple[datetime, IncidentId] | None,
        limit: int,
    ) -> Sequence[IncidentLine]:
        """The newest first; of one moment the highest id first."""
        async with self._database.reading() as connection:
            rows = await connection.execute(listed(tenant_id, wanted, after, limit))
            return [line_of(row) for row in rows]

    async def line(self, tenant_id: TenantId, incident_id: IncidentId) -> IncidentLine:
        """One incident as lists have it. Raises `NotFound`."""
        wanted = select(*line_columns()).where(
            incidents.c.tenant_id == tenant_id, incidents.c.incident_id == incident_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no incident {incident_id}")
        return line_of(row)

    async def record(
        self, tenant_id: TenantId, session_id: SessionId, incidents: int, detailed: int
    ) -> SessionRecord:
        """What a session's timeline is made of, the most severe and longest first where it is cut."""
        async with self._database.reading() as connection:
            return await _record(connection, tenant_id, session_id, incidents, detailed)

    async def told(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[Alert]:
        """Every alert about an incident, by seq."""
        wanted = (
            select(alerts.c.payload)
            .where(alerts.c.tenant_id == tenant_id, alerts.c.incident_id == incident_id)
            .order_by(alerts.c.seq)
        )
        async with self._database.reading() as connection:
            return list(await connection.scalars(wanted))

    async def openings(
        self, tenant_id: TenantId, incident_ids: Sequence[IncidentId]
    ) -> Mapping[IncidentId, Alert]:
        """The newest alert of each that opened or escalated it."""
        told = [Transition.OPENED.value, Transition.ESCALATED.value]
        wanted = (
            select(alerts.c.incident_id, alerts.c.payload)
            .where(
                alerts.c.tenant_id == tenant_id,
                alerts.c.incident_id.in_(incident_ids),
                alerts.c.transition.in_(told),
            )
            .order_by(alerts.c.incident_id, alerts.c.seq)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return {IncidentId(row.incident_id): row.payload for row in rows}


async def _sessions(connection: AsyncConnection, page: Select[Any]) -> list[Session]:
    return [read_session(dict(row._mapping)) for row in await connection.execute(page)]


def ranked(
    tenant_id: TenantId, wanted: QueueFilter, after: tuple[int, SessionId] | None, limit: int
) -> Select[Any]:
    """A page of the sessions that have a priority, along its index."""
    p = priorities.c
    lowest = max(0, wanted.min_rank or 0)
    page = (
        select(sessions)
        .select_from(priorities)
        .join(
            sessions,
            and_(sessions.c.session_id == p.session_id, sessions.c.tenant_id == p.tenant_id),
        )
        .where(p.tenant_id == tenant_id, p.rank >= lowest)
    )
    if after is not None:
        page = page.where(tuple_(p.rank, p.session_id) < after)
    return (
        _filtered(page, tenant_id, wanted).order_by(p.rank.desc(), p.session_id.desc()).limit(limit)
    )


def withheld(
    tenant_id: TenantId, wanted: QueueFilter, after: SessionId | None, limit: int
) -> Select[Any]:
    """A page of the sessions whose priority is withheld, or that have none yet; by id."""
    s = sessions.c
    has_one = (
        select(priorities.c.session_id)
        .where(
            priorities.c.session_id == s.session_id,
            priorities.c.tenant_id == s.tenant_id,
            priorities.c.rank > WITHHELD_RANK,
        )
        .exists()
    )
    page = select(sessions).where(s.tenant_id == tenant_id, ~has_one)
    if after is not None:
        page = page.where(s.session_id < after)
    return _filtered(page, tenant_id, wanted).order_by(s.session_id.desc()).limit(limit)


def _filtered(page: Select[Any], tenant_id: TenantId, wanted: QueueFilter) -> Select[Any]:
    s = sessions.c
    if wanted.exam_id is not None:
        page = page.where(s.exam_id == wanted.exam_id)
    if wanted.state is not None:
        page = page.where(s.state == wanted.state.value)
    if wanted.words:
        page = page.where(
            or_(
                s.candidate_id.in_(_referred(tenant_id, wanted.words)),
                s.session_id == wanted.words,
            )
        )
    if wanted.status is not None:
        page = page.where(_stands(wanted.status))
    if wanted.asks_incidents:
        i = incidents.c
        asked = _incident_filters(wanted)
        has_one = select(i.incident_id).where(
            i.tenant_id == s.tenant_id, i.session_id == s.session_id, *asked
        )
        page = page.where(has_one.exists())
    return page


def _referred(tenant_id: TenantId, words: str) -> Select[Any]:
    """Candidates whose reference holds these words, found once for the page."""
    c = candidates.c
    return select(c.candidate_id).where(
        c.tenant_id == tenant_id, c.external_ref.icontains(words, autoescape=True)
    )


def _stands(status: ReviewStatus) -> ColumnElement[bool]:
    """Whether the newest decision of the session leaves it so; none leaves it open."""
    newest = (
        select(decisions.c.word)
        .where(
            decisions.c.session_id == sessions.c.session_id,
            decisions.c.tenant_id == sessions.c.tenant_id,
        )
        .order_by(decisions.c.version.desc())
        .limit(1)
        .correlate(sessions)
        .scalar_subquery()
    )
    return newest.is_(None) if status is ReviewStatus.OPEN else newest == status.value


def _incident_filters(wanted: QueueFilter | IncidentFilter) -> list[ColumnElement[bool]]:
    found = []
    for name in ("severity", "rule_id", "category", "verdict"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(incidents.c[name] == str(value))
    return found


def listed(
    tenant_id: TenantId,
    wanted: IncidentFilter,
    after: tuple[datetime, IncidentId] | None,
    limit: int,
) -> Select[Any]:
    """A page of incidents, the newest first."""
    i = incidents.c
    page = select(*line_columns()).where(i.tenant_id == tenant_id, *_incident_filters(wanted))
    if wanted.exam_id is not None:
        page = page.where(i.exam_id == wanted.exam_id)
    if wanted.session_id is not None:
        page = page.where(i.session_id == wanted.session_id)
    if wanted.opened_from is not None:
        page = page.where(i.opened_at >= wanted.opened_from)
    if after is not None:
        page = page.where(tuple_(i.opened_at, i.incident_id) < after)
    return page.order_by(i.opened_at.desc(), i.incident_id.desc()).limit(limit)


async def _record(
    connection: AsyncConnection,
    tenant_id: TenantId,
    session_id: SessionId,
    most: int,
    detailed: int,
) -> SessionRecord:
    i = incidents.c
    whose = (i.tenant_id == tenant_id, i.session_id == session_id)
    weight = case({name.value: at for at, name in enumerate(ORDER)}, value=i.severity)
    length = func.coalesce(i.closed_ms, 1 << 50) - i.opened_ms
    first = (
        select(*line_columns())
        .where(*whose)
        .order_by(weight.desc(), length.desc(), i.incident_id)
        .limit(most)
    )
    lines = [line_of(row) for row in await connection.execute(first)]
    total = len(lines)
    if total == most:
        total = await connection.scalar(select(func.count()).where(*whose)) or 0
    names = [line.incident_id for line in lines[:detailed]]
    # with the session: by the names alone SQLite, which has no statistics, walks the tenant
    whole = select(i.payload, i.verdict).where(*whose, i.incident_id.in_(names))
    details = [
        replace(payload, verdict=Verdict(verdict))
        for payload, verdict in await connection.execute(whole)
    ]
    said = (
        select(verdicts)
        .where(verdicts.c.tenant_id == tenant_id, verdicts.c.session_id == session_id)
        .order_by(verdicts.c.given_at.desc(), verdicts.c.verdict_id.desc())
        .limit(most)
    )
    c = connections.c
    made = (
        select(c.epoch, c.at)
        .where(c.tenant_id == tenant_id, c.session_id == session_id)
        .order_by(c.epoch.desc())
        .limit(most)
    )
    return SessionRecord(
        incidents=tuple(sorted(lines, key=lambda each: (each.opened_ms, each.incident_id))),
        incidents_total=total,
        detailed=tuple(sorted(details, key=lambda each: (each.opened_ms, each.incident_id))),
        verdicts=tuple(read_verdict(row) for row in await connection.execute(said))[::-1],
        connections=tuple(Connected(*row) for row in await connection.execute(made))[::-1],
        breaks=tuple(await read_breaks(connection, tenant_id, session_id)),
        decisions=tuple(await read_decisions(connection, tenant_id, session_id)),
        statements=tuple(await read_statements(connection, tenant_id, session_id)),
        additions=tuple(await read_additions(connection, tenant_id, session_id)),
    )
