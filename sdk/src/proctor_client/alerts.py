"""Alerts: the feed as it stands, and as it comes."""

from collections.abc import AsyncIterator, Iterator

from proctor_client import calls
from proctor_client.models import FeedItem
from proctor_client.retries import Retries
from proctor_client.senders import AsyncSender, Sender
from proctor_client.stream import PATIENT, AlertStream, AsyncAlertStream, Follower


class Alerts:
    """Alerts of the tenant, in order of delivery."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def list(
        self,
        *,
        after: int = 0,
        session_id: str | None = None,
        exam_id: str | None = None,
        page_size: int = 200,
    ) -> Iterator[FeedItem]:
        """Every alert behind a position, up to now."""
        while True:
            feed = self._sender.send(calls.list_alerts(after, page_size, session_id, exam_id))
            yield from feed.items
            if not feed.items or feed.next <= after:
                return
            after = feed.next

    def stream(
        self,
        *,
        after: int = 0,
        session_id: str | None = None,
        exam_id: str | None = None,
        retries: Retries = PATIENT,
    ) -> AlertStream:
        """Every alert behind a position, and each new one as it comes; cuts are healed.

        Raises (when iterated):
            NotAuthenticated: The token ended and was not replaced.
            ClientError: No connection came about for as long as `retries` allows.
        """
        return AlertStream(self._sender, Follower(after, session_id, exam_id, retries))


class AsyncAlerts:
    """The same with `async for`."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(
        self,
        *,
        after: int = 0,
        session_id: str | None = None,
        exam_id: str | None = None,
        page_size: int = 200,
    ) -> AsyncIterator[FeedItem]:
        """Every alert behind a position, up to now."""
        while True:
            feed = await self._sender.send(calls.list_alerts(after, page_size, session_id, exam_id))
            for item in feed.items:
                yield item
            if not feed.items or feed.next <= after:
                return
            after = feed.next

    def stream(
        self,
        *,
        after: int = 0,
        session_id: str | None = None,
        exam_id: str | None = None,
        retries: Retries = PATIENT,
    ) -> AsyncAlertStream:
        """As `Alerts.stream`, for `async for`."""
        return AsyncAlertStream(self._sender, Follower(after, session_id, exam_id, retries))
