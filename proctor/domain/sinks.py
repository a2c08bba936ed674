"""Who wants to be told: a tenant's sinks, what each takes, and how each of them has been doing."""

from dataclasses import dataclass, field
from datetime import datetime

from proctor.domain.alerts import Transition
from proctor.domain.deliveries import SinkKind
from proctor.domain.ids import SinkId, TenantId
from proctor.domain.incidents import Category, Severity

LIVE = "live"
"""What `fallback_for` says of a sink that stands in for the live readers of the tenant's feed."""

MOST_IN_A_BATCH = 100
MOST_WAIT_MS = 60_000
MOST_HOLD_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkFilter:
    """Which alerts a sink takes. What is empty asks for nothing; everything that is set must hold.

    Attributes:
        exam_ids: Of these exams.
        session_ids: Of these sessions.
        rule_ids: Of these rules.
        categories: Of these categories.
        transitions: Of these transitions of the incident.
        severity_at_least: This severity or a higher one.
    """

    exam_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    transitions: tuple[Transition, ...] = ()
    severity_at_least: Severity = Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How alerts share a call.

    Attributes:
        most: Most alerts in one call; 1 sends each by itself.
        wait_ms: How long the first of a batch waits for company.
    """

    most: int = 1
    wait_ms: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.most <= MOST_IN_A_BATCH:
            raise ValueError(f"most must be 1 to {MOST_IN_A_BATCH}, got {self.most}")
        if not 0 <= self.wait_ms <= MOST_WAIT_MS:
            raise ValueError(f"wait_ms must be 0 to {MOST_WAIT_MS}, got {self.wait_ms}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the other end has been doing; what the circuit breaker knows (alerting/breaker.py).

    Attributes:
        failures: Tries in a row that failed.
        failing_since: When the first of them failed; None while all is well.
        rests_until: Nothing is sent before then; None when it may be.
    """

    failures: int = 0
    failing_since: datetime | None = None
    rests_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Something that a tenant's alerts are pushed to.

    Attributes:
        sink_id: Which.
        tenant_id: Whose, and whose alerts it gets.
        name: The tenant's own name for it.
        kind: Webhook or Kafka.
        target: A webhook's URL; the name that the operator gave a Kafka cluster.
        filter: Which alerts it takes.
        batching: How they share a call.
        fallback_for: Another sink's id, or `live`: it gets only what that one did not get in time.
        fallback_after_s: What "in time" means: counted from when this sink could have had the alert.
        is_enabled: Whether anything is sent.
        disabled_by: Why it is not, as a code (`webhook/gone`); empty when a person did it.
        created_at: Since when.
        cursor: Position in the tenant's feed up to which its alerts have been looked at.
        health: How the other end has been doing.
        version: Counts changes of what a person sets; of two changes at once one is refused.
    """

    sink_id: SinkId
    tenant_id: TenantId
    name: str
    kind: SinkKind
    target: str
    filter: SinkFilter = SinkFilter()
    batching: Batching = Batching()
    fallback_for: str | None = None
    fallback_after_s: int = 30
    is_enabled: bool = True
    disabled_by: str = ""
    created_at: datetime
    cursor: int = 0
    health: Health = Health()
    version: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.fallback_after_s <= MOST_HOLD_S:
            raise ValueError(f"fallback_after_s must be 0 to {MOST_HOLD_S}")
        if self.fallback_for == self.sink_id:
            raise ValueError("a sink is no fallback for itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSecret:
    """A key that signs what a webhook gets. It is shown once and never logged.

    Attributes:
        key: The bytes.
        ends_at: When it stops signing; None for the newest.
    """

    key: bytes = field(repr=False)
    ends_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it still signs."""
        return self.ends_at is None or now < self.ends_at
