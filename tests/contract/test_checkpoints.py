"""`Checkpoints`: what the fake and Redis (6.2) both do."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from proctor.adapters.redis_server import RedisServer
from proctor.adapters.redis_state import RedisCheckpoints
from proctor.domain.errors import Conflict
from proctor.domain.ids import SessionId
from proctor.ports import Checkpoints
from tests.fakes.stores import FakeCheckpoints

ONE, TWO = SessionId("ses_1"), SessionId("ses_2")


@pytest.fixture(params=["fake", pytest.param("redis", marks=pytest.mark.service)])
async def checkpoints(request: pytest.FixtureRequest) -> AsyncIterator[Checkpoints]:
    if request.param == "fake":
        yield FakeCheckpoints()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    store = RedisCheckpoints(server.url)
    yield store
    await store.close()


@pytest.fixture
def shard() -> str:
    return f"shard-{secrets.token_hex(4)}"


async def test_states_come_back_as_saved(checkpoints: Checkpoints, shard: str) -> None:
    assert await checkpoints.load(shard) == {}
    fence = await checkpoints.claim(shard)
    await checkpoints.save(shard, fence, {ONE: b'{"a":1}', TWO: "{é}".encode()})
    await checkpoints.save(shard, fence, {ONE: b'{"a":2}'})
    assert await checkpoints.load(shard) == {ONE: b'{"a":2}', TWO: "{é}".encode()}


async def test_saving_nothing_still_asks_for_the_fence(
    checkpoints: Checkpoints, shard: str
) -> None:
    fence = await checkpoints.claim(shard)
    await checkpoints.save(shard, fence, {})
    with pytest.raises(Conflict):
        await checkpoints.save(shard, fence - 1, {})


async def test_whoever_was_replaced_can_change_nothing(
    checkpoints: Checkpoints, shard: str
) -> None:
    old = await checkpoints.claim(shard)
    await checkpoints.save(shard, old, {ONE: b"old"})
    new = await checkpoints.claim(shard)
    assert new > old
    for call in (
        checkpoints.save(shard, old, {ONE: b"zombie", TWO: b"zombie"}),
        checkpoints.drop(shard, old, ONE),
    ):
        with pytest.raises(Conflict):
            await call
    assert await checkpoints.load(shard) == {ONE: b"old"}
    await checkpoints.save(shard, new, {ONE: b"new"})
    assert await checkpoints.load(shard) == {ONE: b"new"}


async def test_twenty_claims_at_once_give_twenty_fences(
    checkpoints: Checkpoints, shard: str
) -> None:
    fences = await asyncio.gather(*(checkpoints.claim(shard) for _ in range(20)))
    assert len(set(fences)) == 20
    await checkpoints.save(shard, max(fences), {ONE: b"{}"})


async def test_a_dropped_session_is_forgotten(checkpoints: Checkpoints, shard: str) -> None:
    fence = await checkpoints.claim(shard)
    await checkpoints.save(shard, fence, {ONE: b"1", TWO: b"2"})
    await checkpoints.drop(shard, fence, ONE)
    await checkpoints.drop(shard, fence, ONE)
    assert await checkpoints.load(shard) == {TWO: b"2"}


async def test_many_states_are_dropped_in_one_step(checkpoints: Checkpoints, shard: str) -> None:
    fence = await checkpoints.claim(shard)
    many = [SessionId(f"ses_x{n}") for n in range(2_000)]
    await checkpoints.save(shard, fence, dict.fromkeys([*many, ONE, TWO], b"1"))
    await checkpoints.drop(shard, fence, *many, ONE)
    assert await checkpoints.load(shard) == {TWO: b"1"}
    await checkpoints.drop(shard, fence)
    with pytest.raises(Conflict):
        await checkpoints.drop(shard, fence - 1, TWO)


async def test_shards_know_nothing_of_each_other(checkpoints: Checkpoints, shard: str) -> None:
    fence = await checkpoints.claim(shard)
    await checkpoints.claim(shard + "b")
    await checkpoints.save(shard, fence, {ONE: b"1"})
    assert await checkpoints.load(shard + "b") == {}
