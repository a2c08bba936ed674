"""`SinkStore` in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.delivery_tables import deliveries, delivery_attempts, sinks
from proctor.domain.deliveries import DeliveryState, SinkKind
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import SinkId, TenantId
from proctor.domain.sinks import Health, Sink


class SqlSinkStore:
    """The tenants' sinks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_sink(self, sink: Sink, sealed: bytes, most: int) -> None:
        """Store a new one. Raises `Conflict`: the name is taken, or the tenant has `most` already."""
        count = select(func.count()).where(sinks.c.tenant_id == sink.tenant_id)
        row = {
            **_set_by_people(sink),
            "sink_id": sink.sink_id,
            "tenant_id": sink.tenant_id,
            "kind": sink.kind.value,
            "created_at": sink.created_at,
            "cursor": sink.cursor,
            "failures": 0,
            "version": sink.version,
            "sealed": sealed,
        }
        async with self._database.writing() as connection:
            await self._one_at_a_time(connection, sink.tenant_id)
            if (await connection.scalar(count) or 0) >= most:
                raise Conflict(f"There are {most} sinks already; remove one first.", "sinks/full")
            await connection.execute(insert(sinks), [row])

    async def _one_at_a_time(self, connection: AsyncConnection, tenant_id: TenantId) -> None:
        """Until the transaction ends. On SQLite writers are; PostgreSQL would count without the others."""
        if not self._database.is_sqlite:
            name = func.hashtextextended(f"sinks of {tenant_id}", 0)
            await connection.execute(select(func.pg_advisory_xact_lock(name)))

    async def get_sink(self, tenant_id: TenantId, sink_id: SinkId) -> Sink:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            return await _get(connection, tenant_id, sink_id)

    async def list_sinks(
        self, tenant_id: TenantId, after: SinkId | None, limit: int
    ) -> Sequence[Sink]:
        """By id, after a cursor."""
        page = select(sinks).where(sinks.c.tenant_id == tenant_id)
        if after is not None:
            page = page.where(sinks.c.sink_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(sinks.c.sink_id).limit(limit))
            return [_sink(row) for row in rows]

    async def put_sink(self, sink: Sink, sealed: bytes | None = None) -> Sink:
        """Store what a person changed; its health begins anew. Raises `Conflict`, `NotFound`.

        What failed before is due at once where another receiver is named, or sending begins again.
        """
        new: dict[str, Any] = {
            **_set_by_people(sink),
            "version": sink.version + 1,
            "failures": 0,
            "failing_since": None,
            "rests_until": None,
        }
        if sealed is not None:
            new["sealed"] = sealed
        change = (
            update(sinks)
            .where(
                sinks.c.tenant_id == sink.tenant_id,
                sinks.c.sink_id == sink.sink_id,
                sinks.c.version == sink.version,
            )
            .values(new)
        )
        due = (
            update(deliveries)
            .where(
                deliveries.c.sink_id == sink.sink_id,
                deliveries.c.state == DeliveryState.PENDING.value,
                deliveries.c.attempts > 0,
            )
            .values(next_at=deliveries.c.planned_at)
        )
        async with self._database.writing() as connection:
            known = await _get(connection, sink.tenant_id, sink.sink_id)
            if known.target != sink.target or (sink.is_enabled and not known.is_enabled):
                await connection.execute(due)  # before the sink's row, as `record` takes its locks
            changed = (await connection.execute(change)).rowcount
            found = await _get(connection, sink.tenant_id, sink.sink_id)
            if not changed:
                raise Conflict("The sink was changed meanwhile; read it again.")
            return found

    async def remove_sink(self, tenant_id: TenantId, sink_id: SinkId) -> None:
        """Forget it, with its secrets, its deliveries and its log. Raises `NotFound`."""
        async with self._database.writing() as connection:
            await _get(connection, tenant_id, sink_id)
            for table in (delivery_attempts, deliveries, sinks):
                await connection.execute(delete(table).where(table.c.sink_id == sink_id))

    async def sealed_secrets(self, tenant_id: TenantId, sink_id: SinkId) -> bytes:
        """As they were stored. Raises `NotFound`."""
        wanted = select(sinks.c.sealed).where(
            sinks.c.tenant_id == tenant_id, sinks.c.sink_id == sink_id
        )
        async with self._database.reading() as connection:
            sealed: bytes | None = await connection.scalar(wanted)
        if sealed is None:
            raise NotFound(f"no sink {sink_id}")
        return sealed

    async def running_sinks(self) -> Sequence[Sink]:
        """Every tenant's sinks that are enabled."""
        wanted = select(sinks).where(sinks.c.is_enabled).order_by(sinks.c.sink_id)
        async with self._database.reading() as connection:
            return [_sink(row) for row in await connection.execute(wanted)]


async def _get(connection: AsyncConnection, tenant_id: TenantId, sink_id: SinkId) -> Sink:
    wanted = select(sinks).where(sinks.c.tenant_id == tenant_id, sinks.c.sink_id == sink_id)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound(f"no sink {sink_id}")
    return _sink(row)


def _set_by_people(sink: Sink) -> dict[str, Any]:
    return {
        "name": sink.name,
        "target": sink.target,
        "filter": sink.filter,
        "batching": sink.batching,
        "fallback_for": sink.fallback_for,
        "fallback_after_s": sink.fallback_after_s,
        "is_enabled": sink.is_enabled,
        "disabled_by": sink.disabled_by,
    }


def _sink(row: Row[Any]) -> Sink:
    return Sink(
        sink_id=SinkId(row.sink_id),
        tenant_id=TenantId(row.tenant_id),
        name=row.name,
        kind=SinkKind(row.kind),
        target=row.target,
        filter=row.filter,
        batching=row.batching,
        fallback_for=row.fallback_for,
        fallback_after_s=row.fallback_after_s,
        is_enabled=row.is_enabled,
        disabled_by=row.disabled_by,
        created_at=row.created_at,
        cursor=row.cursor,
        health=Health(
            failures=row.failures, failing_since=row.failing_since, rests_until=row.rests_until
        ),
        version=row.version,
    )
