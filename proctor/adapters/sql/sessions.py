"""`SessionStore` in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.review_tables import connections
from proctor.adapters.sql.tables import coverage, sessions
from proctor.domain.coverage import CoverageInterval, CoverageReason, CoverageState, Modality
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.sessions import Session, SessionState


class SqlSessionStore:
    """Sessions. `next_epoch` and `end` are one UPDATE each, so that two callers never both win."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session) -> None:
        """Store a new session. Raises `NotFound` when exam or candidate are not this tenant's."""
        async with self._database.writing() as connection:
            await connection.execute(
                insert(sessions).values(
                    session_id=session.session_id,
                    tenant_id=session.tenant_id,
                    exam_id=session.exam_id,
                    candidate_id=session.candidate_id,
                    state=session.state.value,
                    epoch=session.epoch,
                    created_at=session.created_at,
                    started_at=session.started_at,
                    ended_at=session.ended_at,
                    settled_at=session.settled_at,
                )
            )

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        """With its coverage. Raises `NotFound`, for another tenant's session too."""
        async with self._database.reading() as connection:
            return await _get(connection, tenant_id, session_id)

    async def list(
        self,
        tenant_id: TenantId,
        exam_id: ExamId | None,
        state: SessionState | None,
        after: SessionId | None,
        limit: int,
        candidate_id: CandidateId | None = None,
    ) -> Sequence[Session]:
        """By id, after a cursor, without coverage; of this exam, state and candidate, if given."""
        page = select(sessions).where(sessions.c.tenant_id == tenant_id)
        if exam_id is not None:
            page = page.where(sessions.c.exam_id == exam_id)
        if state is not None:
            page = page.where(sessions.c.state == state.value)
        if candidate_id is not None:
            page = page.where(sessions.c.candidate_id == candidate_id)
        if after is not None:
            page = page.where(sessions.c.session_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(sessions.c.session_id).limit(limit))
            return [_session(row) for row in rows]

    async def next_epoch(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Count a new connection; the first makes the session live with `started_at` = `at`.

        Raises `Conflict` when the session has ended, `NotFound`.
        """
        counted = (
            update(sessions)
            .where(*_open(tenant_id, session_id))
            .values(
                state=SessionState.LIVE.value,
                epoch=sessions.c.epoch + 1,
                started_at=func.coalesce(sessions.c.started_at, at),
            )
            .returning(sessions.c.epoch)
        )
        async with self._database.writing() as connection:
            found = (await connection.execute(counted)).one_or_none()
            session = await _get(connection, tenant_id, session_id)
            if found is not None:
                row = {"session_id": session_id, "epoch": session.epoch, "tenant_id": tenant_id}
                await connection.execute(insert(connections).values(**row, at=at))
        if found is None:
            raise Conflict(f"session {session_id} has ended")
        return session

    async def forget_start(self, tenant_id: TenantId, session_id: SessionId, epoch: int) -> None:
        """Back to `created`, when the session is live and this is still its epoch. Raises `NotFound`."""
        begun = (sessions.c.state == SessionState.LIVE.value, sessions.c.epoch == epoch)
        undone = (
            update(sessions)
            .where(*_open(tenant_id, session_id), *begun)
            .values(state=SessionState.CREATED.value, started_at=None)
        )
        async with self._database.writing() as connection:
            if (await connection.execute(undone)).rowcount:
                made = connections.c.session_id == session_id
                await connection.execute(
                    delete(connections).where(made, connections.c.epoch == epoch)
                )
            await _get(connection, tenant_id, session_id)

    async def end(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        """Mark as ended; a second end changes nothing and returns the same."""
        ended = (
            update(sessions)
            .where(*_open(tenant_id, session_id))
            .values(state=SessionState.ENDED.value, ended_at=at)
        )
        async with self._database.writing() as connection:
            await connection.execute(ended)
            return await _get(connection, tenant_id, session_id)

    async def settle(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> None:
        """Nothing of an ended session is owed any more; twice is once. Raises `NotFound`."""
        settled = (
            update(sessions)
            .where(
                sessions.c.tenant_id == tenant_id,
                sessions.c.session_id == session_id,
                sessions.c.state == SessionState.ENDED.value,
                sessions.c.settled_at.is_(None),
            )
            .values(settled_at=at)
        )
        async with self._database.writing() as connection:
            await connection.execute(settled)
            await _get(connection, tenant_id, session_id)

    async def unsettled(
        self, ended_before: datetime, after: SessionId | None, limit: int
    ) -> Sequence[Session]:
        """Of every tenant: begun, ended before then and not settled; by id, without coverage."""
        owed = select(sessions).where(
            sessions.c.settled_at.is_(None),
            sessions.c.state == SessionState.ENDED.value,
            sessions.c.started_at.is_not(None),
            sessions.c.ended_at < ended_before,
        )
        if after is not None:
            owed = owed.where(sessions.c.session_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(owed.order_by(sessions.c.session_id).limit(limit))
            return [_session(row) for row in rows]


def _open(tenant_id: TenantId, session_id: SessionId) -> tuple[ColumnElement[bool], ...]:
    return (
        sessions.c.tenant_id == tenant_id,
        sessions.c.session_id == session_id,
        sessions.c.state != SessionState.ENDED.value,
    )


async def _get(connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId) -> Session:
    wanted = select(sessions).where(
        sessions.c.tenant_id == tenant_id, sessions.c.session_id == session_id
    )
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound(f"no session {session_id}")
    seen = select(coverage).where(coverage.c.session_id == session_id)
    intervals = await connection.execute(seen.order_by(coverage.c.ordinal))
    return _session(row, tuple(_interval(interval) for interval in intervals))


def _session(row: Row[tuple[object, ...]], seen: tuple[CoverageInterval, ...] = ()) -> Session:
    return read_session(dict(row._mapping), seen)


def read_session(fields: dict[str, Any], seen: tuple[CoverageInterval, ...] = ()) -> Session:
    """A session of its columns."""
    return Session(**(fields | {"state": SessionState(fields["state"]), "coverage": seen}))


def _interval(row: Row[tuple[object, ...]]) -> CoverageInterval:
    fields = row._mapping
    reason = fields["reason"]
    return CoverageInterval(
        modality=Modality(fields["modality"]),
        state=CoverageState(fields["state"]),
        reason=None if reason is None else CoverageReason(reason),
        start_ms=fields["start_ms"],
        end_ms=fields["end_ms"],
    )
