"""`LiveState`: what the fake and Redis (6.2) both do."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from proctor.adapters.redis_server import RedisServer
from proctor.adapters.redis_state import RedisLiveState
from proctor.ports import LiveState
from tests.fakes.clock import FakeClock
from tests.fakes.stores import FakeLiveState


@dataclass
class Subject:
    live: LiveState
    pass_time: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["fake", pytest.param("redis", marks=pytest.mark.service)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        clock = FakeClock()

        async def advance(seconds: float) -> None:
            await clock.advance(round(seconds * 1000))

        yield Subject(FakeLiveState(clock), advance)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    live = RedisLiveState(server.url)
    yield Subject(live, asyncio.sleep)
    await live.close()


@pytest.fixture
def key() -> str:
    return f"test:{secrets.token_hex(8)}"


async def test_what_is_put_is_read_until_deleted(subject: Subject, key: str) -> None:
    assert await subject.live.get(key) is None
    await subject.live.put(key, "é1", None)
    await subject.live.put(key, "é2", 60)
    assert await subject.live.get(key) == "é2"
    await subject.live.delete(key)
    await subject.live.delete(key)
    assert await subject.live.get(key) is None


async def test_a_value_lives_for_its_time(subject: Subject, key: str) -> None:
    await subject.live.put(key, "short", 1)
    await subject.live.put(key + "b", "long", 60)
    await subject.live.put(key + "c", "for ever", None)
    await subject.pass_time(1.1)
    assert await subject.live.get(key) is None
    assert await subject.live.get(key + "b") == "long"
    assert await subject.live.get(key + "c") == "for ever"


async def test_put_once_keeps_the_first_until_it_expires(subject: Subject, key: str) -> None:
    assert await subject.live.put_once(key, "first", 1)
    assert not await subject.live.put_once(key, "second", 60)
    assert await subject.live.get(key) == "first"
    await subject.pass_time(1.1)
    assert await subject.live.put_once(key, "third", 60)


async def test_a_ticket_is_taken_once_whoever_comes(subject: Subject, key: str) -> None:
    await subject.live.put(key, "ticket", 60)
    taken = await asyncio.gather(*(subject.live.take(key) for _ in range(20)))
    assert [value for value in taken if value is not None] == ["ticket"]
    assert await subject.live.get(key) is None


async def test_a_counter_counts_within_its_window_only(subject: Subject, key: str) -> None:
    counted = await asyncio.gather(*(subject.live.count(key, 1) for _ in range(20)))
    assert sorted(counted) == list(range(1, 21))
    await subject.pass_time(0.6)
    assert await subject.live.count(key, 1) == 21  # a later count does not prolong the window
    await subject.pass_time(0.6)
    assert await subject.live.count(key, 1) == 1


async def test_a_started_subscription_hears_what_follows(subject: Subject, key: str) -> None:
    await subject.live.publish(key, "before")
    messages = subject.live.listen(key)
    await messages.start()
    for number in range(3):
        await subject.live.publish(key, f"m{number}")
    await subject.live.publish(key + "other", "not for us")
    heard = [await asyncio.wait_for(anext(messages), 5) for _ in range(3)]
    assert heard == ["m0", "m1", "m2"]
    await messages.aclose()


async def test_every_listener_hears_every_message(subject: Subject, key: str) -> None:
    listeners = [subject.live.listen(key) for _ in range(3)]
    for messages in listeners:
        await messages.start()
    await subject.live.publish(key, "all")
    assert [await asyncio.wait_for(anext(messages), 5) for messages in listeners] == ["all"] * 3
    for messages in listeners:
        await messages.aclose()


async def test_a_cancelled_wait_loses_no_message(subject: Subject, key: str) -> None:
    messages = subject.live.listen(key)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(messages), 0.3)
    await subject.live.publish(key, "after")
    assert await asyncio.wait_for(anext(messages), 5) == "after"
    await messages.aclose()


async def test_closing_ends_a_waiting_listener(subject: Subject, key: str) -> None:
    messages = subject.live.listen(key)
    await messages.start()

    async def listen() -> list[str]:
        return [message async for message in messages]

    listening = asyncio.create_task(listen())
    await subject.live.publish(key, "last")
    await asyncio.sleep(0.2)
    await messages.aclose()
    await messages.aclose()
    assert await asyncio.wait_for(listening, 5) == ["last"]
    with pytest.raises(StopAsyncIteration):
        await anext(messages)
