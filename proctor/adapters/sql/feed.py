"""`AlertFeed` in SQL: the outbox becomes the tenants' feeds.

Database ids commit out of order, so an alert's place in the feed is given after its commit, under
the lock of its tenant's row in `feed_heads`. Two dispatchers may run: each takes tenants that the
other does not hold (SKIP LOCKED; on SQLite the write lock), so no two ever number one tenant's
alerts at once: no holes, no doubles, and a session's alerts stay in order.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import alerts, feed_heads, outbox
from proctor.domain.alerts import Alert, FeedItem
from proctor.domain.ids import ExamId, SessionId, TenantId


class SqlAlertFeed:
    """Alerts in delivery order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish_pending(self, limit: int) -> int:
        """Give the next outbox rows a feed position; returns how many. Those waiting longest first."""
        oldest = func.min(outbox.c.outbox_id)
        waiting = select(outbox.c.tenant_id).group_by(outbox.c.tenant_id).order_by(oldest)
        async with self._database.reading() as connection:  # an idle step takes no write lock
            tenants = [TenantId(name) for name in await connection.scalars(waiting)]
        if not tenants:
            return 0
        published = 0
        async with self._database.writing() as connection:
            new = self._database.insert(feed_heads).on_conflict_do_nothing()
            rows = [{"tenant_id": tenant, "head": 0} for tenant in sorted(tenants)]
            await connection.execute(new, rows)
            for tenant in tenants:
                if published < limit:
                    published += await _publish(connection, tenant, limit - published)
        return published

    async def read(
        self,
        tenant_id: TenantId,
        after: int,
        limit: int,
        session_id: SessionId | None = None,
        exam_id: ExamId | None = None,
    ) -> Sequence[FeedItem]:
        """Items with a position above `after`, in order."""
        page = select(alerts.c.position, alerts.c.told, alerts.c.payload).where(
            alerts.c.tenant_id == tenant_id, alerts.c.position > after
        )
        if session_id is not None:
            page = page.where(alerts.c.session_id == session_id)
        if exam_id is not None:
            page = page.where(alerts.c.exam_id == exam_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(alerts.c.position).limit(limit))
            return [feed_item(*row) for row in rows]

    async def head(self, tenant_id: TenantId) -> int:
        """The highest position given so far, 0 when none."""
        wanted = select(feed_heads.c.head).where(feed_heads.c.tenant_id == tenant_id)
        async with self._database.reading() as connection:
            return (await connection.scalar(wanted)) or 0

    async def heads(self) -> Mapping[TenantId, int]:
        """Every tenant's head."""
        wanted = select(feed_heads.c.tenant_id, feed_heads.c.head)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return {TenantId(tenant): head for tenant, head in rows}

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many outbox rows have no position yet, and when the oldest was raised."""
        oldest = func.min(alerts.c.raised_at)
        wanted = select(func.count(), oldest).join_from(
            outbox, alerts, alerts.c.alert_id == outbox.c.alert_id
        )
        async with self._database.reading() as connection:
            count, raised_at = (await connection.execute(wanted)).one()
            return count, raised_at


def feed_item(position: int, told: int, alert: Alert) -> FeedItem:
    """An alert as readers of the feed see it: under the number of what was told."""
    return FeedItem(position=position, alert=replace(alert, seq=told))


async def _publish(connection: AsyncConnection, tenant: TenantId, limit: int) -> int:
    whose = feed_heads.c.tenant_id == tenant
    lock = select(feed_heads.c.head).where(whose).with_for_update(skip_locked=True)
    head = await connection.scalar(lock)
    if head is None:  # another dispatcher is at it
        return 0
    oldest = (
        select(outbox.c.outbox_id, outbox.c.alert_id, alerts.c.session_id)
        .join_from(outbox, alerts, alerts.c.alert_id == outbox.c.alert_id)
        .where(outbox.c.tenant_id == tenant)
    )
    rows = (await connection.execute(oldest.order_by(outbox.c.outbox_id).limit(limit))).all()
    if not rows:
        return 0
    give = (
        update(alerts)
        .where(alerts.c.alert_id == bindparam("alert"))
        .values(position=bindparam("place"), told=bindparam("number"))
    )
    told = await _told(connection, {SessionId(row.session_id) for row in rows})
    places = []
    for place, row in enumerate(rows, start=1):
        told[row.session_id] += 1
        places.append(
            {
                "alert": row.alert_id,
                "place": head + place,
                "number": told[row.session_id],
            }
        )
    await connection.execute(give, places)
    taken = outbox.c.outbox_id.in_([outbox_id for outbox_id, *_ in rows])
    await connection.execute(delete(outbox).where(taken))
    await connection.execute(update(feed_heads).where(whose).values(head=head + len(rows)))
    return len(rows)


async def _told(
    connection: AsyncConnection, session_ids: AbstractSet[SessionId]
) -> defaultdict[SessionId, int]:
    """How many alerts of each session have been told."""
    counted = (
        select(alerts.c.session_id, func.max(alerts.c.told))
        .where(alerts.c.session_id.in_(session_ids), alerts.c.told.is_not(None))
        .group_by(alerts.c.session_id)
    )
    rows = await connection.execute(counted)
    return defaultdict(int, {SessionId(session): told for session, told in rows})
