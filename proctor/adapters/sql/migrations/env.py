"""Run by Alembic: opens the database of `proctor.adapters.sql.migrate` and migrates in one transaction."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import metadata

_LOCK = 0x70726F63  # "proc": any number, the same for every migrator of one PostgreSQL database


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()


async def _run(database_url: str) -> None:
    database = Database(database_url, patience_s=60)
    try:
        async with database.writing() as connection:
            if not database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(_migrate)
    finally:
        await database.close()


asyncio.run(_run(context.config.attributes["database_url"]))
