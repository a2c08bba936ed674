"""Receivers that say what a test tells them, and what makes them."""

import asyncio
from collections.abc import Callable, Sequence

from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent, SinkKind
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import AlertId, SinkId, TenantId
from proctor.domain.sinks import Sink, SinkSecret

Decide = Callable[[FeedItem], Outcome | Sent]


def answer(
    item: FeedItem,
    outcome: Outcome,
    status: int | None = None,
    code: str = "",
    retry_after_s: float | None = None,
) -> Sent:
    """What a receiver says to one alert."""
    if outcome is not Outcome.DELIVERED:
        code = code or {Outcome.GONE: "webhook/gone"}.get(outcome, "webhook/server-error")
    return Sent(
        alert_id=item.alert.alert_id,
        outcome=outcome,
        code=code,
        status=status,
        retry_after_s=retry_after_s,
    )


class FakeAlertSink:
    """`AlertSink` that decides alert by alert, and remembers every call.

    Attributes:
        calls: The alerts of every call, in order.
        delivered: Alerts that it took, in order; a repetition is there twice.
        is_stuck: Calls do not come back while it is set.
        breaks: The next call raises, as no sink should.
    """

    def __init__(self, decide: Decide | None = None) -> None:
        self.decide: Decide = decide or (lambda _: Outcome.DELIVERED)
        self.calls: list[list[AlertId]] = []
        self.delivered: list[FeedItem] = []
        self.is_stuck = False
        self.breaks = False
        self.closed = 0

    async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
        self.calls.append([item.alert.alert_id for item in batch])
        if self.is_stuck:
            await asyncio.Event().wait()
        if self.breaks:
            self.breaks = False
            raise RuntimeError("a sink with a fault of its own")
        answers: list[Sent] = []
        failed: set[str] = set()
        for item in batch:
            is_behind = item.alert.session_id in failed
            said = Outcome.RETRY if is_behind else self.decide(item)
            sent = said if isinstance(said, Sent) else answer(item, said)
            if sent.outcome is Outcome.RETRY:
                failed.add(item.alert.session_id)
            answers.append(sent)
        self.delivered += [
            item
            for item, sent in zip(batch, answers, strict=True)
            if sent.outcome is Outcome.DELIVERED
        ]
        return answers

    async def close(self) -> None:
        self.closed += 1


class FakeSinkMaker:
    """`SinkMaker` whose sinks are receivers in memory, one per sink id.

    Attributes:
        sinks: Those that were made or prepared.
        opened: Ids of the sinks opened, in order, with their secrets.
        refused: Targets that are not taken.
        checked: Targets that somebody asked about.
    """

    def __init__(self) -> None:
        self.sinks: dict[SinkId, FakeAlertSink] = {}
        self.opened: list[tuple[SinkId, tuple[SinkSecret, ...]]] = []
        self.refused: set[str] = set()
        self.checked: list[str] = []

    def open(self, sink: Sink, secrets: Sequence[SinkSecret]) -> FakeAlertSink:
        if sink.target in self.refused:
            raise InvalidInput("This URL is not taken.", "webhook/url-refused")
        self.opened.append((sink.sink_id, tuple(secrets)))
        return self.sinks.setdefault(sink.sink_id, FakeAlertSink())

    async def check(self, kind: SinkKind, target: str, tenant_id: TenantId) -> None:
        self.checked.append(target)
        if target in self.refused:
            raise InvalidInput("This URL is not taken.", "webhook/url-refused")
