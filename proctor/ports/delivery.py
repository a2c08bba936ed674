"""Where alerts are pushed to."""

from collections.abc import Sequence
from typing import Protocol

from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Sent


class AlertSink(Protocol):
    """One system that takes alerts. It is called by one task at a time and keeps no memory of its own."""

    async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
        """Try to deliver, in this order.

        Whatever goes wrong outside is an answer and not an exception; a call ends within the sink's own
        deadline. An alert that was sent before may come again with the same `alert_id`.

        Returns:
            One answer per alert of the batch, in its order.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...
