"""How alerts leave: what a sink answered to one alert, and what is done about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.alerts import FeedItem
from proctor.domain.ids import AlertId, SessionId, SinkId


class SinkKind(StrEnum):
    """Systems that alerts are pushed to; readers of the feed (WebSocket, SSE, gRPC) are no sinks."""

    WEBHOOK = "webhook"
    KAFKA = "kafka"


class Outcome(StrEnum):
    """What became of one try."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a sink answered to one alert.

    Attributes:
        alert_id: Which alert.
        outcome: Delivered; to be tried again; refused for good (a dead letter); or the receiver is
            gone and wants nothing more (HTTP 410): the sink is disabled.
        code: Why, in the problem codes' manner (`webhook/timeout`, `kafka/not-enough-replicas`); empty
            when delivered. Never a part of what the receiver said.
        status: HTTP status, where there is one.
        retry_after_s: How long the receiver asked to be left alone.
    """

    alert_id: AlertId
    outcome: Outcome
    code: str = ""
    status: int | None = None
    retry_after_s: float | None = None


class DeliveryState(StrEnum):
    """Where an alert stands with a sink."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to become of an alert at one sink.

    Attributes:
        item: The alert and its place in the feed.
        state: Pending, or filtered: the sink does not take it.
        due_at: When it may be tried first.
    """

    item: FeedItem
    state: DeliveryState
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A pending alert whose time has come and that no earlier one of its session holds back.

    Attributes:
        item: The alert and its place in the feed.
        attempts: How often it was tried.
        planned_at: When the sink first could have had it.
        batch_id: The batch that it was tried in; its next try is in the same company. None before.
    """

    item: FeedItem
    attempts: int
    planned_at: datetime
    batch_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try that was made, and what follows of it.

    Attributes:
        alert_id: Which alert.
        number: 1, 2, 3 ... since it was planned or replayed.
        at: When the try began.
        took_ms: How long the answer took.
        sent: What the sink answered.
        state: Where the alert stands now.
        next_at: When it is tried again; None unless it is pending.
        batch_id: Whose company it is tried in next; None by itself or with anyone.
    """

    alert_id: AlertId
    number: int
    at: datetime
    took_ms: int
    sent: Sent
    state: DeliveryState
    next_at: datetime | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A try as the delivery log tells it.

    Attributes:
        number: 1, 2, 3 ... since it was planned or replayed.
        replay: How often it had been replayed before.
        at: When the try began.
        took_ms: How long the answer took.
        outcome: What became of it.
        code: Why; empty when delivered.
        status: HTTP status, where there is one.
    """

    number: int
    replay: int
    at: datetime
    took_ms: int
    outcome: Outcome
    code: str
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where one alert stands with one sink: a line of the delivery log, or a dead letter.

    Attributes:
        sink_id: Which sink.
        alert_id: Which alert.
        session_id: Whose order it keeps.
        position: The alert's place in the feed.
        state: Where it stands.
        attempts: Tries since it was planned or replayed.
        replays: How often a person sent it again.
        code: Why it is not delivered; empty when it is, or was not tried yet.
        planned_at: When the sink first could have had it.
        next_at: When it is tried next; None unless it is pending.
        ended_at: When it was delivered, given up or passed over.
        tries: Every try, oldest first, where they were asked for.
    """

    sink_id: SinkId
    alert_id: AlertId
    session_id: SessionId
    position: int
    state: DeliveryState
    attempts: int
    replays: int
    code: str
    planned_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    tries: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a sink still owes.

    Attributes:
        pending: Alerts that are to be sent.
        dead: Dead letters.
        oldest_at: When the oldest pending one was planned.
    """

    pending: int = 0
    dead: int = 0
    oldest_at: datetime | None = None
