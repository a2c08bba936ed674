"""One database, SQLite or PostgreSQL: engine, transactions, and what differs between the two.

SQLite runs with a write-ahead log and `synchronous=FULL`: a commit is on the disk before it is
acknowledged, so power loss takes no committed alert (with NORMAL the last commits could go; the
price of FULL is one fsync per commit, and a shard commits a whole tick at once). Writers of one
process queue on a lock of ours, writers of several processes on SQLite's for `busy_timeout`.
PostgreSQL keeps its default `synchronous_commit=on`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from proctor.adapters.sql.errors import told_as_ours
from proctor.domain.errors import InvalidInput, StateStoreUnavailable

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_PRAGMAS = (
    "PRAGMA busy_timeout = {busy_ms}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is overwritten or deleted is zeroed in the file, not left in it
)


def parse_url(database_url: str) -> URL:
    """The URL with the async driver in it. Raises `InvalidInput` without repeating the URL."""
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise InvalidInput("database_url is no SQLAlchemy URL", "settings/database-url") from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise InvalidInput("database_url must be sqlite or postgresql", "settings/database-url")
    return url.set(drivername=driver)


class Database:
    """Gives transactions on one database.

    Args:
        database_url: `sqlite:///file` or `postgresql://user:password@host/name`, driver optional.
        patience_s: How long a lock, a connection or an answer is waited for.
    """

    def __init__(self, database_url: str, patience_s: float = 5.0) -> None:
        url = parse_url(database_url)
        self._patience_s = patience_s
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._one_writer = asyncio.Lock() if self.is_sqlite else None
        self._engine = self._open(url)
        self._writing_engine = self._engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")

    def _open(self, url: URL) -> AsyncEngine:
        if not self.is_sqlite:
            return create_async_engine(
                url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_timeout=self._patience_s,
                connect_args={"timeout": self._patience_s, "command_timeout": self._patience_s},
            )
        engine = create_async_engine(url, hide_parameters=True, pool_timeout=self._patience_s)
        busy_ms = round(self._patience_s * 1000)

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves
            cursor = connection.cursor()
            for pragma in _PRAGMAS:
                cursor.execute(pragma.format(busy_ms=busy_ms))
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))

        return engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database."""
        with told_as_ours():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that takes its write lock at once, so that it cannot fail half-way for it."""
        async with self._turn():
            with told_as_ours():
                async with self._writing_engine.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._one_writer is None:
            yield
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._one_writer.acquire()
        except TimeoutError:
            raise StateStoreUnavailable("the database is busy with other writes") from None
        try:
            yield
        finally:
            self._one_writer.release()

    async def scrub(self, *tables: Table) -> None:
        """See to it that what was just deleted from tables, or overwritten, lies in no file of ours.

        SQLite zeroes it in the file (`secure_delete`); its log is written back and cut off here.
        PostgreSQL frees its place (`VACUUM`); old pages and its own log fade as they are reused.
        Who reads meanwhile keeps the log a little longer; the next call cuts it.
        """
        if self.is_sqlite:  # outside a transaction: the log cannot be cut inside one
            engine = self._engine.execution_options(sqlite_begin="SELECT 1")
            commands = ["PRAGMA wal_checkpoint(TRUNCATE)"]
        else:
            engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            commands = [f"VACUUM {table.name}" for table in tables]
        async with self._turn():
            with told_as_ours():
                async with engine.connect() as connection:
                    for command in commands:
                        await connection.exec_driver_sql(command)

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
