"""`CaseStore` in SQL: what people add, with an audit row in the same transaction.

The session's candidate is held first, so that no words slip past an erasure. Then comes the audit row:
it locks the tenant's own row, so that no two of them count at once.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.desk_rows import decision_of
from proctor.adapters.sql.erasures import hold_session
from proctor.adapters.sql.incidents import began_at, incident_row
from proctor.adapters.sql.review_tables import additions, decisions, statements
from proctor.adapters.sql.tables import incidents
from proctor.domain.casework import Added, SessionDecision, Statement, StatementBy
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Incident


class SqlCaseStore:
    """Decisions, statements, added incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(self, decision: SessionDecision) -> None:
        """Store the next version. Raises `Conflict`, `NotFound`."""
        tenant_id, session_id = decision.tenant_id, decision.session_id
        newest = select(func.max(decisions.c.version)).where(
            decisions.c.tenant_id == tenant_id, decisions.c.session_id == session_id
        )
        async with self._database.writing() as connection:
            await hold_session(connection, tenant_id, session_id)
            await write_audit(
                connection,
                tenant_id,
                at=decision.given_at,
                actor=decision.reviewer,
                action="session.decided",
                subject=session_id,
                reason=decision.word.value,
            )
            if decision.version != ((await connection.scalar(newest)) or 0) + 1:
                raise Conflict(f"session {session_id} was decided meanwhile")
            row = asdict(decision) | {"word": decision.word.value}
            await connection.execute(insert(decisions).values(row))

    async def decisions(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[SessionDecision]:
        """Oldest first."""
        async with self._database.reading() as connection:
            return await read_decisions(connection, tenant_id, session_id)

    async def add_statement(self, statement: Statement, most: int) -> None:
        """Store it. Its words stand in no audit row. Raises `Conflict`, `NotFound`."""
        tenant_id, session_id = statement.tenant_id, statement.session_id
        async with self._database.writing() as connection:
            await hold_session(connection, tenant_id, session_id)
            await write_audit(
                connection,
                tenant_id,
                at=statement.made_at,
                actor=statement.author,
                action="statement.added",
                subject=statement.incident_id or session_id,
            )
            if statement.incident_id is not None:
                about = select(incidents.c.incident_id).where(
                    incidents.c.tenant_id == tenant_id,
                    incidents.c.session_id == session_id,
                    incidents.c.incident_id == statement.incident_id,
                )
                if await connection.scalar(about) is None:
                    raise NotFound(f"no incident {statement.incident_id}")
            count = select(func.count()).where(
                statements.c.tenant_id == tenant_id, statements.c.session_id == session_id
            )
            if (await connection.scalar(count) or 0) >= most:
                raise Conflict(f"session {session_id} has {most} statements")
            row = asdict(statement) | {"by": statement.by.value}
            await connection.execute(insert(statements).values(row))

    async def statements(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Statement]:
        """Oldest first."""
        async with self._database.reading() as connection:
            return await read_statements(connection, tenant_id, session_id)

    async def add_incident(self, incident: Incident, added: Added, most: int) -> None:
        """Store an incident that a person saw, and who says so. Raises `Conflict`, `NotFound`."""
        tenant_id, session_id = added.tenant_id, added.session_id
        count = select(func.count()).where(
            additions.c.tenant_id == tenant_id, additions.c.session_id == session_id
        )
        async with self._database.writing() as connection:
            await hold_session(connection, tenant_id, session_id)
            await write_audit(
                connection,
                tenant_id,
                at=added.added_at,
                actor=added.reviewer,
                action="incident.added",
                subject=added.incident_id,
                reason=f"session {session_id}",
            )
            if (await connection.scalar(count) or 0) >= most:
                raise Conflict(f"session {session_id} has {most} added incidents")
            began = (await began_at(connection, {session_id}))[session_id]
            await connection.execute(insert(incidents), [incident_row(incident, began)])
            await connection.execute(insert(additions).values(asdict(added)))

    async def additions(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Added]:
        """Who added which incident, oldest first."""
        async with self._database.reading() as connection:
            return await read_additions(connection, tenant_id, session_id)


async def read_decisions(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> list[SessionDecision]:
    """Oldest first."""
    wanted = select(decisions).where(
        decisions.c.tenant_id == tenant_id, decisions.c.session_id == session_id
    )
    rows = await connection.execute(wanted.order_by(decisions.c.version))
    return [decision_of(row) for row in rows]


async def read_statements(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> list[Statement]:
    """Oldest first."""
    wanted = select(statements).where(
        statements.c.tenant_id == tenant_id, statements.c.session_id == session_id
    )
    order = (statements.c.made_at, statements.c.statement_id)
    return [_statement(row) for row in await connection.execute(wanted.order_by(*order))]


async def read_additions(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> list[Added]:
    """Oldest first."""
    wanted = select(additions).where(
        additions.c.tenant_id == tenant_id, additions.c.session_id == session_id
    )
    rows = await connection.execute(wanted.order_by(additions.c.added_at, additions.c.incident_id))
    return [Added(**row._mapping) for row in rows]


def _statement(row: Row[Any]) -> Statement:
    fields = dict(row._mapping)
    return Statement(**(fields | {"by": StatementBy(fields["by"])}))
