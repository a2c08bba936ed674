"""What is sent and answered about sinks. A secret is in the answer that makes it and in no other."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from proctor.api.schemas import Id, Sent, Title, Word
from proctor.api.views import View
from proctor.domain.alerts import Transition
from proctor.domain.deliveries import Backlog, Delivery, DeliveryState, Outcome, SinkKind
from proctor.domain.ids import AlertId
from proctor.domain.incidents import Category, Severity
from proctor.domain.sinks import (
    MOST_HOLD_S,
    MOST_IN_A_BATCH,
    MOST_WAIT_MS,
    Batching,
    Sink,
    SinkFilter,
)
from proctor.services.sinks import SinkChanges

Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Fallback = Annotated[str, StringConstraints(pattern=r"^(live|[A-Za-z0-9_-]{1,64})?$")]
_Ids = Annotated[list[Id], Field(max_length=100)]
_HoldS = Annotated[int, Field(ge=0, le=MOST_HOLD_S)]


class FilterSent(Sent):
    """Which alerts a sink takes: whatever is named must hold; nothing named takes all."""

    exam_ids: _Ids = Field(default=[])
    session_ids: _Ids = Field(default=[])
    rule_ids: list[Word] = Field(default=[], max_length=100)
    categories: list[Literal["conduct", "identity", "coverage", "integrity"]] = Field(
        default=[], max_length=4
    )
    transitions: list[Literal["opened", "updated", "escalated", "closed"]] = Field(
        default=[], max_length=4
    )
    severity_at_least: Literal["info", "low", "medium", "high"] = "info"

    def filter(self) -> SinkFilter:
        """As the domain has it."""
        return SinkFilter(
            exam_ids=tuple(self.exam_ids),
            session_ids=tuple(self.session_ids),
            rule_ids=tuple(self.rule_ids),
            categories=tuple(Category(name) for name in self.categories),
            transitions=tuple(Transition(name) for name in self.transitions),
            severity_at_least=Severity(self.severity_at_least),
        )


class BatchingSent(Sent):
    """How alerts share a call."""

    most: int = Field(default=1, ge=1, le=MOST_IN_A_BATCH, description="1: each by itself.")
    wait_ms: int = Field(default=0, ge=0, le=MOST_WAIT_MS)

    def batching(self) -> Batching:
        """As the domain has it."""
        return Batching(most=self.most, wait_ms=self.wait_ms)


class ChangedSink(Sent):
    """What is to be otherwise; what is left out stays as it is."""

    name: Title | None = None
    url: Url | None = Field(default=None, description="Of a webhook: https, a public host.")
    cluster: Word | None = Field(default=None, description="Of a Kafka sink: the operator's name.")
    filter: FilterSent | None = None
    batching: BatchingSent | None = None
    fallback_for: Fallback | None = Field(
        default=None, description="A sink's id, `live`, or empty for none."
    )
    fallback_after_s: _HoldS | None = None
    is_enabled: bool | None = None

    def changes(self, kind: SinkKind) -> SinkChanges:
        """As the service takes them; the target of another kind is no target."""
        return SinkChanges(
            name=self.name,
            target=self.url if kind is SinkKind.WEBHOOK else self.cluster,
            filter=None if self.filter is None else self.filter.filter(),
            batching=None if self.batching is None else self.batching.batching(),
            fallback_for=self.fallback_for,
            fallback_after_s=self.fallback_after_s,
            is_enabled=self.is_enabled,
        )


class NewSink(ChangedSink):
    """A sink to be made."""

    kind: Literal["webhook", "kafka"]
    name: Title

    @model_validator(mode="after")
    def _has_its_target(self) -> "NewSink":
        wanted, other = (
            (self.url, self.cluster) if self.kind == "webhook" else (self.cluster, self.url)
        )
        if wanted is None or other is not None:
            raise ValueError("a webhook has a `url`, a kafka sink a `cluster`, and none has both")
        return self


class Replay(Sent):
    """Which dead letters to send again: by id, by position, or every one."""

    alert_ids: list[Id] | None = Field(default=None, min_length=1, max_length=1000)
    from_position: int | None = Field(default=None, ge=1, le=1 << 53)
    to_position: int | None = Field(default=None, ge=1, le=1 << 53)
    everything: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Replay":
        has_range = self.from_position is not None or self.to_position is not None
        if [self.alert_ids is not None, has_range, self.everything].count(True) != 1:
            raise ValueError("send `alert_ids`, a range of positions, or `everything`: one of them")
        return self

    def ids(self) -> list[AlertId] | None:
        """Ids, if it is by id."""
        return None if self.alert_ids is None else [AlertId(name) for name in self.alert_ids]

    def positions(self) -> tuple[int, int] | None:
        """First and last position, if it is by position."""
        if self.from_position is None and self.to_position is None:
            return None
        return self.from_position or 1, self.to_position or 1 << 53


class FilterView(View):
    """Which alerts a sink takes."""

    exam_ids: list[str]
    session_ids: list[str]
    rule_ids: list[str]
    categories: list[Category]
    transitions: list[Transition]
    severity_at_least: Severity


class BatchingView(View):
    """How alerts share a call."""

    most: int
    wait_ms: int


class SinkView(View):
    """A sink, without its secrets."""

    sink_id: str
    kind: SinkKind
    name: str
    url: str | None
    cluster: str | None
    filter: FilterView
    batching: BatchingView
    fallback_for: str | None
    fallback_after_s: int
    is_enabled: bool
    disabled_by: str
    created_at: datetime
    position: int
    failures: int
    failing_since: datetime | None


class BacklogView(View):
    """What a sink still owes."""

    pending: int
    dead: int
    oldest_at: datetime | None


class SinkNowView(SinkView):
    """A sink and what it still owes."""

    backlog: BacklogView


class SinkMadeView(View):
    """A new sink; the secret is shown this once."""

    sink: SinkView
    secret: str | None


class SecretView(View):
    """A new secret; it is shown this once."""

    secret: str


class TestView(View):
    """What the other end said to a made-up alert."""

    outcome: Outcome
    code: str
    status: int | None


class TriedView(View):
    """One try."""

    number: int
    replay: int
    at: datetime
    took_ms: int
    outcome: Outcome
    code: str
    status: int | None


class DeliveryView(View):
    """Where an alert stands with a sink."""

    sink_id: str
    alert_id: str
    session_id: str
    position: int
    state: DeliveryState
    attempts: int
    replays: int
    code: str
    planned_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    tries: list[TriedView]


class DeadLettersView(View):
    """Dead letters, and the position to go on from; None at the end."""

    items: list[DeliveryView]
    next: int | None


class DeliveriesView(View):
    """The delivery log of an alert."""

    items: list[DeliveryView]


class ReplayedView(View):
    """How many are sent again."""

    replayed: int


def shown(sink: Sink) -> SinkView:
    """A sink as the API tells it."""
    is_webhook = sink.kind is SinkKind.WEBHOOK
    return SinkView(
        sink_id=sink.sink_id,
        kind=sink.kind,
        name=sink.name,
        url=sink.target if is_webhook else None,
        cluster=None if is_webhook else sink.target,
        filter=FilterView.model_validate(sink.filter),
        batching=BatchingView.model_validate(sink.batching),
        fallback_for=sink.fallback_for,
        fallback_after_s=sink.fallback_after_s,
        is_enabled=sink.is_enabled,
        disabled_by=sink.disabled_by,
        created_at=sink.created_at,
        position=sink.cursor,
        failures=sink.health.failures,
        failing_since=sink.health.failing_since,
    )


def shown_now(sink: Sink, backlog: Backlog) -> SinkNowView:
    """The same with what it owes."""
    return SinkNowView(**dict(shown(sink)), backlog=BacklogView.model_validate(backlog))


def log_of(deliveries: "list[Delivery]") -> list[DeliveryView]:
    """Deliveries as the API tells them."""
    return [DeliveryView.model_validate(one) for one in deliveries]
