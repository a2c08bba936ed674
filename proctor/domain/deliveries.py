"""How alerts leave: what a sink answered to one alert, and what is done about it."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.ids import AlertId


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
