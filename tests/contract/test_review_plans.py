"""Pages of the desk walk along indexes: nothing is sorted, no table is read from end to end.

Times are the bench's (`python -m bench.review_api`); here the plans are looked at.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from bench.review_seed import RARE, TENANT, Seeded, seed
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.desk import listed, ranked, withheld
from proctor.adapters.sql.figures import evidence_bytes
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.desk import IncidentFilter, QueueFilter, ReviewStatus
from proctor.domain.ids import ExamId, IncidentId, SessionId
from proctor.domain.incidents import Severity, Verdict
from tests.contract.servers import Postgres

SESSIONS, INCIDENTS, PAGE = 600, 6_000, 51


@pytest.fixture(scope="module", params=["sqlite", pytest.param("pg", marks=pytest.mark.service)])
def seeded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Seeded]:
    """A database's URL and what is in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/plans.db"
    else:
        cluster: Postgres = request.getfixturevalue("postgres")
        asyncio.run(_fresh(cluster.url))
        url = make_url(cluster.url).set(database="plans").render_as_string(hide_password=False)
    upgrade(url)
    return url, asyncio.run(_filled(url))


async def _fresh(url: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS plans"))
        await connection.execute(text("CREATE DATABASE plans"))
    await engine.dispose()


async def _filled(url: str) -> Seeded:
    database = Database(url, patience_s=60)
    found = await seed(database, SESSIONS, INCIDENTS)
    await database.close()
    return found


@pytest.fixture
async def database(seeded: tuple[str, Seeded]) -> AsyncIterator[Database]:
    opened = Database(seeded[0], patience_s=60)
    yield opened
    await opened.close()


async def plan(database: Database, page: Select[Any]) -> str:
    dialect = sqlite.dialect() if database.is_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]
    said = str(page.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    how = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.reading() as connection:
        rows = (await connection.exec_driver_sql(how + said)).all()
    return "\n".join(str(row[-1]) for row in rows)


def filters(found: Seeded) -> dict[str, QueueFilter]:
    return {
        "all": QueueFilter(),
        "an exam": QueueFilter(exam_id=ExamId(found.exams[0])),
        "a rare rule": QueueFilter(rule_id=RARE),
        "high, open": QueueFilter(
            severity=Severity.HIGH, verdict=Verdict.UNREVIEWED, status=ReviewStatus.OPEN
        ),
    }


async def test_pages_of_the_queue_are_neither_sorted_nor_found_by_reading_incidents_through(
    database: Database, seeded: tuple[str, Seeded]
) -> None:
    found = seeded[1]
    for name, wanted in filters(found).items():
        for after in (None, (100_000, SessionId(found.sessions[0]))):
            said = await plan(database, ranked(TENANT, wanted, after, PAGE))
            assert "ix_priorities_tenant_id_rank_session_id" in said or name != "all", said
            assert "Seq Scan on incidents" not in said, (name, said)
            if database.is_sqlite:
                assert "SCAN" not in said and "ORDER BY" not in said, (name, said)
            elif name == "all":
                assert "Sort" not in said, said
        said = await plan(database, withheld(TENANT, wanted, SessionId("ses_8"), PAGE))
        assert "Seq Scan on incidents" not in said, (name, said)
        if database.is_sqlite:
            assert "SCAN" not in said and "ORDER BY" not in said, (name, said)


async def test_pages_of_incidents_go_along_the_clock(
    database: Database, seeded: tuple[str, Seeded]
) -> None:
    found = seeded[1]
    stores = SqlStores(seeded[0])
    first = await stores.desk.incidents(TENANT, IncidentFilter(), None, PAGE)
    await stores.close()
    after = (first[-1].opened_at, IncidentId(first[-1].incident_id))
    asked = {
        "ix_incidents_by_time": IncidentFilter(),
        "ix_incidents_by_exam": IncidentFilter(exam_id=ExamId(found.exams[0])),
    }
    for index, wanted in asked.items():
        for begin in (None, after):
            said = await plan(database, listed(TENANT, wanted, begin, PAGE))
            if database.is_sqlite:
                assert index in said and "ORDER BY" not in said, said
            else:  # one exam may hold so much of a small table that its index is no gain
                assert "ix_incidents_by_" in said and "Seq Scan" not in said, said


@pytest.mark.parametrize("seeded", ["sqlite"], indirect=True)
async def test_the_sum_of_evidence_reads_an_index_and_no_row(database: Database) -> None:
    """PostgreSQL reads a table that is empty, as here, from end to end."""
    said = await plan(database, evidence_bytes(TENANT))
    assert "USING COVERING INDEX ix_evidence_tenant_id_state_size" in said, said


async def test_seeded_pages_hold_every_session_once(seeded: tuple[str, Seeded]) -> None:
    stores = SqlStores(seeded[0])
    found: list[str] = []
    after = None
    while page := await stores.desk.queue(TENANT, QueueFilter(), after, 97):
        found += [card.session.session_id for card in page]
        after = (page[-1].rank, page[-1].session.session_id)
    await stores.close()
    assert len(found) == len(set(found)) == SESSIONS
