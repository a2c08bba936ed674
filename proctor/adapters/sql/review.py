"""`AllowanceStore`, `VerdictStore` and `PriorityStore` in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.erasures import hold_session
from proctor.adapters.sql.sessions import read_session
from proctor.adapters.sql.tables import (
    accommodations,
    breaks,
    candidates,
    incidents,
    priorities,
    sessions,
    verdicts,
)
from proctor.domain.allowances import (
    NOTHING_ALLOWED,
    Accommodated,
    Allowances,
    Break,
    BreakBy,
    SessionBreak,
)
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Verdict
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import WITHHELD_RANK, Priority
from proctor.domain.sessions import Session

EVERY_EXAM = ""


class SqlAllowanceStore:
    """Accommodations and breaks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_accommodations(self, given: Accommodated, actor: str, at: datetime) -> None:
        """Store in place of what was there, with an audit row. Raises `NotFound`."""
        new = self._database.insert(accommodations)
        put = new.on_conflict_do_update(
            index_elements=[accommodations.c.candidate_id, accommodations.c.exam_id],
            set_={
                "accommodations": new.excluded.accommodations,
                "changed_at": new.excluded.changed_at,
            },
            where=accommodations.c.tenant_id == new.excluded.tenant_id,
        )
        whose = select(candidates.c.candidate_id).where(
            candidates.c.tenant_id == given.tenant_id,
            candidates.c.candidate_id == given.candidate_id,
        )
        async with self._database.writing() as connection:
            if await connection.scalar(whose) is None:
                raise NotFound(f"no candidate {given.candidate_id}")
            row = {
                "tenant_id": given.tenant_id,
                "candidate_id": given.candidate_id,
                "exam_id": given.exam_id or EVERY_EXAM,
                "accommodations": given.accommodations,
                "changed_at": at,
            }
            await connection.execute(put, [row])
            await write_audit(
                connection,
                given.tenant_id,
                at=at,
                actor=actor,
                action="accommodations.set",
                subject=given.candidate_id,
            )

    async def list_accommodations(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[Accommodated]:
        """What holds in every exam first, then by exam."""
        wanted = select(accommodations).where(
            accommodations.c.tenant_id == tenant_id, accommodations.c.candidate_id == candidate_id
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(accommodations.c.exam_id))
            return [
                Accommodated(
                    tenant_id=row.tenant_id,
                    candidate_id=row.candidate_id,
                    exam_id=row.exam_id or None,
                    accommodations=row.accommodations,
                )
                for row in rows
            ]

    async def put_break(self, given: SessionBreak, actor: str, at: datetime) -> None:
        """Store a break, or its new end, with an audit row.

        Raises `NotFound` when the session is not the tenant's.
        """
        new = self._database.insert(breaks)
        put = new.on_conflict_do_update(
            index_elements=[breaks.c.break_id],
            set_={"end_ms": new.excluded.end_ms},
            where=and_(
                breaks.c.tenant_id == new.excluded.tenant_id,
                breaks.c.session_id == new.excluded.session_id,
            ),
        )
        async with self._database.writing() as connection:
            await _exam_and_candidate(connection, given.tenant_id, given.session_id)
            row = {
                "break_id": given.given.break_id,
                "tenant_id": given.tenant_id,
                "session_id": given.session_id,
                "start_ms": given.given.start_ms,
                "end_ms": given.given.end_ms,
                "given_by": given.given.by.value,
            }
            await connection.execute(put, [row])
            await write_audit(
                connection,
                given.tenant_id,
                at=at,
                actor=actor,
                action="break.set",
                subject=given.session_id,
                reason=str(given.given),
            )

    async def list_breaks(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Break]:
        """By their beginning."""
        async with self._database.reading() as connection:
            return await read_breaks(connection, tenant_id, session_id)


async def read_allowances(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> Allowances:
    """What is allowed in a session: what was said for its exam, else for every exam; its breaks."""
    exam_id, candidate_id = await _exam_and_candidate(connection, tenant_id, session_id)
    said = (
        select(accommodations.c.accommodations)
        .where(
            accommodations.c.tenant_id == tenant_id,
            accommodations.c.candidate_id == candidate_id,
            accommodations.c.exam_id.in_([exam_id, EVERY_EXAM]),
        )
        .order_by(accommodations.c.exam_id.desc())  # the exam's own before the empty name
        .limit(1)
    )
    found = (await connection.execute(said)).scalar_one_or_none()
    return Allowances(
        accommodations=NOTHING_ALLOWED.accommodations if found is None else found,
        breaks=tuple(await read_breaks(connection, tenant_id, session_id)),
    )


async def _exam_and_candidate(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> tuple[str, str]:
    wanted = select(sessions.c.exam_id, sessions.c.candidate_id).where(
        sessions.c.tenant_id == tenant_id, sessions.c.session_id == session_id
    )
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound(f"no session {session_id}")
    return row.exam_id, row.candidate_id


async def read_breaks(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> list[Break]:
    """By their beginning."""
    wanted = select(breaks).where(
        breaks.c.tenant_id == tenant_id, breaks.c.session_id == session_id
    )
    rows = await connection.execute(wanted.order_by(breaks.c.start_ms, breaks.c.break_id))
    return [
        Break(
            break_id=row.break_id,
            start_ms=row.start_ms,
            end_ms=row.end_ms,
            by=BreakBy(row.given_by),
        )
        for row in rows
    ]


class SqlVerdictStore:
    """What reviewers say of incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, given: VerdictGiven) -> None:
        """Store it, set the incident's verdict, add an audit row: all or nothing.

        Raises `NotFound`, for an incident whose candidate is erased too.
        """
        judged = (
            update(incidents)
            .where(
                incidents.c.tenant_id == given.tenant_id,
                incidents.c.incident_id == given.incident_id,
            )
            .values(verdict=given.verdict.value)
            .returning(incidents.c.incident_id)
        )
        async with self._database.writing() as connection:
            await hold_session(connection, given.tenant_id, given.session_id)
            if (await connection.execute(judged)).one_or_none() is None:
                raise NotFound(f"no incident {given.incident_id}")
            await connection.execute(
                insert(verdicts).values(
                    verdict_id=given.verdict_id,
                    tenant_id=given.tenant_id,
                    session_id=given.session_id,
                    incident_id=given.incident_id,
                    verdict=given.verdict.value,
                    reviewer=given.reviewer,
                    reason=given.reason,
                    given_at=given.given_at,
                    told_at=given.told_at,
                )
            )
            await write_audit(
                connection,
                given.tenant_id,
                at=given.given_at,
                actor=given.reviewer,
                action=f"incident.{given.verdict.value}",
                subject=given.incident_id,
                reason=given.verdict_id,  # its words can be erased, the log of audits cannot
            )

    async def list(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[VerdictGiven]:
        """Oldest first."""
        wanted = select(verdicts).where(
            verdicts.c.tenant_id == tenant_id, verdicts.c.incident_id == incident_id
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(
                wanted.order_by(verdicts.c.given_at, verdicts.c.verdict_id)
            )
            return [read_verdict(row) for row in rows]

    async def told(self, tenant_id: TenantId, verdict_id: str, at: datetime) -> None:
        """The alert about it is safe; twice is once."""
        told = update(verdicts).where(
            verdicts.c.tenant_id == tenant_id,
            verdicts.c.verdict_id == verdict_id,
            verdicts.c.told_at.is_(None),
        )
        async with self._database.writing() as connection:
            await connection.execute(told.values(told_at=at))

    async def owed(
        self, given_before: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[VerdictGiven]:
        """Of every tenant: those whose alert is owed, oldest first, after a cursor."""
        given_at, verdict_id = verdicts.c.given_at, verdicts.c.verdict_id
        wanted = select(verdicts).where(verdicts.c.told_at.is_(None), given_at < given_before)
        if after is not None:
            at, name = after
            wanted = wanted.where(or_(given_at > at, and_(given_at == at, verdict_id > name)))
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(given_at, verdict_id).limit(limit))
            return [read_verdict(row) for row in rows]


def read_verdict(row: Row[Any]) -> VerdictGiven:
    """A verdict of its columns."""
    fields = dict(row._mapping)
    return VerdictGiven(**(fields | {"verdict": Verdict(fields["verdict"])}))


class SqlPriorityStore:
    """Review priorities."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Priority | None:
        """The newest that was written down; None before there was one."""
        wanted = select(priorities.c.payload).where(
            priorities.c.tenant_id == tenant_id, priorities.c.session_id == session_id
        )
        async with self._database.reading() as connection:
            found: Priority | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def ranked(
        self,
        tenant_id: TenantId,
        exam_id: ExamId,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[tuple[Session, Priority | None]]:
        """An exam's sessions without coverage, the highest rank first, those withheld last."""
        rank = func.coalesce(priorities.c.rank, WITHHELD_RANK)
        page = (
            select(sessions, priorities.c.payload)
            .outerjoin(
                priorities,
                and_(
                    priorities.c.session_id == sessions.c.session_id,
                    priorities.c.tenant_id == sessions.c.tenant_id,
                ),
            )
            .where(sessions.c.tenant_id == tenant_id, sessions.c.exam_id == exam_id)
        )
        if after is not None:
            rank_before, session_id = after
            page = page.where(
                or_(
                    rank < rank_before,
                    and_(rank == rank_before, sessions.c.session_id > session_id),
                )
            )
        async with self._database.reading() as connection:
            rows = await connection.execute(
                page.order_by(rank.desc(), sessions.c.session_id).limit(limit)
            )
            return [
                (
                    read_session({key: row._mapping[key] for key in tuple(sessions.c.keys())}),
                    row.payload,
                )
                for row in rows
            ]
