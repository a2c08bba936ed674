"""What databases do on bad days: locked, full, restarted, or silent about a commit (TRUST F22-F26)."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.cutter import cutter
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.errors import InvalidInput, StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.domain.incidents import Verdict
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, alert, exam, incident, judged
from tests.contract.servers import Postgres

WHICH = SessionId("ses_1")


@pytest.fixture
def sqlite_path(migrated_sqlite: Path, tmp_path: Path) -> Path:
    path = tmp_path / "proctor.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    return path


@pytest.fixture
async def engine(postgres: Postgres) -> AsyncIterator[AsyncEngine]:
    """Connections of somebody else to the same PostgreSQL."""
    stranger = create_async_engine(postgres.url)
    yield stranger
    await stranger.dispose()


async def test_a_locked_sqlite_is_unavailable_for_writing_and_readable(sqlite_path: Path) -> None:
    stores = SqlStores(f"sqlite:///{sqlite_path}", patience_s=0.3)
    await stores.exams.ensure_tenant(ACME, "Acme")
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateStoreUnavailable):
        await stores.exams.add_exam(exam())
    assert await stores.exams.list_exams(ACME, None, 10) == []
    other.execute("ROLLBACK")
    other.close()
    await stores.exams.add_exam(exam())
    assert await stores.exams.list_exams(ACME, None, 10) == [exam()]
    await stores.close()


async def test_a_full_sqlite_keeps_what_it_has_and_takes_no_half(sqlite_path: Path) -> None:
    stores = SqlStores(f"sqlite:///{sqlite_path}")
    await stores.incidents.commit([judged(alert(1))])
    await stores.close()

    def no_room(connection: SqliteConnection, _entry: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")  # SQLite: no more pages than there are
        cursor.close()

    event.listen(Engine, "connect", no_room)
    try:
        full = SqlStores(f"sqlite:///{sqlite_path}")
        backlog = judged(*(alert(seq) for seq in range(1, 400)), incidents=(incident(),))
        with pytest.raises(StateStoreUnavailable):
            await full.incidents.commit([backlog])
        assert await full.incidents.last_seq(WHICH) == 1
        assert await full.incidents.list_incidents(ACME, WHICH) == []
        await full.close()
    finally:
        event.remove(Engine, "connect", no_room)
    again = SqlStores(f"sqlite:///{sqlite_path}")
    await again.incidents.commit([backlog])
    assert await again.incidents.last_seq(WHICH) == 399
    await again.close()


async def test_sqlite_syncs_every_commit_and_minds_foreign_keys(sqlite_path: Path) -> None:
    database = Database(f"sqlite:///{sqlite_path}")
    async with database.writing() as connection:
        found = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await database.close()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert found == expected


async def test_writers_of_two_processes_wait_for_each_other(sqlite_path: Path) -> None:
    """Two stores share nothing but the file, as two processes do."""
    both = [SqlStores(f"sqlite:///{sqlite_path}") for _ in range(2)]
    await asyncio.gather(
        *(
            stores.incidents.commit([judged(alert(seq, name), session_id=name)])
            for stores, name in zip(both, ("ses_1", "ses_2"), strict=True)
            for seq in range(1, 31)
        )
    )
    assert [await both[0].incidents.last_seq(SessionId(f"ses_{n}")) for n in (1, 2)] == [30, 30]
    for stores in both:
        await stores.close()


@pytest.mark.service
@pytest.mark.parametrize("stores", ["postgresql"], indirect=True)
async def test_a_commit_of_unknown_outcome_can_be_repeated(
    furnished: Relational, postgres: Postgres
) -> None:
    async with cutter(postgres.port) as (relay, port):
        shaky = SqlStores(make_url(postgres.url).set(port=port).render_as_string(False))
        step = [judged(alert(1), incidents=(incident(),))]
        relay.cuts_commits = True
        with pytest.raises(StateStoreUnavailable):
            await shaky.incidents.commit(step)
        assert relay.cuts == 1
        relay.cuts_commits = False
        assert await furnished.incidents.last_seq(WHICH) == 1  # it had been committed after all
        await shaky.incidents.commit(step)
        await shaky.close()
    assert await furnished.feed.publish_pending(10) == 1
    assert await furnished.incidents.list_incidents(ACME, WHICH) == [incident()]


@pytest.mark.service
@pytest.mark.parametrize("stores", ["postgresql"], indirect=True)
async def test_connections_that_were_cut_are_made_again(
    furnished: Relational, engine: AsyncEngine
) -> None:
    assert await furnished.exams.list_exams(ACME, None, 10) == [exam()]
    async with engine.connect() as connection:
        cut = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND usename = 'proctor' AND backend_type = 'client backend'"
            )
        )
        assert len(cut.all()) > 0
    assert await furnished.exams.list_exams(ACME, None, 10) == [exam()]


@pytest.mark.service
@pytest.mark.parametrize("stores", ["postgresql"], indirect=True)
async def test_a_database_that_does_not_answer_is_given_up(
    furnished: Relational, engine: AsyncEngine
) -> None:
    impatient = SqlStores(furnished.url, patience_s=0.5)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE exams"))
        with pytest.raises(StateStoreUnavailable):
            await impatient.exams.get_exam(ACME, exam().exam_id)
    assert await impatient.exams.get_exam(ACME, exam().exam_id) == exam()
    await impatient.close()


@pytest.mark.parametrize(
    "stores",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.service)],
    indirect=True,
)
async def test_a_shard_never_writes_over_a_humans_verdict(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    engine = create_async_engine(
        furnished.url.replace("sqlite:", "sqlite+aiosqlite:", 1)
    )  # the reviewer
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE incidents SET verdict = 'dismissed'"))
    await engine.dispose()
    closed = replace(incident(), closed_ms=9000)
    await furnished.incidents.commit([judged(incidents=(closed,))])
    found = await furnished.incidents.list_incidents(ACME, WHICH)
    assert found == [replace(closed, verdict=Verdict.DISMISSED)]


async def test_a_time_without_a_zone_is_refused(sqlite_path: Path) -> None:
    stores = SqlStores(f"sqlite:///{sqlite_path}")
    await stores.exams.ensure_tenant(ACME, "Acme")
    naive = replace(exam(), created_at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(Exception, match="without a zone"):
        await stores.exams.add_exam(naive)
    assert await stores.exams.list_exams(ACME, None, 10) == []
    await stores.close()


@pytest.mark.parametrize("url", ["mysql://u:hidden@h/d", "hidden", "", "postgresql:hidden"])
def test_a_wrong_url_is_one_line_without_the_url(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Database(url)
    assert "hidden" not in str(caught.value)
