"""What travels between a session host and a fusion shard: reports up, acknowledgements down."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.evidence import EvidenceOrder
from proctor.domain.ids import IncidentId, SessionId
from proctor.domain.observations import Observation
from proctor.domain.sessions import SessionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRate:
    """How often a model group really looked over the last stretch, against what policy wants."""

    group: str
    wanted_hz: float
    actual_hz: float


class OrderState(StrEnum):
    """How far a host is with an order of evidence."""

    TAKEN = "taken"
    """It will be seen to, whatever comes of it."""
    HANDED = "handed"
    """What could be had lies sealed with the keeper, who tells the rest."""
    LOST = "lost"
    """Nothing was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """What a host says of an order; `until_ms` tells apart the orders of one incident."""

    incident_id: IncidentId
    until_ms: int
    state: OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """Everything one session saw in one tick of its host.

    The shard takes (epoch, seq) once and in order; anything at or below what it has is dropped.

    Attributes:
        session_id: Whose.
        epoch: Which connection.
        seq: 1, 2, 3 ... within the epoch.
        sent_ms: Session time at sending; time moves on in the shard even when nothing was seen.
        observations: Facts since the report before, oldest first.
        rates: Effective rates, when they were measured.
        spec: The session's particulars, in the first report of an epoch.
        closing: True in the last reports of an epoch: the peer left or was closed in order.
        orders: How far the host is with orders of evidence, where that changed.
    """

    session_id: SessionId
    epoch: int
    seq: int
    sent_ms: int
    observations: tuple[Observation, ...]
    rates: tuple[EffectiveRate, ...] = ()
    spec: SessionSpec | None = None
    closing: bool = False
    orders: tuple[OrderNews, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedReport(TickReport):
    """A report of what traced calls to the models brought; recordings do not keep its `traces`.

    Attributes:
        traces: The calls' W3C traceparents.
    """

    traces: tuple[str, ...] = ()


class CommandName(StrEnum):
    """What a shard may ask of a host, riding on the acknowledgement."""

    LOOK_CLOSER = "look_closer"
    STOP = "stop"
    RESEND_SPEC = "resend_spec"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One wish of the shard. `until_ms` is session time, for LOOK_CLOSER; `order` is for KEEP."""

    name: CommandName
    until_ms: int | None = None
    order: EvidenceOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The shard has durably taken everything of this session up to (epoch, seq)."""

    session_id: SessionId
    epoch: int
    seq: int
    commands: tuple[Command, ...] = ()
