"""Sinks and deliveries in memory. They pass the contract suites of their ports."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.deliveries import (
    Attempt,
    Backlog,
    Delivery,
    DeliveryState,
    Owed,
    Planned,
    Tried,
)
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import AlertId, SinkId, TenantId
from proctor.domain.sinks import Health, Sink
from tests.fakes.database import FakeDatabase, FakeRelational, page

PENDING, DEAD = DeliveryState.PENDING, DeliveryState.DEAD


class FakeSinkStore(FakeRelational):
    """`SinkStore` in memory."""

    async def add_sink(self, sink: Sink, sealed: bytes, most: int) -> None:
        self._reach()
        own = [one for one in self.database.sinks.values() if one.tenant_id == sink.tenant_id]
        if len(own) >= most:
            raise Conflict("full", "sinks/full")
        self._check_name(sink)
        self.database.sinks[sink.sink_id] = sink
        self.database.sealed[sink.sink_id] = sealed

    def _check_name(self, sink: Sink) -> None:
        for one in self.database.sinks.values():
            is_same = (one.tenant_id, one.name) == (sink.tenant_id, sink.name)
            if is_same and one.sink_id != sink.sink_id:
                raise Conflict("this exists already")

    async def get_sink(self, tenant_id: TenantId, sink_id: SinkId) -> Sink:
        self._reach()
        sink = self.database.sinks.get(sink_id)
        if sink is None or sink.tenant_id != tenant_id:
            raise NotFound(f"no sink {sink_id}")
        return sink

    async def list_sinks(
        self, tenant_id: TenantId, after: SinkId | None, limit: int
    ) -> Sequence[Sink]:
        self._reach()
        sinks = self.database.sinks.values()
        return page(((s.sink_id, s) for s in sinks if s.tenant_id == tenant_id), after, limit)

    async def put_sink(self, sink: Sink, sealed: bytes | None = None) -> Sink:
        known = await self.get_sink(sink.tenant_id, sink.sink_id)
        if known.version != sink.version:
            raise Conflict("changed meanwhile")
        self._check_name(sink)
        new = replace(sink, cursor=known.cursor, health=Health(), version=known.version + 1)
        self.database.sinks[sink.sink_id] = new
        if known.target != sink.target or (sink.is_enabled and not known.is_enabled):
            for key, one in self.database.deliveries.items():
                if key[0] == sink.sink_id and one.state is PENDING and one.attempts:
                    self.database.deliveries[key] = replace(one, next_at=one.planned_at)
        if sealed is not None:
            self.database.sealed[sink.sink_id] = sealed
        return new

    async def remove_sink(self, tenant_id: TenantId, sink_id: SinkId) -> None:
        await self.get_sink(tenant_id, sink_id)
        del self.database.sinks[sink_id], self.database.sealed[sink_id]
        for key in [key for key in self.database.deliveries if key[0] == sink_id]:
            del self.database.deliveries[key]

    async def sealed_secrets(self, tenant_id: TenantId, sink_id: SinkId) -> bytes:
        await self.get_sink(tenant_id, sink_id)
        return self.database.sealed[sink_id]

    async def running_sinks(self) -> Sequence[Sink]:
        self._reach()
        return sorted(
            (sink for sink in self.database.sinks.values() if sink.is_enabled),
            key=lambda sink: sink.sink_id,
        )


class FakeDeliveryStore(FakeRelational):
    """`DeliveryStore` in memory."""

    def __init__(self, database: FakeDatabase | None = None) -> None:
        super().__init__(database)
        self._leases: dict[SinkId, tuple[str, datetime]] = {}
        self._batches: dict[tuple[SinkId, AlertId], str | None] = {}

    def _of(self, sink_id: SinkId) -> list[Delivery]:
        found = [one for (sink, _), one in self.database.deliveries.items() if sink == sink_id]
        return sorted(found, key=lambda one: one.position)

    def _put(self, one: Delivery) -> None:
        self.database.deliveries[one.sink_id, one.alert_id] = one

    async def hold(self, sink_id: SinkId, owner: str, now: datetime, until: datetime) -> bool:
        self._reach()
        if sink_id not in self.database.sinks:
            return False
        holder, held_until = self._leases.get(sink_id, (owner, now))
        if holder != owner and held_until > now:
            return False
        self._leases[sink_id] = (owner, until)
        return True

    async def let_go(self, sink_id: SinkId, owner: str) -> None:
        self._reach()
        if self._leases.get(sink_id, ("",))[0] == owner:
            del self._leases[sink_id]

    async def plan(
        self, sink_id: SinkId, cursor: int, planned: Sequence[Planned], now: datetime
    ) -> bool:
        self._reach()
        if not planned:
            return True
        sink = self.database.sinks.get(sink_id)
        if sink is None or sink.cursor != cursor:
            return False
        self.database.sinks[sink_id] = replace(sink, cursor=planned[-1].item.position)
        for one in planned:
            alert = one.item.alert
            is_pending = one.state is PENDING
            self._put(
                Delivery(
                    sink_id=sink_id,
                    alert_id=alert.alert_id,
                    session_id=alert.session_id,
                    position=one.item.position,
                    state=one.state,
                    attempts=0,
                    replays=0,
                    code="",
                    planned_at=now,
                    next_at=one.due_at if is_pending else None,
                    ended_at=None if is_pending else now,
                )
            )
        return True

    async def due(self, sink_id: SinkId, now: datetime, limit: int) -> Sequence[Owed]:
        self._reach()
        held: set[str] = set()
        free: list[Delivery] = []
        for one in self._of(sink_id):
            if one.state is not PENDING or one.next_at is None:
                continue
            if one.next_at > now:
                held.add(one.session_id)
            elif one.session_id not in held:
                free.append(one)
        free = free[:limit]
        batches = {self._batches.get((sink_id, one.alert_id)) for one in free} - {None}
        for one in self._of(sink_id):
            if (
                one.state is PENDING
                and self._batches.get((sink_id, one.alert_id)) in batches
                and one not in free
            ):
                free.append(one)
        items = {
            item.alert.alert_id: item for feed in self.database.feeds.values() for item in feed
        }
        owed = [
            Owed(
                item=items[one.alert_id],
                attempts=one.attempts,
                planned_at=one.planned_at,
                batch_id=self._batches.get((sink_id, one.alert_id)),
            )
            for one in free
        ]
        return sorted(owed, key=lambda one: one.item.position)

    async def next_due(self, sink_id: SinkId, after: datetime) -> datetime | None:
        self._reach()
        times = (one.next_at for one in self._of(sink_id) if one.state is PENDING and one.next_at)
        return min((time for time in times if time > after), default=None)

    async def bind(self, sink_id: SinkId, alert_ids: Sequence[AlertId], batch_id: str) -> None:
        self._reach()
        for alert_id in alert_ids:
            self._batches[sink_id, alert_id] = batch_id

    async def record(
        self,
        sink_id: SinkId,
        attempts: Sequence[Attempt],
        health: Health | None,
        disable: str = "",
        *,
        version: int | None = None,
    ) -> None:
        self._reach()
        for one in attempts:
            known = self.database.deliveries.get((sink_id, one.alert_id))
            if known is not None:
                self._record(known, one)
        sink = self.database.sinks.get(sink_id)
        if sink is not None and version in (None, sink.version):
            sink = replace(sink, health=health or sink.health)
            if disable and sink.is_enabled:
                sink = replace(
                    sink, is_enabled=False, disabled_by=disable, version=sink.version + 1
                )
            self.database.sinks[sink_id] = sink

    def _record(self, known: Delivery, one: Attempt) -> None:
        tried = Tried(
            number=one.number,
            replay=known.replays,
            at=one.at,
            took_ms=one.took_ms,
            outcome=one.sent.outcome,
            code=one.sent.code,
            status=one.sent.status,
        )
        if (tried.replay, tried.number) not in {(t.replay, t.number) for t in known.tries}:
            known = replace(known, tries=(*known.tries, tried))
        if one.state is DeliveryState.DELIVERED:
            applies = known.state is not DeliveryState.DELIVERED
        else:
            applies = known.state is PENDING and known.attempts == one.number - 1
        if applies:
            is_pending = one.state is PENDING
            known = replace(
                known,
                state=one.state,
                attempts=one.number,
                code=one.sent.code,
                next_at=one.next_at if is_pending else None,
                ended_at=None if is_pending else one.at,
            )
            self._batches[known.sink_id, known.alert_id] = one.batch_id
        self._put(known)

    async def pass_over(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId], code: str, now: datetime
    ) -> None:
        self._reach()
        for one in self._of(sink_id):
            if one.alert_id in alert_ids and one.state is PENDING:
                self._put(
                    replace(
                        one, state=DeliveryState.FILTERED, code=code, next_at=None, ended_at=now
                    )
                )

    async def give_up(
        self, sink_id: SinkId, planned_before: datetime, code: str, now: datetime
    ) -> int:
        self._reach()
        old = [
            one
            for one in self._of(sink_id)
            if one.state is PENDING and one.planned_at <= planned_before
        ]
        for one in old:
            self._put(replace(one, state=DEAD, code=code, next_at=None, ended_at=now))
        return len(old)

    async def states(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId]
    ) -> Mapping[AlertId, DeliveryState]:
        self._reach()
        return {one.alert_id: one.state for one in self._of(sink_id) if one.alert_id in alert_ids}

    async def backlogs(self) -> Mapping[SinkId, Backlog]:
        self._reach()
        names = {
            sink
            for (sink, _), one in self.database.deliveries.items()
            if one.state in (PENDING, DEAD)
        }
        return {sink: await self.backlog(sink) for sink in names}

    async def backlog(self, sink_id: SinkId) -> Backlog:
        self._reach()
        pending = [one for one in self._of(sink_id) if one.state is PENDING]
        return Backlog(
            pending=len(pending),
            dead=sum(one.state is DEAD for one in self._of(sink_id)),
            oldest_at=min((one.planned_at for one in pending), default=None),
        )

    async def dead_letters(
        self, tenant_id: TenantId, sink_id: SinkId, after: int, limit: int
    ) -> Sequence[Delivery]:
        self._reach()
        found = [
            replace(one, tries=())
            for one in self._of(sink_id)
            if one.state is DEAD and one.position > after and self._is_of(tenant_id, one)
        ]
        return found[:limit]

    def _is_of(self, tenant_id: TenantId, one: Delivery) -> bool:
        return self.database.alerts[one.alert_id].tenant_id == tenant_id

    async def replay(
        self,
        tenant_id: TenantId,
        sink_id: SinkId,
        now: datetime,
        alert_ids: Sequence[AlertId] | None = None,
        positions: tuple[int, int] | None = None,
    ) -> int:
        self._reach()
        again = [
            one
            for one in self._of(sink_id)
            if one.state is DEAD
            and self._is_of(tenant_id, one)
            and (alert_ids is None or one.alert_id in alert_ids)
            and (positions is None or positions[0] <= one.position <= positions[1])
        ]
        for one in again:
            self._batches.pop((sink_id, one.alert_id), None)
            self._put(
                replace(
                    one,
                    state=PENDING,
                    attempts=0,
                    replays=one.replays + 1,
                    code="",
                    planned_at=now,
                    next_at=now,
                    ended_at=None,
                )
            )
        return len(again)

    async def deliveries_of(self, tenant_id: TenantId, alert_id: AlertId) -> Sequence[Delivery]:
        self._reach()
        alert = self.database.alerts.get(alert_id)
        if alert is None or alert.tenant_id != tenant_id:
            raise NotFound(f"no alert {alert_id}")
        found = [one for one in self.database.deliveries.values() if one.alert_id == alert_id]
        return sorted(found, key=lambda one: one.sink_id)

    async def forget(self, ended_before: datetime, limit: int) -> int:
        self._reach()
        old = [
            key
            for key, one in self.database.deliveries.items()
            if one.state in (DeliveryState.DELIVERED, DeliveryState.FILTERED)
            and one.ended_at is not None
            and one.ended_at < ended_before
        ][:limit]
        for key in old:
            del self.database.deliveries[key]
        return len(old)
