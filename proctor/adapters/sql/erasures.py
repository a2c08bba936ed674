"""`ErasureStore` in SQL: a row closes the candidate, and every store looks at it in its own writes."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.key_tables import chain_openings, erasures
from proctor.adapters.sql.tables import (
    accommodations,
    candidates,
    consents,
    enrolments,
    sessions,
)
from proctor.adapters.sql.words import WITH_WORDS, erase_words
from proctor.domain.erasure import Erasure
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, SessionId, TenantId


class SqlErasureStore:
    """Who is erased."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, tenant_id: TenantId, candidate_id: CandidateId) -> Erasure | None:
        """The receipt, done or owed; None when nobody asked."""
        async with self._database.reading() as connection:
            return await _find(connection, tenant_id, candidate_id)

    async def begin(self, erasure: Erasure) -> Erasure:
        """Close the candidate. Twice is once: the first receipt stays, and is returned.

        The candidate's own row is locked meanwhile: what refers to it (a consent, an enrolment, a
        session) is either there before, and goes with the rest, or refused.
        """
        whose = (erasure.tenant_id, erasure.candidate_id)
        locked = select(candidates.c.candidate_id).where(
            candidates.c.tenant_id == whose[0], candidates.c.candidate_id == whose[1]
        )
        new = self._database.insert(erasures).values(asdict(erasure)).on_conflict_do_nothing()
        async with self._database.writing() as connection:
            await connection.execute(locked.with_for_update())
            is_new = (await connection.execute(new)).rowcount == 1
            if is_new:
                await write_audit(
                    connection,
                    erasure.tenant_id,
                    at=erasure.asked_at,
                    actor=erasure.asked_by,
                    action="candidate.erasure",
                    subject=erasure.candidate_id,
                    reason=erasure.receipt_id,
                )
            found = await _find(connection, *whose)
        return erasure if found is None else found

    async def scrub(self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime) -> None:
        """What names them, opens a commitment or was said of them goes; consents are withdrawn."""
        theirs = select(sessions.c.session_id).where(
            sessions.c.tenant_id == tenant_id, sessions.c.candidate_id == candidate_id
        )

        async with self._database.writing() as connection:
            await connection.execute(
                update(candidates)
                .where(*_theirs(candidates, tenant_id, candidate_id))
                .values(external_ref=f"erased {candidate_id}")
            )
            await connection.execute(
                update(consents)
                .where(
                    *_theirs(consents, tenant_id, candidate_id), consents.c.withdrawn_at.is_(None)
                )
                .values(withdrawn_at=at)
            )
            await connection.execute(
                update(enrolments)
                .where(
                    *_theirs(enrolments, tenant_id, candidate_id), enrolments.c.erased_at.is_(None)
                )
                .values(erased_at=at)
            )
            await connection.execute(
                delete(accommodations).where(*_theirs(accommodations, tenant_id, candidate_id))
            )
            await connection.execute(
                delete(chain_openings).where(
                    chain_openings.c.tenant_id == tenant_id,
                    chain_openings.c.session_id.in_(theirs),
                )
            )
            await erase_words(connection, tenant_id, theirs)
        await self._database.scrub(candidates, accommodations, chain_openings, *WITH_WORDS)

    async def done(self, erasure: Erasure) -> None:
        """Write down that nothing of it is owed any more."""
        ended = update(erasures).where(
            erasures.c.tenant_id == erasure.tenant_id,
            erasures.c.candidate_id == erasure.candidate_id,
        )
        async with self._database.writing() as connection:
            await connection.execute(
                ended.values(
                    done_at=erasure.done_at,
                    sessions=erasure.sessions,
                    recordings=erasure.recordings,
                    evidence=erasure.evidence,
                )
            )

    async def since(self, asked_after: datetime) -> Sequence[Erasure]:
        """Those that are owed, and those that were asked for since then, of every tenant."""
        wanted = select(erasures).where(
            erasures.c.done_at.is_(None) | (erasures.c.asked_at >= asked_after)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(erasures.c.asked_at))
            return [Erasure(**row._mapping) for row in rows]


def _theirs(
    table: Table, tenant_id: TenantId, candidate_id: CandidateId
) -> tuple[ColumnElement[bool], ...]:
    return (table.c.tenant_id == tenant_id, table.c.candidate_id == candidate_id)


async def _find(
    connection: AsyncConnection, tenant_id: TenantId, candidate_id: CandidateId
) -> Erasure | None:
    wanted = select(erasures).where(
        erasures.c.tenant_id == tenant_id, erasures.c.candidate_id == candidate_id
    )
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else Erasure(**row._mapping)


def is_erased(
    tenant_id: ColumnElement[str], candidate_id: ColumnElement[str]
) -> ColumnElement[bool]:
    """Whether a row's candidate is closed; for a WHERE."""
    return exists().where(
        erasures.c.tenant_id == tenant_id, erasures.c.candidate_id == candidate_id
    )


async def refuse_erased(
    connection: AsyncConnection, tenant_id: TenantId, candidate_id: CandidateId
) -> None:
    """Raise `NotFound` for a candidate who is closed.

    Call it after the write that refers to the candidate: its foreign key waits for an erasure that
    begins at the same moment, which is then seen here, and the write is taken back.
    """
    if await _find(connection, tenant_id, candidate_id) is not None:
        raise NotFound(f"no candidate {candidate_id}")


async def hold_candidate(
    connection: AsyncConnection, tenant_id: TenantId, candidate_id: CandidateId
) -> bool:
    """Whether the candidate is not closed; an erasure that begins now waits for this transaction.

    For writes about a candidate that no foreign key binds to them. Call it before the tenant's row is
    locked, as `begin` takes the two in this order.
    """
    row = select(candidates.c.candidate_id).where(*_theirs(candidates, tenant_id, candidate_id))
    await connection.execute(row.with_for_update(read=True, key_share=True))
    return await _find(connection, tenant_id, candidate_id) is None


async def hold_session(
    connection: AsyncConnection, tenant_id: TenantId, session_id: SessionId
) -> None:
    """The same for a session's candidate.

    Raises `NotFound` when the candidate is closed, or the session not the tenant's.
    """
    wanted = select(sessions.c.candidate_id).where(
        sessions.c.tenant_id == tenant_id, sessions.c.session_id == session_id
    )
    candidate_id = await connection.scalar(wanted)
    if candidate_id is None:
        raise NotFound(f"no session {session_id}")
    if not await hold_candidate(connection, tenant_id, CandidateId(candidate_id)):
        raise NotFound(f"no candidate {candidate_id}")
