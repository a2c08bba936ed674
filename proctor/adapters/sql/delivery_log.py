"""What is asked of the deliveries: dead letters, sending again, the log of an alert, how much is owed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, select, update

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.delivery_tables import deliveries, delivery_attempts
from proctor.adapters.sql.tables import alerts
from proctor.domain.deliveries import Backlog, Delivery, DeliveryState, Outcome, Tried
from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, SessionId, SinkId, TenantId

_DEAD = DeliveryState.DEAD.value
_PENDING = DeliveryState.PENDING.value


class SqlDeliveryLog:
    """The half of `DeliveryStore` that people look at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dead_letters(
        self, tenant_id: TenantId, sink_id: SinkId, after: int, limit: int
    ) -> Sequence[Delivery]:
        """By position, after one; without their tries."""
        page = (
            select(deliveries)
            .where(
                deliveries.c.state == _DEAD,
                deliveries.c.sink_id == sink_id,
                deliveries.c.tenant_id == tenant_id,
                deliveries.c.position > after,
            )
            .order_by(deliveries.c.position)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_delivery(row, ()) for row in await connection.execute(page)]

    async def replay(
        self,
        tenant_id: TenantId,
        sink_id: SinkId,
        now: datetime,
        alert_ids: Sequence[AlertId] | None = None,
        positions: tuple[int, int] | None = None,
    ) -> int:
        """Make dead letters pending again, at once and with all their tries; how many."""
        again = update(deliveries).where(
            deliveries.c.state == _DEAD,
            deliveries.c.sink_id == sink_id,
            deliveries.c.tenant_id == tenant_id,
        )
        if alert_ids is not None:
            again = again.where(deliveries.c.alert_id.in_(alert_ids))
        if positions is not None:
            again = again.where(deliveries.c.position.between(*positions))
        again = again.values(
            state=DeliveryState.PENDING.value,
            attempts=0,
            replays=deliveries.c.replays + 1,
            code="",
            planned_at=now,
            next_at=now,
            ended_at=None,
            batch_id=None,
        )
        async with self._database.writing() as connection:
            return (await connection.execute(again)).rowcount

    async def deliveries_of(self, tenant_id: TenantId, alert_id: AlertId) -> Sequence[Delivery]:
        """Where an alert stands with every sink, with every try. Raises `NotFound` for no alert."""
        whose = (deliveries.c.tenant_id == tenant_id, deliveries.c.alert_id == alert_id)
        is_there = select(alerts.c.alert_id).where(
            alerts.c.tenant_id == tenant_id, alerts.c.alert_id == alert_id
        )
        tries = (
            select(delivery_attempts)
            .where(
                delivery_attempts.c.tenant_id == tenant_id,
                delivery_attempts.c.alert_id == alert_id,
            )
            .order_by(delivery_attempts.c.replay, delivery_attempts.c.number)
        )
        async with self._database.reading() as connection:
            if await connection.scalar(is_there) is None:
                raise NotFound(f"no alert {alert_id}")
            made: dict[str, list[Tried]] = {}
            for row in await connection.execute(tries):
                made.setdefault(row.sink_id, []).append(_tried(row))
            rows = await connection.execute(
                select(deliveries).where(*whose).order_by(deliveries.c.sink_id)
            )
            return [_delivery(row, tuple(made.get(row.sink_id, ()))) for row in rows]

    async def backlogs(self) -> Mapping[SinkId, Backlog]:
        """What every sink still owes; sinks that never had an alert are not in it."""
        return await self._backlogs(None)

    async def backlog(self, sink_id: SinkId) -> Backlog:
        """What one sink still owes."""
        return (await self._backlogs(sink_id)).get(sink_id, Backlog())

    async def _backlogs(self, sink_id: SinkId | None) -> dict[SinkId, Backlog]:
        d = deliveries
        wanted = (
            select(d.c.sink_id, d.c.state, func.count(), func.min(d.c.planned_at))
            .where(d.c.state.in_([_PENDING, _DEAD]))
            .group_by(d.c.sink_id, d.c.state)
        )
        if sink_id is not None:
            wanted = wanted.where(d.c.sink_id == sink_id)
        found: dict[SinkId, Backlog] = {}
        async with self._database.reading() as connection:
            for name, state, count, oldest_at in await connection.execute(wanted):
                known = found.get(SinkId(name), Backlog())
                found[SinkId(name)] = (
                    replace(known, pending=count, oldest_at=oldest_at)
                    if state == _PENDING
                    else replace(known, dead=count)
                )
        return found

    async def forget(self, ended_before: datetime, limit: int) -> int:
        """Delete what was delivered or filtered before then, with its tries; how many."""
        d, a = deliveries, delivery_attempts
        old = (
            select(d.c.sink_id, d.c.alert_id)
            .where(
                d.c.state.in_([DeliveryState.DELIVERED.value, DeliveryState.FILTERED.value]),
                d.c.ended_at < ended_before,
            )
            .limit(limit)
        )
        async with self._database.writing() as connection:
            rows = [{"sink": s, "alert": alert} for s, alert in await connection.execute(old)]
            for table in (a, d):
                whose = and_(
                    table.c.sink_id == bindparam("sink"), table.c.alert_id == bindparam("alert")
                )
                if rows:
                    await connection.execute(delete(table).where(whose), rows)
            return len(rows)


def _tried(row: Row[Any]) -> Tried:
    return Tried(
        number=row.number,
        replay=row.replay,
        at=row.at,
        took_ms=row.took_ms,
        outcome=Outcome(row.outcome),
        code=row.code,
        status=row.status,
    )


def _delivery(row: Row[Any], tries: tuple[Tried, ...]) -> Delivery:
    return Delivery(
        sink_id=SinkId(row.sink_id),
        alert_id=AlertId(row.alert_id),
        session_id=SessionId(row.session_id),
        position=row.position,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        replays=row.replays,
        code=row.code,
        planned_at=row.planned_at,
        next_at=row.next_at,
        ended_at=row.ended_at,
        tries=tries,
    )
