"""Alerts as their readers get them: from a position on, in the order of delivery."""

from collections.abc import Sequence

from proctor.domain.alerts import FeedItem
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.ports import AlertFeed


class CursorAhead(InvalidInput):
    """The reader has seen more than there is: its cursor comes from another database."""

    code = "cursor/ahead"
    status = 400


def alerts_channel(tenant_id: TenantId) -> str:
    """Where the dispatcher says that the tenant's feed has grown."""
    return f"alerts:{tenant_id}"


class Alerts:
    """Reads the alert feed of a tenant."""

    def __init__(self, feed: AlertFeed) -> None:
        self._feed = feed

    async def after(
        self,
        tenant_id: TenantId,
        position: int,
        limit: int,
        session_id: SessionId | None = None,
        exam_id: ExamId | None = None,
    ) -> Sequence[FeedItem]:
        """Items above the position. An unknown session or exam has none. Raises `CursorAhead`."""
        items = await self._feed.read(tenant_id, position, limit, session_id, exam_id)
        if not items:
            await self.check(tenant_id, position)
        return items

    async def check(self, tenant_id: TenantId, position: int) -> int:
        """The head of the feed. Raises `CursorAhead` when `position` is beyond it."""
        head = await self._feed.head(tenant_id)
        if position > head:
            raise CursorAhead("The cursor is ahead of the feed; begin again from 0.")
        return head
