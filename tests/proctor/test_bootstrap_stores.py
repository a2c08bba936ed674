"""Settings become stores that work, or one clear line about what is missing."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.sql.migrate import upgrade
from proctor.bootstrap_stores import open_faces, open_live_state, open_stores
from proctor.domain.errors import InvalidInput, StateStoreUnavailable
from proctor.domain.ids import TenantId
from proctor.settings import Settings

ACME = TenantId("acme")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


def settings(home: Path, redis_url: str | None) -> Settings:
    secret = None if redis_url is None else SecretStr(redis_url)
    return Settings(home=home, redis_url=secret, _env_file=None)


@pytest.mark.service
async def test_a_home_and_a_redis_are_all_it_needs(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    home = tmp_path / "home"
    chosen = settings(home, redis_server.url)
    with pytest.raises(StateStoreUnavailable):
        await open_stores(chosen)  # nobody migrated yet
    url = chosen.resolved().database_url
    assert url is not None
    await asyncio.to_thread(upgrade, url)
    stores = await open_stores(chosen)
    await stores.exams.ensure_tenant(ACME, "Acme")
    assert await stores.candidates.list_candidates(ACME, None, 10) == []
    assert await stores.feed.head(ACME) == 0
    await stores.live.put("a", "1", 60)
    assert await stores.live.take("a") == "1"
    assert await stores.checkpoints.claim("shard") == 1
    assert redis_server.url not in repr(stores)
    await stores.close()
    await stores.close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert sorted(path.name for path in home.iterdir()) == ["faces", "keys.json", "proctor.db"]


async def test_without_a_redis_it_says_how_to_get_one(tmp_path: Path) -> None:
    chosen = settings(tmp_path, None)
    with pytest.raises(InvalidInput, match="proctor up"):
        open_live_state(chosen)
    url = chosen.resolved().database_url
    assert url is not None
    await asyncio.to_thread(upgrade, url)
    with pytest.raises(InvalidInput, match="proctor up"):
        await open_stores(chosen)


async def test_a_host_opens_the_faces_alone(tmp_path: Path) -> None:
    faces = open_faces(settings(tmp_path / "home", None))
    await faces.close()
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["faces", "keys.json"]
