"""Sinks and what is owed to them, made up."""

from datetime import datetime, timedelta

from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import (
    Attempt,
    DeliveryState,
    Outcome,
    Planned,
    Sent,
    SinkKind,
)
from proctor.domain.ids import AlertId, SinkId, TenantId
from proctor.domain.sinks import Batching, Sink, SinkFilter
from tests.contract.samples import ACME, NOON

SINK = SinkId("snk_1")


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def sink(
    sink_id: str = "snk_1",
    tenant_id: TenantId = ACME,
    name: str = "",
    *,
    takes: SinkFilter = SinkFilter(),  # noqa: B008
    batching: Batching = Batching(),  # noqa: B008
    fallback_for: str | None = None,
    cursor: int = 0,
    is_enabled: bool = True,
    target: str = "https://hooks.example.org/alerts",
) -> Sink:
    return Sink(
        sink_id=SinkId(sink_id),
        tenant_id=tenant_id,
        name=name or f"name of {sink_id}",
        kind=SinkKind.WEBHOOK,
        target=target,
        filter=takes,
        batching=batching,
        fallback_for=fallback_for,
        created_at=NOON,
        cursor=cursor,
        is_enabled=is_enabled,
    )


def planned(
    item: FeedItem, due_s: float = 0, state: DeliveryState = DeliveryState.PENDING
) -> Planned:
    return Planned(item=item, state=state, due_at=at(due_s))


def delivered(alert_id: AlertId, number: int = 1, at_s: float = 1) -> Attempt:
    return Attempt(
        alert_id=alert_id,
        number=number,
        at=at(at_s),
        took_ms=20,
        sent=Sent(alert_id=alert_id, outcome=Outcome.DELIVERED, status=204),
        state=DeliveryState.DELIVERED,
    )


def failed(
    alert_id: AlertId,
    number: int = 1,
    at_s: float = 1,
    next_s: float | None = 6,
    batch_id: str | None = None,
) -> Attempt:
    """Tried again at `next_s`; None: a dead letter."""
    return Attempt(
        alert_id=alert_id,
        number=number,
        at=at(at_s),
        took_ms=20,
        sent=Sent(
            alert_id=alert_id, outcome=Outcome.RETRY, code="webhook/server-error", status=500
        ),
        state=DeliveryState.DEAD if next_s is None else DeliveryState.PENDING,
        next_at=None if next_s is None else at(next_s),
        batch_id=batch_id,
    )
