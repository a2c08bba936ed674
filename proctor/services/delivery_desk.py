"""What every delivering worker of a process shares."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proctor.domain.ids import TenantId
from proctor.ports import AlertFeed, Clock, DeliveryStore, Metrics, SinkStore, Tracer
from proctor.services.no_tracing import OFF

LEASE_S = 30.0
CALL_S = 17.0
"""What a lease must still have before a call: the call's own 15 s and some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all workers of a process share.

    Attributes:
        owner: This dispatcher's name on leases.
        sinks: The tenants' sinks.
        deliveries: What is owed.
        feed: What came.
        caught_up: Up to where some live reader of a tenant has the feed (services/live_readers.py).
        clock: Time.
        metrics: Numbers for operators.
        tracer: Traces deliveries.
        luck: 0 to 1, for jitter.
        lease_s: How long a sink stays this dispatcher's without a word: after a crash, how long its
            alerts wait for the next dispatcher.
        call_s: Longer than any call to a sink.
    """

    owner: str
    sinks: SinkStore
    deliveries: DeliveryStore
    feed: AlertFeed
    caught_up: Callable[[TenantId], Awaitable[int | None]]
    clock: Clock
    metrics: Metrics
    tracer: Tracer = OFF
    luck: Callable[[], float] = random.random
    lease_s: float = LEASE_S
    call_s: float = CALL_S
