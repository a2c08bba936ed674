"""One Redis client for an adapter, and what Redis may raise as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from proctor.domain.errors import InvalidInput, StateStoreUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "proctor:"
"""Every key and channel of ours begins with it; nothing else is ever touched."""


def open_redis(url: str, patience_s: float = 2.0) -> "Redis":
    """A client that reconnects by itself and waits at most `patience_s` for an answer.

    A broken connection is tried once more at once: that is a restarted server. A slow answer is not
    repeated, since the command may have been carried out (a ticket taken twice is no ticket).
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        client: Redis = Redis.from_url(
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
    return client


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Turn what the client raises inside into `StateStoreUnavailable`: full, loading, away, slow."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateStoreUnavailable(f"Redis does not answer ({type(error).__name__})") from error
