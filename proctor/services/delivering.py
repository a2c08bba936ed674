"""One sink's deliveries: plan what came into the feed, send what is due, record every answer.

Whatever happens is in the database before the next thing is tried, so nothing is lost when this process
ends at any moment: an alert whose answer was not recorded is sent again under the same id. A worker waits
for its own receiver only; it shares no queue, thread or connection with another's.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import structlog

from proctor.alerting import breaker
from proctor.alerting.audience import wants
from proctor.alerting.grouping import Group, groups, message_id
from proctor.alerting.outcome import felt, judged
from proctor.alerting.schedule import KAFKA, WEBHOOK, RetrySchedule
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import (
    Attempt,
    DeliveryState,
    Outcome,
    Owed,
    Planned,
    Sent,
    SinkKind,
)
from proctor.domain.errors import NotFound, ProctorError
from proctor.domain.ids import SessionId, SinkId
from proctor.domain.sinks import Sink
from proctor.ports import AlertSink
from proctor.services.delivery_desk import Desk
from proctor.services.standing_in import still_needed

PAGE = 200
MOST_PENDING = 10_000
"""Beyond it the feed itself is the queue: it is on disk already."""

TAKEN_LOOK_S = 2.0
LOOK_S = 5.0
"""How often a worker looks by itself, for what another process made due (a replay)."""

REST_AFTER_FAILURE_S = 1.0
EXPIRED = "delivery/expired"
_SCHEDULES: dict[SinkKind, RetrySchedule] = {SinkKind.WEBHOOK: WEBHOOK, SinkKind.KAFKA: KAFKA}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Unrecorded:
    attempts: tuple[Attempt, ...]
    disable: str


class SinkWorker:
    """Works for one sink until it is told to stop, or the sink is disabled."""

    def __init__(self, sink: Sink, sender: AlertSink, desk: Desk) -> None:
        self.sink = sink
        self._sender = sender
        self._desk = desk
        self._schedule = _SCHEDULES[sink.kind]
        self._cursor = sink.cursor
        self._health = self._stored_health = sink.health
        self._head = sink.cursor
        self._held_until = desk.clock.now()
        self._unrecorded: _Unrecorded | None = None
        self._pending = 0
        self._news = asyncio.Event()
        self.is_stopping = False

    def tell(self, head: int) -> None:
        """The tenant's feed has grown up to here."""
        if head > self._head:
            self._head = head
            self._news.set()

    def stop(self) -> None:
        """End after the step at hand."""
        self.is_stopping = True
        self._news.set()

    async def run(self) -> None:
        """Step until stopped; a store that is away is waited for, and nothing ends another's work."""
        try:
            while not self.is_stopping:
                self._news.clear()
                try:
                    wait_s = await self.step()
                except ProctorError as error:
                    log.warning("delivery step failed", sink_id=self._id, code=error.code)
                    self._desk.metrics.count("delivery_failed_steps_total")
                    wait_s = REST_AFTER_FAILURE_S
                except Exception as error:  # noqa: BLE001  # the worker's own boundary; no values in the log
                    log.error("delivery step failed", sink_id=self._id, error=type(error).__name__)
                    self._desk.metrics.count("delivery_failed_steps_total")
                    wait_s = LOOK_S
                await self._rest(wait_s)
        finally:
            await self._sender.close()
            await self._let_go()

    async def _let_go(self) -> None:
        """Give the lease back, so that whoever comes after need not wait for its end."""
        if self._held_until <= self._desk.clock.now():
            return
        try:
            await self._desk.deliveries.let_go(self._id, self._desk.owner)
        except ProctorError as error:
            log.info("lease not given back", sink_id=self._id, code=error.code)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0 or self.is_stopping:
            await asyncio.sleep(0)
            return
        waits = [
            asyncio.create_task(self._desk.clock.sleep(seconds)),
            asyncio.create_task(self._news.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    @property
    def _id(self) -> SinkId:
        return self.sink.sink_id

    async def step(self) -> float:
        """Plan a page, send what is due; seconds until it is worth looking again, 0 for at once."""
        await self._settle()
        if self.is_stopping:
            return 0.0
        if self._head <= self._cursor:
            if self._rest_s() > 0:
                return min(self._rest_s(), LOOK_S)
            if not await self._due():
                return await self._until_due()
        if not await self._hold():
            return TAKEN_LOOK_S
        is_planned = await self._plan()
        wait_s = await self._send(await self._due())
        if is_planned and self._head > self._cursor:
            return 0.0
        return wait_s if wait_s == 0 else min(wait_s, await self._until_due())

    def _rest_s(self) -> float:
        """How long the breaker still holds everything back; 0 when it does not."""
        now = self._desk.clock.now()
        if breaker.may_send(self._health, now) or self._health.rests_until is None:
            return 0.0
        return (self._health.rests_until - now).total_seconds()

    async def _due(self) -> Sequence[Owed]:
        return await self._desk.deliveries.due(self._id, self._desk.clock.now(), PAGE)

    async def _until_due(self) -> float:
        now = self._desk.clock.now()
        due_at = await self._desk.deliveries.next_due(self._id, now)
        return LOOK_S if due_at is None else min((due_at - now).total_seconds(), LOOK_S)

    async def _hold(self) -> bool:
        """Whether the sink is this dispatcher's for long enough to make a call."""
        now = self._desk.clock.now()
        if self._held_until - now >= timedelta(seconds=self._desk.call_s):
            return True
        was_held = self._held_until > now
        until = now + timedelta(seconds=self._desk.lease_s)
        if not await self._desk.deliveries.hold(self._id, self._desk.owner, now, until):
            self._held_until = now
            return False
        self._held_until = until
        if not was_held:  # another one may have worked meanwhile
            try:
                known = await self._desk.sinks.get_sink(self.sink.tenant_id, self._id)
            except NotFound:
                return False
            self._cursor = known.cursor
            self._health = self._stored_health = known.health
        return True

    async def _plan(self) -> bool:
        """Note what becomes of the feed's next items; whether there were any."""
        if self._head <= self._cursor:
            return False
        desk, now = self._desk, self._desk.clock.now()
        if self._pending >= MOST_PENDING - PAGE:
            self._pending = (await desk.deliveries.backlog(self._id)).pending
            if self._pending >= MOST_PENDING - PAGE:
                return False
        items = await desk.feed.read(self.sink.tenant_id, self._cursor, PAGE)
        if not items:
            return False
        held_s = self.sink.fallback_after_s if self.sink.fallback_for else 0
        due_at = now + timedelta(seconds=held_s)
        planned = [
            Planned(
                item=item,
                state=DeliveryState.PENDING
                if wants(self.sink.filter, item.alert)
                else DeliveryState.FILTERED,
                due_at=due_at,
            )
            for item in items
        ]
        if not await desk.deliveries.plan(self._id, self._cursor, planned, now):
            self._held_until = now  # somebody else is at it: look at the row again
            return False
        self._cursor = items[-1].position
        self._pending += sum(one.state is DeliveryState.PENDING for one in planned)
        return True

    async def _send(self, owed: Sequence[Owed]) -> float:
        """Make the calls that may be made; seconds until the next may."""
        desk, clock = self._desk, self._desk.clock
        held_back: set[SessionId] = set()
        wait_s = LOOK_S
        for group in groups(
            await still_needed(desk, self.sink, owed), self.sink.batching, clock.now()
        ):
            if group.wait_s > 0:
                wait_s = min(wait_s, group.wait_s)
                continue
            if not breaker.may_send(self._health, clock.now()):
                break
            sessions = {one.item.alert.session_id for one in group.owed}
            if sessions & held_back:
                continue
            if self.is_stopping or self._held_until <= clock.now():
                return 0.0  # a lease that ran out meanwhile: what is owed must be read again
            if not await self._hold():
                return TAKEN_LOOK_S
            held_back |= await self._try(group)
        if self._rest_s() > 0:
            return min(self._rest_s(), LOOK_S)
        return 0.0 if len(owed) >= PAGE else wait_s

    async def _try(self, group: Group) -> set[SessionId]:
        """One call and its record; the sessions that a failure holds back."""
        desk, items = self._desk, [one.item for one in group.owed]
        if self.sink.batching.most > 1 and group.owed[0].batch_id is None:
            names = [item.alert.alert_id for item in items]
            await desk.deliveries.bind(self._id, names, message_id(items))
        began_at, began_ms = desk.clock.now(), desk.clock.monotonic_ms()
        try:
            answers = list(await self._call(items))
        except Exception as error:  # noqa: BLE001  # a sink's own fault is a failed try, not the worker's end
            log.error("sink failed", sink_id=self._id, error=type(error).__name__)
            answers = [
                Sent(alert_id=item.alert.alert_id, outcome=Outcome.RETRY, code="sink/failed")
                for item in items
            ]
        now, luck = desk.clock.now(), desk.luck()
        self._health = felt(self._health, answers, now, luck)
        attempts = judged(
            group,
            answers,
            self._schedule,
            self._health,
            began_at=began_at,
            now=now,
            took_ms=desk.clock.monotonic_ms() - began_ms,
            luck=luck,
        )
        gone = next((sent.code for sent in answers if sent.outcome is Outcome.GONE), "")
        self._unrecorded = _Unrecorded(attempts, gone)
        self._count(group, attempts)
        await self._settle()
        return {
            one.item.alert.session_id
            for one, made in zip(group.owed, attempts, strict=True)
            if made.state is DeliveryState.PENDING
        }

    async def _call(self, items: Sequence[FeedItem]) -> Sequence[Sent]:
        """Send, in a span of each alert's trace."""
        desk = self._desk
        with ExitStack() as stack:
            spans = []
            for item in items if desk.tracer.is_on else ():
                alert = item.alert
                trace = desk.tracer.of_alert(alert.alert_id)
                span = stack.enter_context(desk.tracer.child("delivery.send", trace))
                waited_ms = (desk.clock.now() - alert.raised_at) // timedelta(milliseconds=1)
                span.note(kind=self.sink.kind.value, batch=len(items), waited_ms=waited_ms)
                spans.append((alert.alert_id, span))
            answers = await self._sender.send(items)
            outcome = {sent.alert_id: sent for sent in answers}
            for alert_id, span in spans:
                if (sent := outcome.get(alert_id)) is not None:
                    span.note(outcome=sent.outcome.value, code=sent.code or "ok")
            return answers

    async def _settle(self) -> None:
        """Write what the last call came to; nothing is tried before that is done."""
        if self._unrecorded is None:
            return
        made, desk = self._unrecorded, self._desk
        health = None if self._health == self._stored_health else self._health
        await desk.deliveries.record(
            self._id, made.attempts, health, made.disable, version=self.sink.version
        )
        self._unrecorded, self._stored_health = None, self._health
        if made.disable:
            log.warning("sink disabled", sink_id=self._id, code=made.disable)
            self.is_stopping = True
        self._pending -= sum(one.state is not DeliveryState.PENDING for one in made.attempts)
        now = desk.clock.now()
        oldest = now - timedelta(seconds=self._schedule.span_s)
        since = self._health.failing_since
        if since is not None and since <= oldest:
            given_up = await desk.deliveries.give_up(self._id, oldest, EXPIRED, now)
            if given_up:
                log.warning("alerts given up", sink_id=self._id, alerts=given_up, code=EXPIRED)
                desk.metrics.count(
                    "delivery_dead_total", given_up, kind=self.sink.kind.value, code=EXPIRED
                )

    def _count(self, group: Group, attempts: Sequence[Attempt]) -> None:
        metrics, kind, now = self._desk.metrics, self.sink.kind.value, self._desk.clock.now()
        for one, made in zip(group.owed, attempts, strict=True):
            outcome, code = made.sent.outcome.value, made.sent.code or "ok"
            metrics.count("delivery_attempts_total", kind=kind, outcome=outcome, code=code)
            if made.state is DeliveryState.DELIVERED:
                delay_s = (now - one.item.alert.raised_at).total_seconds()
                metrics.observe("delivery_delay_seconds", max(delay_s, 0.0), kind=kind)
            elif made.state is DeliveryState.DEAD:
                metrics.count("delivery_dead_total", kind=kind, code=code)
