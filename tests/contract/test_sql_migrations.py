"""Migrations make exactly the tables that the stores use, on both databases, together or not at all."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.migrate import alembic_config, downgrade, upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.adapters.sql.tables import REVISION, metadata
from proctor.domain.errors import StateStoreUnavailable
from tests.contract.servers import Postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fresh.db"
        return
    cluster: Postgres = request.getfixturevalue("postgres")
    engine = create_async_engine(cluster.url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS fresh"))
        await connection.execute(text("CREATE DATABASE fresh"))
    await engine.dispose()
    yield make_url(cluster.url).set(database="fresh").render_as_string(hide_password=False)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_a_migrated_database_is_what_the_tables_say(empty_url: str) -> None:
    await asyncio.to_thread(upgrade, empty_url)
    database = Database(empty_url)
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_migrating_twice_or_from_many_sides_at_once_is_harmless(empty_url: str) -> None:
    code = "import sys; from proctor.adapters.sql.migrate import upgrade; upgrade(sys.argv[1])"
    others = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, empty_url)
        for _ in range(2)
    ]
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_url) for _ in range(3)))
    assert [await other.wait() for other in others] == [0, 0]
    stores = SqlStores(empty_url)
    await stores.open()
    await stores.check()
    await stores.close()


async def test_a_database_at_another_migration_is_refused_with_advice(empty_url: str) -> None:
    stores = SqlStores(empty_url)
    with pytest.raises(StateStoreUnavailable, match="proctor migrate"):
        await stores.open()
    await stores.close()


async def test_going_down_leaves_nothing(empty_url: str) -> None:
    await asyncio.to_thread(upgrade, empty_url)
    await asyncio.to_thread(downgrade, empty_url, "base")
    database = Database(empty_url)
    async with database.reading() as connection:
        assert await connection.run_sync(table_names) <= {"alembic_version", "sqlite_sequence"}
    await database.close()


async def test_alerts_of_before_are_counted_in_the_order_they_were_told(empty_url: str) -> None:
    await asyncio.to_thread(upgrade, empty_url, "0006")
    names = "alert_id, tenant_id, exam_id, session_id, candidate_id, incident_id, seq, transition"
    row = (
        f"INSERT INTO alerts ({names}, severity, raised_at, position, payload) VALUES "
        "('{0}', 't', 'e', '{1}', 'c', 'i', {2}, 'opened', 'low', '2026-11-30', {3}, '')"
    )
    told = [("a", "s1", 2, 7), ("b", "s1", 5, 9), ("held", "s1", 3, "NULL"), ("c", "s2", 1, 8)]
    database = Database(empty_url)
    async with database.writing() as connection:
        for each in told:
            await connection.execute(text(row.format(*each)))
    await asyncio.to_thread(upgrade, empty_url)
    async with database.reading() as connection:
        found = await connection.execute(text("SELECT alert_id, told FROM alerts ORDER BY 1"))
        assert [tuple(each) for each in found] == [("a", 1), ("b", 2), ("c", 1), ("held", None)]
    await database.close()


def test_every_table_says_whose_its_rows_are() -> None:
    without = [table.name for table in metadata.sorted_tables if "tenant_id" not in table.c]
    assert without == []
    assert all(not table.c.tenant_id.nullable for table in metadata.sorted_tables)


def test_the_tables_stand_for_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(alembic_config("sqlite:///unused"))
    assert scripts.get_heads() == [REVISION]
