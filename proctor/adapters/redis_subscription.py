"""`Subscription` over Redis pub/sub: a task pumps messages into a bounded queue and resubscribes."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from proctor.adapters.redis_connection import told_as_ours

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

_log = logging.getLogger(__name__)

_BOUND = 1000  # messages a slow listener may be behind; then the oldest go
_PATIENCE_S = 5.0
_RETRY_S = 0.5
_END = None


class RedisSubscription:
    """Messages of one channel.

    Reading is done by a task of its own, so a cancelled `__anext__` loses nothing. After an outage it
    subscribes again by itself; what was published meanwhile is gone (the port says so).
    """

    def __init__(
        self,
        pubsub: "PubSub",
        channel: str,
        on_close: Callable[["RedisSubscription"], None],
    ) -> None:
        self._pubsub = pubsub
        self._channel = channel
        self._on_close = on_close
        self._messages: asyncio.Queue[str | None] = asyncio.Queue(_BOUND)
        self._starting = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Subscribe and wait until Redis says that it stands. Raises `StateStoreUnavailable`."""
        async with self._starting:
            if self._pump is None and not self._is_closed:
                with told_as_ours():
                    await self._subscribe()
                self._pump = asyncio.create_task(self._run(), name="redis-subscription")

    async def _subscribe(self) -> None:
        await self._pubsub.subscribe(self._channel)
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                told = await self._pubsub.get_message(timeout=_PATIENCE_S)
                if told is not None and told["type"] == "subscribe":
                    return

    async def _run(self) -> None:
        while True:
            try:
                self._hear(await self._pubsub.get_message(timeout=None))
            except (RedisError, OSError) as error:
                _log.warning("subscription lost", extra={"error": type(error).__name__})
                await asyncio.sleep(_RETRY_S)

    def _hear(self, message: dict[str, object] | None) -> None:
        data = message["data"] if message and message["type"] == "message" else None
        if isinstance(data, bytes):
            self._put(data.decode())

    def _put(self, message: str | None) -> None:
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(message)

    def __aiter__(self) -> "RedisSubscription":
        """Itself."""
        return self

    async def __anext__(self) -> str:
        """The next message; ends once closed."""
        await self.start()
        message = _END if self._is_closed else await self._messages.get()
        if message is _END:
            raise StopAsyncIteration
        return message

    async def aclose(self) -> None:
        """Unsubscribe. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._on_close(self)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        self._put(_END)
