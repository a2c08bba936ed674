"""The audit log of SQL: who said what of whom, in a chain that shows what was altered or cut out."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from proctor.adapters.sql.audit import FIRST, sealed
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import audit
from proctor.domain.evidence import Loss
from tests.contract.conftest import Relational
from tests.contract.evidence_samples import SESSION, order
from tests.contract.samples import ACME, NOON, incident, judged
from tests.contract.test_review_stores import AWAY, allowed, pause, word

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.service)]
pytestmark = pytest.mark.parametrize("stores", DATABASES, indirect=True)


@pytest.fixture
async def log(furnished: Relational) -> AsyncIterator[Database]:
    database = Database(furnished.url)
    yield database
    await database.close()


async def rows(log: Database) -> list[tuple[str, str, str, str | None]]:
    """Who did what to whom and why; the chain is checked on the way."""
    before, found = FIRST, []
    async with log.reading() as connection:
        wanted = select(audit).where(audit.c.tenant_id == ACME).order_by(audit.c.audit_id)
        for row in await connection.execute(wanted):
            before = sealed(before, row.at, row.actor, row.action, row.subject, row.reason)
            assert row.sha256 == before
            found.append((row.actor, row.action, row.subject, row.reason))
    return found


async def test_verdicts_accommodations_and_breaks_leave_a_chain(
    furnished: Relational, log: Database
) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await furnished.allowances.put_accommodations(allowed(AWAY), "grace", NOON)
    await furnished.verdicts.add(word())
    await furnished.allowances.put_break(pause(5_000, None), "bob", NOON)
    await furnished.allowances.put_break(pause(5_000, 9_000), "eve", NOON)
    assert await rows(log) == [
        ("grace", "accommodations.set", "cnd_1", None),  # not which, and never why
        ("ada", "incident.confirmed", "inc_1", "ver_1"),  # the reason goes with the candidate
        ("bob", "break.set", "ses_1", "brk_1: from 5000 ms until its end is said"),
        ("eve", "break.set", "ses_1", "brk_1: from 5000 ms until 9000 ms"),
    ]


async def test_rows_at_the_same_time_do_not_fork_the_chain(
    furnished: Relational, log: Database
) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await asyncio.gather(*(furnished.verdicts.add(word(number)) for number in range(12)))
    assert len(await rows(log)) == 12


async def test_a_view_and_a_loss_are_rows_of_the_same_chain(
    furnished: Relational, log: Database
) -> None:
    view = {"actor": "rita", "action": "evidence.viewed", "subject": "evd_1", "reason": "To judge"}
    await furnished.audit.note(ACME, at=NOON, **view)
    await furnished.evidence.nothing(order(), Loss.NOT_CAPTURED, NOON)
    await furnished.evidence_ends.erase_session(SESSION, NOON)
    await asyncio.gather(*(furnished.audit.note(ACME, at=NOON, **view) for _ in range(8)))
    assert await rows(log) == [
        ("rita", "evidence.viewed", "evd_1", "To judge"),
        ("evidence keeper", "evidence.lost", "inc_1", "not_captured"),
        ("retention", "evidence.erased", "ses_1", "the exam's retention is over"),
        *[("rita", "evidence.viewed", "evd_1", "To judge")] * 8,
    ]
