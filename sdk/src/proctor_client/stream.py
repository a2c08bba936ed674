"""Alerts as they come, by server-sent events. A cut is healed: the stream goes on behind the last position.

Every alert has a position in the feed, and positions only grow: what comes again after a cut is known by
its position and left out. The server ends an answer now and then by itself; that is no fault.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError
from pydantic import ValidationError

from proctor_client.errors import AnswerNotUnderstood, ClientError, ConnectionFailed
from proctor_client.models import FeedItem
from proctor_client.plans import Plan, nothing, path
from proctor_client.retries import Retries
from proctor_client.senders import AsyncSender, Sender

SILENT_S = 60.0
"""The server says something at least every 15 s; after so long the connection is taken for dead."""

PATIENT = Retries(attempts=30, first_wait_s=0.5, longest_wait_s=60.0)
"""How often a stream comes back without hearing anything before it gives up: for about 20 minutes."""


class Follower:
    """Where a stream stands, and what to do next. Neither socket nor clock.

    Attributes:
        position: The last position that was heard of.
        wait_s: How long to wait before the next connection.
    """

    def __init__(
        self, after: int, session_id: str | None, exam_id: str | None, retries: Retries
    ) -> None:
        self.position = after
        self.wait_s = 0.0
        self._session_id, self._exam_id = session_id, exam_id
        self._retries = retries
        self._tried = 0

    def plan(self) -> Plan[None]:
        """The request that goes on from here."""
        return Plan(
            method="GET",
            path=path("live", "alerts", "stream"),
            read=nothing,
            query={
                "after": self.position,
                "session_id": self._session_id,
                "exam_id": self._exam_id,
            },
            headers={"Accept": "text/event-stream", "Cache-Control": "no-store"},
            repeatable=True,
        )

    def take(self, event: ServerSentEvent) -> FeedItem | None:
        """The alert of this event, unless it was had before or is none.

        Raises:
            AnswerNotUnderstood: It says that it is one and cannot be read.
        """
        self._tried = 0
        if event.event == "alert":
            try:
                item = FeedItem.model_validate_json(event.data)
            except ValidationError:
                raise AnswerNotUnderstood("An event of the stream is no alert.") from None
            if item.position <= self.position:
                return None
            self.position = item.position
            return item
        if event.event == "caught_up" and event.id.isascii() and event.id.isdecimal():
            # with a filter, positions pass that hold nothing for this stream
            self.position = max(self.position, int(event.id))
        return None

    def cut(self, error: ClientError | None) -> None:
        """Note that a connection ended, with an error or by itself. Raises what no other try helps."""
        if error is None and self._tried == 0:
            self._tried, self.wait_s = 1, 0.0
            return
        error = error or ConnectionFailed("The stream ends again and again without a word.")
        self._tried += 1
        if self._tried >= self._retries.attempts or not self._retries.helps(error):
            raise error
        self.wait_s = self._retries.wait_s(self._tried, error, random.random())


def _timeout(timeout: httpx.Timeout) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeout.connect, read=SILENT_S, write=timeout.write, pool=timeout.pool
    )


class AlertStream:
    """Alerts in a `for` loop, without end. `position` is where to go on, in another process too."""

    def __init__(self, sender: Sender, follower: Follower) -> None:
        self._sender = sender
        self._follower = follower
        self._items: Generator[FeedItem, None, None] = self._follow()

    @property
    def position(self) -> int:
        """The last position; give it as `after`."""
        return self._follower.position

    def __iter__(self) -> "AlertStream":
        return self

    def __next__(self) -> FeedItem:
        return next(self._items)

    def __enter__(self) -> "AlertStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._items.close()

    def _follow(self) -> Generator[FeedItem, None, None]:
        follower = self._follower
        while True:
            error: ClientError | None = None
            with closing(self._connection()) as items:
                try:
                    yield from items
                except ClientError as found:
                    error = found
            follower.cut(error)
            time.sleep(follower.wait_s)

    def _connection(self) -> Generator[FeedItem, None, None]:
        timeout = _timeout(self._sender.http.timeout)
        with self._sender.open(self._follower.plan(), timeout) as response:
            try:
                for event in EventSource(response).iter_sse():
                    item = self._follower.take(event)
                    if item is not None:
                        yield item
            except SSEError:
                raise AnswerNotUnderstood("What answered is no stream of events.") from None


class AsyncAlertStream:
    """The same in an `async for` loop; leave it by `async with` or `aclose`."""

    def __init__(self, sender: AsyncSender, follower: Follower) -> None:
        self._sender = sender
        self._follower = follower
        self._items: AsyncGenerator[FeedItem, None] = self._follow()

    @property
    def position(self) -> int:
        """The last position; give it as `after`."""
        return self._follower.position

    def __aiter__(self) -> "AsyncAlertStream":
        return self

    async def __anext__(self) -> FeedItem:
        return await anext(self._items)

    async def __aenter__(self) -> "AsyncAlertStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up."""
        await self._items.aclose()

    async def _follow(self) -> AsyncGenerator[FeedItem, None]:
        follower = self._follower
        while True:
            error: ClientError | None = None
            async with aclosing(self._connection()) as items:
                try:
                    async for item in items:
                        yield item
                except ClientError as found:
                    error = found
            follower.cut(error)
            await asyncio.sleep(follower.wait_s)

    async def _connection(self) -> AsyncGenerator[FeedItem, None]:
        timeout = _timeout(self._sender.http.timeout)
        async with self._sender.open(self._follower.plan(), timeout) as response:
            try:
                async for event in EventSource(response).aiter_sse():
                    item = self._follower.take(event)
                    if item is not None:
                        yield item
            except SSEError:
                raise AnswerNotUnderstood("What answered is no stream of events.") from None
