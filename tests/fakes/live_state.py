"""What Redis keeps, in memory: live facts with a time to live, channels, fenced checkpoints."""

import asyncio
from collections.abc import Callable

from proctor.domain.errors import Conflict
from proctor.domain.ids import SessionId
from proctor.ports import Clock
from tests.fakes.clock import FakeClock
from tests.fakes.outage import Outage


class FakeSubscription:
    """`Subscription` in memory; like the real one it hears nothing before it has started."""

    def __init__(self, start: Callable[["FakeSubscription"], None]) -> None:
        self._start = start
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        self.is_started = False
        self.is_closed = False

    async def start(self) -> None:
        if not self.is_started:
            self._start(self)
            self.is_started = True

    def hear(self, message: str) -> None:
        self._messages.put_nowait(message)

    def __aiter__(self) -> "FakeSubscription":
        return self

    async def __anext__(self) -> str:
        await self.start()
        message = None if self.is_closed else await self._messages.get()
        if message is None:
            raise StopAsyncIteration
        return message

    async def aclose(self) -> None:
        self.is_closed = True
        self._messages.put_nowait(None)


class FakeLiveState(Outage):
    """`LiveState` in memory. Times to live pass with the clock that is given."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or FakeClock()
        self._values: dict[str, tuple[str, int | None]] = {}
        self._listeners: dict[str, list[FakeSubscription]] = {}
        self.published: list[tuple[str, str]] = []

    async def put_once(self, key: str, value: str, ttl_s: int) -> bool:
        if await self.get(key) is not None:
            return False
        await self.put(key, value, ttl_s)
        return True

    async def take(self, key: str) -> str | None:
        value = await self.get(key)
        self._values.pop(key, None)
        return value

    async def put(self, key: str, value: str, ttl_s: int | None) -> None:
        self._reach()
        until = None if ttl_s is None else self._clock.monotonic_ms() + ttl_s * 1000
        self._values[key] = (value, until)

    async def get(self, key: str) -> str | None:
        self._reach()
        value, until = self._values.get(key, (None, None))
        if until is not None and self._clock.monotonic_ms() >= until:
            del self._values[key]
            return None
        return value

    async def count(self, key: str, window_s: int) -> int:
        before = await self.get(key)
        if before is None:
            await self.put(key, "1", window_s)
            return 1
        self._values[key] = (str(int(before) + 1), self._values[key][1])
        return int(before) + 1

    async def delete(self, key: str) -> None:
        self._reach()
        self._values.pop(key, None)

    async def compact(self) -> None:
        self._reach()

    async def publish(self, channel: str, message: str) -> None:
        self._reach()
        self.published.append((channel, message))
        for listener in self._listeners.get(channel, []):
            if not listener.is_closed:
                listener.hear(message)

    def listen(self, channel: str) -> FakeSubscription:
        def start(subscription: FakeSubscription) -> None:
            self._reach()
            self._listeners.setdefault(channel, []).append(subscription)

        return FakeSubscription(start)


class FakeCheckpoints(Outage):
    """`Checkpoints` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.fences: dict[str, int] = {}
        self.states: dict[str, dict[SessionId, bytes]] = {}

    async def claim(self, shard: str) -> int:
        self._reach()
        self.fences[shard] = self.fences.get(shard, 0) + 1
        return self.fences[shard]

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        self._hold(shard, fence)
        self.states.setdefault(shard, {}).update(states)

    async def load(self, shard: str) -> dict[SessionId, bytes]:
        self._reach()
        return dict(self.states.get(shard, {}))

    async def drop(self, shard: str, fence: int, *states: SessionId) -> None:
        self._hold(shard, fence)
        for state in states:
            self.states.get(shard, {}).pop(state, None)

    def _hold(self, shard: str, fence: int) -> None:
        self._reach()
        if self.fences.get(shard, 0) != fence:
            raise Conflict(f"shard {shard} was taken over by another")
