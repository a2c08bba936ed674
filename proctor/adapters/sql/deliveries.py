"""`DeliveryStore` in SQL: what is owed to each sink, and every try.

Two dispatchers may run. A lease per sink keeps one of them at a time at work for it; when a lease runs
out under a dispatcher that hangs, both may send the same alert, under the same id. What each of them
records is compared with the number of tries it began from, so neither writes over the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Update, and_, bindparam, exists, func, select, update

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.delivery_log import SqlDeliveryLog
from proctor.adapters.sql.delivery_tables import deliveries, delivery_attempts, sinks
from proctor.adapters.sql.feed import feed_item
from proctor.adapters.sql.tables import alerts
from proctor.domain.deliveries import (
    Attempt,
    DeliveryState,
    Owed,
    Planned,
)
from proctor.domain.ids import AlertId, SinkId
from proctor.domain.sinks import Health

_PENDING = DeliveryState.PENDING.value


class SqlDeliveryStore(SqlDeliveryLog):
    """What the dispatcher needs; what is asked for stands in `SqlDeliveryLog`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    async def hold(self, sink_id: SinkId, owner: str, now: datetime, until: datetime) -> bool:
        """Take or keep the sink for this dispatcher; False while another one has it, or it is gone."""
        is_free = (
            (sinks.c.lease_owner == owner)
            | sinks.c.lease_until.is_(None)
            | (sinks.c.lease_until <= now)
        )
        take = (
            update(sinks)
            .where(sinks.c.sink_id == sink_id, is_free)
            .values(lease_owner=owner, lease_until=until)
        )
        async with self._database.writing() as connection:
            return bool((await connection.execute(take)).rowcount)

    async def let_go(self, sink_id: SinkId, owner: str) -> None:
        """Leave the sink to whoever wants it. Nothing happens when another one has it."""
        leave = (
            update(sinks)
            .where(sinks.c.sink_id == sink_id, sinks.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
        async with self._database.writing() as connection:
            await connection.execute(leave)

    async def plan(
        self, sink_id: SinkId, cursor: int, planned: Sequence[Planned], now: datetime
    ) -> bool:
        """Note what becomes of the feed's next items and move the cursor to the last of them."""
        if not planned:
            return True
        move = (
            update(sinks)
            .where(sinks.c.sink_id == sink_id, sinks.c.cursor == cursor)
            .values(cursor=planned[-1].item.position)
        )
        new = self._database.insert(deliveries).on_conflict_do_nothing()
        async with self._database.writing() as connection:
            if not (await connection.execute(move)).rowcount:
                return False
            await connection.execute(new, [_row(sink_id, one, now) for one in planned])
            return True

    async def due(self, sink_id: SinkId, now: datetime, limit: int) -> Sequence[Owed]:
        """Pending alerts whose time has come, by position; batches that were tried come whole."""
        d, earlier = deliveries, deliveries.alias("earlier")
        is_held_back = exists().where(
            earlier.c.sink_id == d.c.sink_id,
            earlier.c.session_id == d.c.session_id,
            earlier.c.position < d.c.position,
            earlier.c.state == _PENDING,
            earlier.c.next_at > now,
        )
        wanted = select(
            d.c.position,
            alerts.c.told,
            alerts.c.payload,
            d.c.attempts,
            d.c.planned_at,
            d.c.batch_id,
        ).join_from(d, alerts, alerts.c.alert_id == d.c.alert_id)
        pending = wanted.where(d.c.state == _PENDING, d.c.sink_id == sink_id)
        free = pending.where(d.c.next_at <= now, ~is_held_back).order_by(d.c.position).limit(limit)
        async with self._database.reading() as connection:
            rows = list(await connection.execute(free))
            batches = {row.batch_id for row in rows if row.batch_id is not None}
            if len(rows) == limit and batches:  # the limit may have cut one of them
                whole = await connection.execute(pending.where(d.c.batch_id.in_(batches)))
                rows = [row for row in rows if row.batch_id is None] + list(whole)
        owed = [
            Owed(
                item=feed_item(row.position, row.told, row.payload),
                attempts=row.attempts,
                planned_at=row.planned_at,
                batch_id=row.batch_id,
            )
            for row in rows
        ]
        return sorted(owed, key=lambda one: one.item.position)

    async def next_due(self, sink_id: SinkId, after: datetime) -> datetime | None:
        """The earliest time later than `after` at which a pending alert may be tried; None: never."""
        wanted = select(func.min(deliveries.c.next_at)).where(
            deliveries.c.state == _PENDING,
            deliveries.c.sink_id == sink_id,
            deliveries.c.next_at > after,
        )
        async with self._database.reading() as connection:
            earliest: datetime | None = await connection.scalar(wanted)
            return earliest

    async def bind(self, sink_id: SinkId, alert_ids: Sequence[AlertId], batch_id: str) -> None:
        """Note that these pending alerts go out together, before they do."""
        note = (
            update(deliveries)
            .where(
                deliveries.c.sink_id == sink_id,
                deliveries.c.alert_id.in_(alert_ids),
                deliveries.c.state == _PENDING,
            )
            .values(batch_id=batch_id)
        )
        async with self._database.writing() as connection:
            await connection.execute(note)

    async def record(
        self,
        sink_id: SinkId,
        attempts: Sequence[Attempt],
        health: Health | None,
        disable: str = "",
        *,
        version: int | None = None,
    ) -> None:
        """Log tries and what follows of them, in one step. The same try again changes nothing."""
        sink = update(sinks).where(sinks.c.sink_id == sink_id)
        if version is not None:
            sink = sink.where(sinks.c.version == version)
        stop = sink.where(sinks.c.is_enabled).values(
            is_enabled=False, disabled_by=disable, version=sinks.c.version + 1
        )
        known = select(deliveries.c.alert_id, deliveries.c.tenant_id, deliveries.c.replays).where(
            deliveries.c.sink_id == sink_id,
            deliveries.c.alert_id.in_([one.alert_id for one in attempts]),
        )
        async with self._database.writing() as connection:
            rows = {row.alert_id: row for row in await connection.execute(known)}
            made = [one for one in attempts if one.alert_id in rows]
            if made:
                log = self._database.insert(delivery_attempts).on_conflict_do_nothing()
                tries = [
                    {
                        "sink_id": sink_id,
                        "alert_id": one.alert_id,
                        "replay": rows[one.alert_id].replays,
                        "number": one.number,
                        "tenant_id": rows[one.alert_id].tenant_id,
                        "at": one.at,
                        "took_ms": one.took_ms,
                        "outcome": one.sent.outcome.value,
                        "code": one.sent.code,
                        "status": one.sent.status,
                    }
                    for one in made
                ]
                await connection.execute(log, tries)
                for is_delivery in (True, False):
                    found = [
                        _changed(one)
                        for one in made
                        if (one.state is DeliveryState.DELIVERED) == is_delivery
                    ]
                    if found:
                        await connection.execute(_change(sink_id, is_delivery=is_delivery), found)
            if health is not None:
                await connection.execute(sink.values(asdict(health)))
            if disable:
                await connection.execute(stop)

    async def pass_over(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId], code: str, now: datetime
    ) -> None:
        """Mark pending alerts as filtered, with a reason."""
        if not alert_ids:
            return
        skip = (
            update(deliveries)
            .where(
                deliveries.c.sink_id == sink_id,
                deliveries.c.alert_id.in_(alert_ids),
                deliveries.c.state == _PENDING,
            )
            .values(state=DeliveryState.FILTERED.value, code=code, next_at=None, ended_at=now)
        )
        async with self._database.writing() as connection:
            await connection.execute(skip)

    async def give_up(
        self, sink_id: SinkId, planned_before: datetime, code: str, now: datetime
    ) -> int:
        """Make dead letters of every pending alert planned before then; how many."""
        bury = (
            update(deliveries)
            .where(
                deliveries.c.sink_id == sink_id,
                deliveries.c.state == _PENDING,
                deliveries.c.planned_at <= planned_before,
            )
            .values(state=DeliveryState.DEAD.value, code=code, next_at=None, ended_at=now)
        )
        async with self._database.writing() as connection:
            return (await connection.execute(bury)).rowcount

    async def states(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId]
    ) -> Mapping[AlertId, DeliveryState]:
        """Where these alerts stand with a sink; those it has not looked at are not in it."""
        wanted = select(deliveries.c.alert_id, deliveries.c.state).where(
            deliveries.c.sink_id == sink_id, deliveries.c.alert_id.in_(alert_ids)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return {AlertId(alert_id): DeliveryState(state) for alert_id, state in rows}


def _row(sink_id: SinkId, one: Planned, now: datetime) -> dict[str, object]:
    is_pending = one.state is DeliveryState.PENDING
    alert = one.item.alert
    return {
        "sink_id": sink_id,
        "alert_id": alert.alert_id,
        "tenant_id": alert.tenant_id,
        "session_id": alert.session_id,
        "position": one.item.position,
        "state": one.state.value,
        "attempts": 0,
        "replays": 0,
        "code": "",
        "planned_at": now,
        "next_at": one.due_at if is_pending else None,
        "ended_at": None if is_pending else now,
    }


def _changed(one: Attempt) -> dict[str, object]:
    is_pending = one.state is DeliveryState.PENDING
    return {
        "alert": one.alert_id,
        "before": one.number - 1,
        "new_state": one.state.value,
        "new_attempts": one.number,
        "new_code": one.sent.code,
        "new_next_at": one.next_at if is_pending else None,
        "new_ended_at": None if is_pending else one.at,
        "new_batch_id": one.batch_id,
    }


def _change(sink_id: SinkId, *, is_delivery: bool) -> Update:
    d = deliveries
    whose = and_(d.c.sink_id == sink_id, d.c.alert_id == bindparam("alert"))
    if is_delivery:
        unless = d.c.state != DeliveryState.DELIVERED.value
    else:
        unless = and_(d.c.state == _PENDING, d.c.attempts == bindparam("before"))
    return (
        update(d)
        .where(whose, unless)
        .values(
            state=bindparam("new_state"),
            attempts=bindparam("new_attempts"),
            code=bindparam("new_code"),
            next_at=bindparam("new_next_at"),
            ended_at=bindparam("new_ended_at"),
            batch_id=bindparam("new_batch_id"),
        )
    )
