"""A shard that records is killed (SIGKILL) at random moments: no row is lost, none is doubled.

Real Redis, SQLite and folder; wired as the product wires it.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.adapters.clock import SystemClock
from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.redis_state import RedisCheckpoints
from proctor.adapters.sql.migrate import upgrade
from proctor.bootstrap_evidence import open_recordings
from proctor.bootstrap_stores import open_sql
from proctor.domain.alerts import Transition
from proctor.domain.recordings import RESTORED, Recording
from proctor.replaying import open_replays
from proctor.services.replays import Compared
from proctor.settings import Settings
from tests.fakes import facts
from tests.proctor.services.test_shard_on_real_stores import furnish

pytestmark = pytest.mark.service
SEEDS = range(1, 1 + int(os.environ.get("KILL_SEEDS", "3")))
KILLS = 6


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


def run(environment: dict[str, str], after: int, lines: int | None) -> int | None:
    """Run the shard and kill it after some lines; None lets it finish.

    Returns the last acknowledged number, None when it has finished.
    """
    command = [sys.executable, "-m", "tests.faults.recording_shard", str(after)]
    with subprocess.Popen(
        command, cwd=facts.ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for count, line in enumerate(child.stdout, 1):
            after = int(line) if line.strip().isdigit() else after
            if line.strip() == "closed":
                return None
            if count == lines:
                child.kill()
                break
    assert child.returncode == -9, "it ended by itself"
    return after


async def found(settings: Settings) -> tuple[Recording, Compared]:
    async with open_replays(settings) as replays:
        key = await replays.find(facts.spec().tenant_id, facts.spec().session_id)
        return await open_recordings(settings).read(key), await replays.compare(key)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_moment_the_recording_is_whole(
    tmp_path: Path, redis: RedisServer, seed: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = Settings(home=home, _env_file=None).resolved()
    assert settings.database_url is not None
    upgrade(settings.database_url)

    async def prepare() -> None:
        sql = open_sql(settings)
        await furnish(sql)
        await sql.close()

    asyncio.run(prepare())
    chance, after = random.Random(seed), 0
    environment = os.environ | {
        "PROCTOR_HOME": str(home),
        "PROCTOR_REDIS_URL": redis.url,
        "STARTED": SystemClock().now().isoformat(),
    }
    for _ in range(KILLS):
        answer = run(environment, after, chance.randrange(1, 25))
        assert answer is not None
        after = answer
    assert run(environment, after, None) is None

    recording, compared = asyncio.run(found(settings))
    (rows,) = recording.takes
    assert [row.no for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row.kind == RESTORED for row in rows) >= 3
    taken = [(row.epoch, row.seq) for row in rows if row.kind == "consume"]
    assert taken == [(1, seq) for seq in range(1, 602)]
    assert compared.is_same and compared.is_whole
    assert compared.sha256 == compared.footer_sha256
    opened = [one for one in compared.committed if one.transition is Transition.OPENED]
    assert len(opened) == len({one.alert_id for one in opened}) == 20

    async def left() -> dict[str, bytes]:
        checkpoints = RedisCheckpoints(redis.url)
        try:
            return dict(await checkpoints.load("proctor-shard-0"))
        finally:
            await checkpoints.close()

    assert asyncio.run(left()) == {}
