"""`LiveState` and `Checkpoints` in Redis (6.2 commands only). Values are text and JSON, never pickle."""

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from redis.exceptions import ResponseError

from proctor.adapters.redis_connection import PREFIX, open_redis, told_as_ours
from proctor.adapters.redis_subscription import RedisSubscription
from proctor.domain.errors import Conflict
from proctor.domain.ids import SessionId

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

# A counter and its end of life in one step: a counter without one would count for ever.
_COUNT = """
local now = redis.call('INCR', KEYS[1])
if now == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return now
"""

# KEYS: fence, states. ARGV: our fence, then session and state in turns.
_SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
"""

# KEYS: fence, states. ARGV: our fence, then sessions.
_DROP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
return 1
"""


class RedisLiveState:
    """Small, short-lived facts shared between processes."""

    def __init__(self, url: str) -> None:
        self._redis = open_redis(url)
        self._count: AsyncScript = self._redis.register_script(_COUNT)
        self._subscriptions: set[RedisSubscription] = set()

    async def put_once(self, key: str, value: str, ttl_s: int) -> bool:
        """Store unless the key exists; True when stored."""
        with told_as_ours():
            stored = await self._redis.set(PREFIX + key, value, ex=ttl_s, nx=True)
        return bool(stored)

    async def take(self, key: str) -> str | None:
        """Read and delete in one step: what makes a ticket one-time."""
        with told_as_ours():
            return _text(await self._redis.getdel(PREFIX + key))

    async def put(self, key: str, value: str, ttl_s: int | None) -> None:
        """Store; None keeps it until it is deleted."""
        with told_as_ours():
            await self._redis.set(PREFIX + key, value, ex=ttl_s)

    async def get(self, key: str) -> str | None:
        """Read."""
        with told_as_ours():
            return _text(await self._redis.get(PREFIX + key))

    async def count(self, key: str, window_s: int) -> int:
        """Add one to a counter that expires `window_s` after its first count; the new value."""
        with told_as_ours():
            return int(await self._count(keys=[PREFIX + key], args=[window_s]))

    async def delete(self, key: str) -> None:
        """Forget."""
        with told_as_ours():
            await self._redis.delete(PREFIX + key)

    async def compact(self) -> None:
        """Rewrite the append-only file without what was deleted; a managed Redis does so by itself."""
        with told_as_ours(), suppress(ResponseError):  # it is at it already, or may not be told to
            await self._redis.bgrewriteaof()

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens now."""
        with told_as_ours():
            await self._redis.publish(PREFIX + channel, message)

    def listen(self, channel: str) -> RedisSubscription:
        """Messages from `start()` on; the subscription stands before the first `__anext__` waits."""
        subscription = RedisSubscription(
            self._redis.pubsub(ignore_subscribe_messages=False),
            PREFIX + channel,
            self._subscriptions.discard,
        )
        self._subscriptions.add(subscription)
        return subscription

    async def check(self) -> None:
        """Ask Redis for an answer. Raises `StateStoreUnavailable`."""
        with told_as_ours():
            await self._redis.ping()

    async def close(self) -> None:
        """End every subscription and close every connection."""
        for subscription in list(self._subscriptions):
            await subscription.aclose()
        await self._redis.aclose()


class RedisCheckpoints:
    """A fusion shard's memory outside itself: one hash of session states per shard, and its fence.

    With `appendfsync everysec` power loss may take the last second of checkpoints; what was judged is
    in the database by then, and the hosts still hold the reports that were not acknowledged.
    """

    def __init__(self, url: str) -> None:
        self._redis = open_redis(url)
        self._save: AsyncScript = self._redis.register_script(_SAVE)
        self._drop: AsyncScript = self._redis.register_script(_DROP)

    async def claim(self, shard: str) -> int:
        """Take the shard over: returns a new, higher fencing epoch."""
        with told_as_ours():
            return int(await self._redis.incr(_keys(shard)[0]))

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        """Write sessions' states in one step; raises `Conflict` when the fence was passed."""
        pairs = [part for session, state in states.items() for part in (session, state)]
        with told_as_ours():
            held = await self._save(keys=_keys(shard), args=[fence, *pairs])
        _demand(held, shard)

    async def load(self, shard: str) -> dict[SessionId, bytes]:
        """Every state saved for this shard."""
        with told_as_ours():
            answer = await self._redis.hgetall(_keys(shard)[1])
        states = cast("dict[bytes, bytes]", answer)  # the client decodes nothing
        return {SessionId(session.decode()): state for session, state in states.items()}

    async def drop(self, shard: str, fence: int, *states: SessionId) -> None:
        """Forget these states, in one step; raises `Conflict` when the fence was passed."""
        with told_as_ours():
            held = await self._drop(keys=_keys(shard), args=[fence, *states])
        _demand(held, shard)

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()


def _keys(shard: str) -> list[str]:
    """Fence and states; the braces keep both in one slot of a Redis cluster."""
    return [f"{PREFIX}shard:{{{shard}}}:fence", f"{PREFIX}shard:{{{shard}}}:states"]


def _demand(held: object, shard: str) -> None:
    if not held:
        raise Conflict(f"shard {shard} was taken over by another", "shard/fenced")


def _text(value: bytes | str | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
