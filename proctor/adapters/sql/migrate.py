"""Brings a database to the newest migration."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import URL

from proctor.adapters.sql.database import parse_url
from proctor.adapters.sql.errors import told_as_ours

_TURN = Lock()  # Alembic's context is global to the process; the database keeps processes apart
_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration, made here: no ini file, and the URL in no log."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up, all or nothing; several processes may do so at once.

    Blocks: from a coroutine, call it with `asyncio.to_thread`. Raises `StateStoreUnavailable` when the
    database cannot be reached, `InvalidInput` for a wrong URL.
    """
    _make_private_file(parse_url(database_url))
    _run(command.upgrade, database_url, revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to a revision (`base` is the empty database). Data of dropped tables are gone."""
    _run(command.downgrade, database_url, revision)


def _make_private_file(url: URL) -> None:
    """A SQLite file is for its owner only (its log files take after it), and so is a folder we make."""
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        path = Path(url.database)
        with told_as_ours():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _run(step: Callable[[Config, str], None], database_url: str, revision: str) -> None:
    """In a thread of its own: env.py runs an event loop, and the caller may have one already."""
    with told_as_ours(), _TURN, ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(step, alembic_config(database_url), revision).result()
