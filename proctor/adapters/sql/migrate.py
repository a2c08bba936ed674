"""Brings a database to the newest migration."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config

from proctor.adapters.sql.errors import told_as_ours

_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration, made here: no ini file, and the URL in no log."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up, all or nothing; several processes may do so at once.

    Blocks, and runs an event loop of its own: from a coroutine, call it in a thread. Raises
    `StateStoreUnavailable` when the database cannot be reached, `InvalidInput` for a wrong URL.
    """
    with told_as_ours():
        command.upgrade(alembic_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to a revision (`base` is the empty database). Data of dropped tables are gone."""
    with told_as_ours():
        command.downgrade(alembic_config(database_url), revision)


async def upgrade_in_thread(database_url: str) -> None:
    """`upgrade`, from a coroutine."""
    await asyncio.to_thread(upgrade, database_url)
