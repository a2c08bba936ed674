"""One Redis client for an adapter, and what Redis may raise as errors of ours."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from proctor.domain.errors import InvalidInput, StateStoreUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

PREFIX = "proctor:"
"""Every key and channel of ours begins with it; nothing else is ever touched."""


def open_redis(url: str, patience_s: float = 2.0) -> "Redis":
    """A client that reconnects by itself and waits at most `patience_s` for an answer.

    A broken connection is tried once more at once: that is a restarted server. A slow answer is not
    repeated, since the command may have been carried out (a ticket taken twice is no ticket).
    """
    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            decode_responses=False,
            max_connections=10_000,  # every subscription holds one
        )
    except ValueError:
        raise InvalidInput(
            "redis_url is no redis:// or rediss:// URL", "settings/redis-url"
        ) from None
    pool.connection_class = _cancellable(pool.connection_class)
    return Redis.from_pool(pool)


def _cancellable(connection_class: "type[AbstractConnection]") -> "type[AbstractConnection]":
    """The class, but a task that is cancelled while it sends ends.

    The client sends in `asyncio.wait_for`, which on Python 3.11 loses a cancel that comes in the moment in
    which the sending is done (bpo-37658, mended in 3.12): the task would go on for ever.
    """

    class Cancellable(connection_class):  # type: ignore[valid-type,misc]
        async def send_packed_command(
            self, command: bytes | str | Iterable[bytes], check_health: bool = True
        ) -> None:
            task = asyncio.current_task()
            before = task.cancelling() if task else 0
            await super().send_packed_command(command, check_health)
            if task and task.cancelling() > before:
                await self.disconnect(nowait=True)  # nobody will read the answer
                raise asyncio.CancelledError

    return Cancellable


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Turn what the client raises inside into `StateStoreUnavailable`: full, loading, away, slow."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateStoreUnavailable(f"Redis does not answer ({type(error).__name__})") from error
