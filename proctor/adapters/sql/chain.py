"""`ChainStore` in SQL: entries are only added, and only behind the end that they were linked to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    cast,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.key_tables import chain_entries, chain_openings, chains
from proctor.adapters.sql.review_tables import additions, decisions
from proctor.adapters.sql.sessions import read_session
from proctor.adapters.sql.tables import alerts, sessions, verdicts
from proctor.domain.errors import Conflict
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Verdict
from proctor.domain.notes import VerdictGiven
from proctor.domain.proof import ChainHead, Entry, FactKind
from proctor.domain.sessions import Session, SessionState
from proctor.services.proof.entries import empty_head


class SqlChainStore:
    """Chains of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self, tenant_id: TenantId, session_id: SessionId) -> ChainHead:
        """Where it ends; an empty, open chain when nothing was chained yet."""
        wanted = select(chains).where(
            chains.c.tenant_id == tenant_id, chains.c.session_id == session_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return empty_head(tenant_id, session_id) if row is None else ChainHead(**row._mapping)

    async def append(self, before: ChainHead, entries: Sequence[Entry], after: ChainHead) -> None:
        """Add entries behind `before`, all or none. Raises `Conflict` when it no longer ends there."""
        moved = {
            "size": after.size,
            "head": after.head,
            "alert_seq": after.alert_seq,
            "is_open": after.is_open,
        }
        whose: dict[str, Any] = {"session_id": before.session_id, "tenant_id": before.tenant_id}
        async with self._database.writing() as connection:
            if before.size == 0:
                new = self._database.insert(chains).values(
                    **whose, size=0, head=before.head, alert_seq=0, signed_size=0, is_open=True
                )
                await connection.execute(new.on_conflict_do_nothing())
            move = update(chains).where(
                chains.c.session_id == before.session_id,
                chains.c.tenant_id == before.tenant_id,
                chains.c.size == before.size,
                chains.c.head == before.head,
            )
            if (await connection.execute(move.values(moved))).rowcount != 1:
                raise Conflict("the chain has grown meanwhile", "proof/busy")
            if not entries:
                return
            rows = [
                whose
                | {
                    "number": entry.number,
                    "kind": entry.kind.value,
                    "source_id": entry.source_id,
                    "text": entry.text,
                    "sha256": entry.sha256,
                }
                for entry in entries
            ]
            await connection.execute(insert(chain_entries), rows)
            salts = [
                whose | {"number": entry.number, "salt": entry.salt}
                for entry in entries
                if entry.salt is not None
            ]
            if salts:
                await connection.execute(insert(chain_openings), salts)

    async def entries(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Entry]:
        """All of them in order, each with what opens it, as far as that is not erased."""
        wanted = (
            select(chain_entries, chain_openings.c.salt)
            .outerjoin(
                chain_openings,
                (chain_openings.c.session_id == chain_entries.c.session_id)
                & (chain_openings.c.number == chain_entries.c.number),
            )
            .where(chain_entries.c.tenant_id == tenant_id, chain_entries.c.session_id == session_id)
            .order_by(chain_entries.c.number)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return [Entry(**(dict(row._mapping) | {"kind": FactKind(row.kind)})) for row in rows]

    async def chained(self, tenant_id: TenantId, session_id: SessionId) -> set[tuple[str, str]]:
        """Kind and source of everything that is in the chain."""
        wanted = select(chain_entries.c.kind, chain_entries.c.source_id).where(
            chain_entries.c.tenant_id == tenant_id, chain_entries.c.session_id == session_id
        )
        async with self._database.reading() as connection:
            return {(row.kind, row.source_id) for row in await connection.execute(wanted)}

    async def signed(self, tenant_id: TenantId, session_id: SessionId, size: int) -> None:
        """A checkpoint of the first `size` entries is safe."""
        more = update(chains).where(
            chains.c.tenant_id == tenant_id,
            chains.c.session_id == session_id,
            chains.c.signed_size < size,
        )
        async with self._database.writing() as connection:
            await connection.execute(more.values(signed_size=size))

    async def due(self, limit: int) -> Sequence[Session]:
        """Sessions that began and whose open chain lacks something, of every tenant.

        It looks at sessions that live and at chains that are open, never at all of them.
        """
        live = (
            _joined()
            .where(
                sessions.c.settled_at.is_(None),
                sessions.c.state == SessionState.LIVE.value,
                sessions.c.started_at.is_not(None),
                or_(chains.c.session_id.is_(None), _has_news()),
            )
            .order_by(sessions.c.session_id)
            .limit(limit)
        )
        over = (
            select(sessions)
            .join(chains, chains.c.session_id == sessions.c.session_id)
            .where(
                chains.c.is_open.is_(True),
                or_(sessions.c.settled_at.is_not(None), _has_news()),
                sessions.c.state == SessionState.ENDED.value,
            )
            .order_by(sessions.c.session_id)
            .limit(limit)
        )
        return [*await self._sessions(live), *await self._sessions(over)]

    async def late(self, limit: int) -> Sequence[Session]:
        """Sessions that lack a chain, or whose closed one lacks news or a signature."""
        closed = chains.c.is_open.is_(False)
        page = _joined().where(
            sessions.c.started_at.is_not(None),
            or_(
                chains.c.session_id.is_(None),
                closed & or_(chains.c.signed_size < chains.c.size, _has_news()),
            ),
        )
        return await self._sessions(page.order_by(sessions.c.session_id).limit(limit))

    async def note_export(
        self, tenant_id: TenantId, session_id: SessionId, actor: str, what: str, at: datetime
    ) -> None:
        """An audit row that the session was exported; without it nothing is opened."""
        async with self._database.writing() as connection:
            await write_audit(
                connection,
                tenant_id,
                at=at,
                actor=actor,
                action="session.exported",
                subject=session_id,
                reason=what,
            )

    async def verdicts(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[VerdictGiven]:
        """What reviewers said of the session's incidents, oldest first."""
        wanted = select(verdicts).where(
            verdicts.c.tenant_id == tenant_id, verdicts.c.session_id == session_id
        )
        order = (verdicts.c.given_at, verdicts.c.verdict_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(*order))
            return [
                VerdictGiven(**(dict(row._mapping) | {"verdict": Verdict(row.verdict)}))
                for row in rows
            ]

    async def _sessions(self, page: Select[Any]) -> list[Session]:
        async with self._database.reading() as connection:
            return [read_session(dict(row._mapping)) for row in await connection.execute(page)]


def _joined() -> Select[Any]:
    return select(sessions).outerjoin(chains, chains.c.session_id == sessions.c.session_id)


def _has_news() -> Any:
    """Alerts are counted; decisions and added incidents tell nobody, so each is looked for by its name."""
    newest = (
        select(func.max(alerts.c.seq))
        .where(alerts.c.session_id == sessions.c.session_id)
        .correlate(sessions)
        .scalar_subquery()
    )
    decided = _lacks(FactKind.DECISION, decisions, cast(decisions.c.version, Text))
    added = _lacks(FactKind.ADDED, additions, additions.c.incident_id)
    return or_(newest > chains.c.alert_seq, decided, added)


def _lacks(kind: FactKind, table: Table, name: ColumnElement[str]) -> ColumnElement[bool]:
    entry = exists().where(
        chain_entries.c.session_id == table.c.session_id,
        chain_entries.c.kind == kind.value,
        chain_entries.c.source_id == name,
    )
    return (
        exists()
        .where(
            table.c.tenant_id == sessions.c.tenant_id,
            table.c.session_id == sessions.c.session_id,
            ~entry.correlate(table),
        )
        .correlate(sessions)
    )
