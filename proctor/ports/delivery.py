"""Where alerts are pushed to, and what is remembered of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import (
    Attempt,
    Backlog,
    Delivery,
    DeliveryState,
    Owed,
    Planned,
    Sent,
    SinkKind,
)
from proctor.domain.ids import AlertId, SinkId, TenantId
from proctor.domain.sinks import Health, Sink, SinkSecret


class AlertSink(Protocol):
    """One system that takes alerts. It is called by one task at a time and keeps no memory of its own."""

    async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
        """Try to deliver, in this order.

        Whatever goes wrong outside is an answer and not an exception; a call ends within the sink's own
        deadline. An alert that was sent before may come again with the same `alert_id`. Where alerts of
        one call can fare differently, one that comes after a failed one of its session is not delivered.

        Returns:
            One answer per alert of the batch, in its order.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...


class SinkMaker(Protocol):
    """Turns what is stored of a sink into something that sends."""

    def open(self, sink: Sink, secrets: Sequence[SinkSecret]) -> AlertSink:
        """Connects nowhere yet. Raises `InvalidInput` when the sink cannot be used any more."""
        ...

    async def check(self, kind: SinkKind, target: str, tenant_id: TenantId) -> None:
        """Whether a tenant may send there. Raises `InvalidInput` (`webhook/url-refused` and others)."""
        ...


class SinkStore(Protocol):
    """The tenants' sinks."""

    async def add_sink(self, sink: Sink, sealed: bytes, most: int) -> None:
        """Store a new one. Raises `Conflict`: the name is taken, or the tenant has `most` already."""
        ...

    async def get_sink(self, tenant_id: TenantId, sink_id: SinkId) -> Sink:
        """Raises `NotFound`."""
        ...

    async def list_sinks(
        self, tenant_id: TenantId, after: SinkId | None, limit: int
    ) -> Sequence[Sink]:
        """By id, after a cursor."""
        ...

    async def put_sink(self, sink: Sink, sealed: bytes | None = None) -> Sink:
        """Store what a person changed; its cursor stays, its health begins anew. The sink as it is now.

        Where another target is named, or sending begins again, what failed before is due at once.

        Raises `Conflict` when it was changed since (`version`) or the name is taken, `NotFound`.
        """
        ...

    async def remove_sink(self, tenant_id: TenantId, sink_id: SinkId) -> None:
        """Forget it, with its secrets, its deliveries and its log. Raises `NotFound`."""
        ...

    async def sealed_secrets(self, tenant_id: TenantId, sink_id: SinkId) -> bytes:
        """As they were stored. Raises `NotFound`."""
        ...

    async def running_sinks(self) -> Sequence[Sink]:
        """Every tenant's sinks that are enabled."""
        ...


class DeliveryStore(Protocol):
    """What is owed to each sink, and every try that was made."""

    async def hold(self, sink_id: SinkId, owner: str, now: datetime, until: datetime) -> bool:
        """Take or keep the sink for this dispatcher; False while another one has it, or it is gone."""
        ...

    async def let_go(self, sink_id: SinkId, owner: str) -> None:
        """Leave the sink to whoever wants it. Nothing happens when another one has it."""
        ...

    async def plan(
        self, sink_id: SinkId, cursor: int, planned: Sequence[Planned], now: datetime
    ) -> bool:
        """Note what becomes of the feed's next items and move the cursor to the last of them.

        Returns:
            False, and nothing is noted, when the sink's cursor is not `cursor` any more.
        """
        ...

    async def due(self, sink_id: SinkId, now: datetime, limit: int) -> Sequence[Owed]:
        """Pending alerts whose time has come, by position; batches that were tried come whole.

        An alert that has an earlier pending one of its session that is not due is not among them.
        """
        ...

    async def next_due(self, sink_id: SinkId, after: datetime) -> datetime | None:
        """The earliest time later than `after` at which a pending alert may be tried; None: never."""
        ...

    async def bind(self, sink_id: SinkId, alert_ids: Sequence[AlertId], batch_id: str) -> None:
        """Note that these pending alerts go out together, before they do."""
        ...

    async def record(
        self,
        sink_id: SinkId,
        attempts: Sequence[Attempt],
        health: Health | None,
        disable: str = "",
        *,
        version: int | None = None,
    ) -> None:
        """Log tries and what follows of them, in one step. The same try again changes nothing.

        An alert that another dispatcher has tried meanwhile keeps what that one found, but for a
        delivery: whoever delivered it, it is delivered.

        Args:
            sink_id: Which sink.
            attempts: What was tried.
            health: How the other end is doing; None when that is stored already.
            disable: Why the sink is disabled from now on; empty when it is not.
            version: The sink's, as the call had it. Where a person has changed the sink since, `health`
                and `disable` speak of another receiver, and are left out. None: they hold in any case.
        """
        ...

    async def pass_over(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId], code: str, now: datetime
    ) -> None:
        """Mark pending alerts as filtered, with a reason."""
        ...

    async def give_up(
        self, sink_id: SinkId, planned_before: datetime, code: str, now: datetime
    ) -> int:
        """Make dead letters of every pending alert planned before then; how many."""
        ...

    async def states(
        self, sink_id: SinkId, alert_ids: Sequence[AlertId]
    ) -> Mapping[AlertId, DeliveryState]:
        """Where these alerts stand with a sink; those it has not looked at are not in it."""
        ...

    async def backlogs(self) -> Mapping[SinkId, Backlog]:
        """What every sink still owes; sinks that never had an alert are not in it."""
        ...

    async def backlog(self, sink_id: SinkId) -> Backlog:
        """What one sink still owes."""
        ...

    async def dead_letters(
        self, tenant_id: TenantId, sink_id: SinkId, after: int, limit: int
    ) -> Sequence[Delivery]:
        """By position, after one; without their tries."""
        ...

    async def replay(
        self,
        tenant_id: TenantId,
        sink_id: SinkId,
        now: datetime,
        alert_ids: Sequence[AlertId] | None = None,
        positions: tuple[int, int] | None = None,
    ) -> int:
        """Make dead letters pending again, at once and with all their tries.

        Args:
            tenant_id: Whose.
            sink_id: Which sink.
            now: The moment.
            alert_ids: These alone; None for any.
            positions: First and last position; None for all.

        Returns:
            How many; what is no dead letter is left as it is.
        """
        ...

    async def deliveries_of(self, tenant_id: TenantId, alert_id: AlertId) -> Sequence[Delivery]:
        """Where an alert stands with every sink, with every try. Raises `NotFound` for no alert."""
        ...

    async def forget(self, ended_before: datetime, limit: int) -> int:
        """Delete what was delivered or filtered before then, with its tries; how many."""
        ...


class Resolver(Protocol):
    """Names to addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Every address of the name, as text; none when it is not known. Raises `OSError`."""
        ...
