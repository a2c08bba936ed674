"""What a cluster needs before its first `serve deploy`: keys, Ray's token, tables, a tenant, models.

`proctor up` does the same for one machine; here the keys go to a folder that is copied to every machine.
"""

import asyncio
from pathlib import Path

from deployments.home import make_private_folder, ray_token, require_private
from deployments.nodes import require_shared_stores
from models.catalogue import ensure
from models.selection import select
from models.sources import Progress, silent
from proctor.adapters.key_rings import FILE
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.seal import make_proof_key
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.adapters.tokens import make_keys
from proctor.domain.ids import TenantId
from proctor.settings import Settings

DEFAULT_TENANT = TenantId("default")
SEVERAL = 2


def prepare(settings: Settings, folder: Path, fetching: Progress = silent) -> None:
    """Make what is missing, keep what is there.

    Args:
        settings: As every node will read them.
        folder: Where Ray's token goes: every node's `RAY_AUTH_TOKEN_PATH` without the name.
        fetching: Told how far the download of a model file is.

    Raises:
        InvalidInput: A store lies on one machine, or a file is open to others.
        ProctorError: A store does not answer, a model cannot be had.
    """
    require_shared_stores(settings, SEVERAL)
    settings = settings.resolved()
    assert settings.token_keys is not None
    assert settings.key_file is not None
    assert settings.proof_key is not None
    assert settings.database_url is not None
    assert settings.models_dir is not None
    make_private_folder(folder)
    ray_token(folder)
    require_private(make_keys(settings.token_keys))
    if settings.key_ring == FILE:
        FileKeyRing(settings.key_file)
    make_proof_key(settings.proof_key)
    ensure(
        select(settings.pack, settings.models),
        settings.models_dir,
        settings.models_mirror,
        fetching,
    )
    upgrade(settings.database_url)
    asyncio.run(ensure_tenant(settings.database_url))


async def ensure_tenant(database_url: str) -> None:
    """The tenant that tokens name unless told otherwise."""
    stores = SqlStores(database_url)
    try:
        await stores.open()
        await stores.exams.ensure_tenant(DEFAULT_TENANT, "Default")
    finally:
        await stores.close()
