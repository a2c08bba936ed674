"""A tenant's sinks: made, changed, tried, removed; their dead letters looked at and sent again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from proctor.domain.alerts import Alert, FeedItem, Transition
from proctor.domain.deliveries import Backlog, Delivery, Sent, SinkKind
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import (
    AlertId,
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    SinkId,
    TenantId,
    new_id,
)
from proctor.domain.incidents import Category, Severity
from proctor.domain.sinks import LIVE, Batching, Sink, SinkFilter
from proctor.ports import AlertFeed, Clock, DeliveryStore, KeyRing, SinkMaker, SinkStore
from proctor.services.sink_secrets import new_secret, rotated, seal, shown, unseal

MOST_SINKS = 20
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkChanges:
    """What a person wants to be otherwise; None leaves it as it is.

    Attributes:
        name: The tenant's own name for it.
        target: URL, or the name of a Kafka cluster.
        filter: Which alerts it takes.
        batching: How they share a call.
        fallback_for: A sink's id, `live`, or an empty text for none.
        fallback_after_s: How long it holds an alert back for the other one.
        is_enabled: Whether anything is sent.
    """

    name: str | None = None
    target: str | None = None
    filter: SinkFilter | None = None
    batching: Batching | None = None
    fallback_for: str | None = None
    fallback_after_s: int | None = None
    is_enabled: bool | None = None


class Sinks:
    """Use cases of sinks. Everything is the caller's tenant's; another's is told as `NotFound`."""

    def __init__(
        self,
        store: SinkStore,
        deliveries: DeliveryStore,
        feed: AlertFeed,
        maker: SinkMaker,
        keys: KeyRing,
        clock: Clock,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._feed = feed
        self._maker = maker
        self._keys = keys
        self._clock = clock

    async def create(
        self, tenant_id: TenantId, kind: SinkKind, name: str, target: str, wanted: SinkChanges
    ) -> tuple[Sink, str | None]:
        """A new sink, from the feed's head on, and a webhook's secret: it is shown this once.

        Raises:
            InvalidInput: `webhook/url-refused`, `kafka/unknown-cluster`, `sinks/bad-fallback`.
            Conflict: The name is taken, or there are too many.
        """
        await self._maker.check(kind, target, tenant_id)
        bare = Sink(
            sink_id=SinkId(new_id("snk")),
            tenant_id=tenant_id,
            name=name,
            kind=kind,
            target=target,
            created_at=self._clock.now(),
            cursor=await self._feed.head(tenant_id),
        )
        sink = _changed(bare, wanted)
        await self._check_fallback(sink)
        secrets = [new_secret()] if kind is SinkKind.WEBHOOK else []
        sealed = seal(self._keys, tenant_id, sink.sink_id, secrets)
        await self._store.add_sink(sink, sealed, MOST_SINKS)
        log.info("sink made", sink_id=sink.sink_id, kind=kind.value)
        return sink, shown(secrets[0]) if secrets else None

    async def get(self, tenant_id: TenantId, sink_id: SinkId) -> tuple[Sink, Backlog]:
        """With what it still owes. Raises `NotFound`."""
        sink = await self._store.get_sink(tenant_id, sink_id)
        return sink, await self._deliveries.backlog(sink_id)

    async def list(self, tenant_id: TenantId, after: SinkId | None, limit: int) -> Sequence[Sink]:
        """By id, after a cursor."""
        return await self._store.list_sinks(tenant_id, after, limit)

    async def change(self, tenant_id: TenantId, sink_id: SinkId, wanted: SinkChanges) -> Sink:
        """Change what is said; the dispatcher takes it up within seconds. Raises as `create` does."""
        known = await self._store.get_sink(tenant_id, sink_id)
        sink = _changed(known, wanted)
        if sink.target != known.target:
            await self._maker.check(sink.kind, sink.target, tenant_id)
        if sink.fallback_for != known.fallback_for:
            await self._check_fallback(sink)
        stored = await self._store.put_sink(sink)
        log.info("sink changed", sink_id=sink_id, is_enabled=stored.is_enabled)
        return stored

    async def remove(self, tenant_id: TenantId, sink_id: SinkId) -> None:
        """Forget the sink, with its secrets, its dead letters and its log. Raises `NotFound`."""
        await self._store.remove_sink(tenant_id, sink_id)
        log.info("sink removed", sink_id=sink_id)

    async def rotate(self, tenant_id: TenantId, sink_id: SinkId) -> str:
        """A new secret, shown this once; the old one signs as well for a day more.

        Raises:
            InvalidInput: A Kafka sink has none (sinks/no-secret).
            Conflict: Too many sign still, or the sink was changed meanwhile.
        """
        sink = await self._store.get_sink(tenant_id, sink_id)
        if sink.kind is not SinkKind.WEBHOOK:
            raise InvalidInput("Only webhooks have a secret.", "sinks/no-secret")
        sealed = await self._store.sealed_secrets(tenant_id, sink_id)
        known = unseal(self._keys, tenant_id, sink_id, sealed)
        secrets = rotated(known, self._clock.now())
        await self._store.put_sink(sink, seal(self._keys, tenant_id, sink_id, secrets))
        log.info("secret rotated", sink_id=sink_id)
        return shown(secrets[0])

    async def test(self, tenant_id: TenantId, sink_id: SinkId) -> Sent:
        """Send a made-up alert now, past schedule and breaker; what the other end said."""
        sink = await self._store.get_sink(tenant_id, sink_id)
        sealed = await self._store.sealed_secrets(tenant_id, sink_id)
        secrets = unseal(self._keys, tenant_id, sink_id, sealed)
        sender = self._maker.open(sink, secrets)
        try:
            [sent] = await sender.send([made_up(tenant_id, self._clock.now())])
        finally:
            await sender.close()
        return sent

    async def dead_letters(
        self, tenant_id: TenantId, sink_id: SinkId, after: int, limit: int
    ) -> Sequence[Delivery]:
        """By position, after one. Raises `NotFound`."""
        await self._store.get_sink(tenant_id, sink_id)
        return await self._deliveries.dead_letters(tenant_id, sink_id, after, limit)

    async def replay(
        self,
        tenant_id: TenantId,
        sink_id: SinkId,
        alert_ids: Sequence[AlertId] | None = None,
        positions: tuple[int, int] | None = None,
    ) -> int:
        """Send dead letters again; how many. Raises `NotFound`."""
        await self._store.get_sink(tenant_id, sink_id)
        now = self._clock.now()
        count = await self._deliveries.replay(tenant_id, sink_id, now, alert_ids, positions)
        log.info("dead letters replayed", sink_id=sink_id, alerts=count)
        return count

    async def deliveries_of(self, tenant_id: TenantId, alert_id: AlertId) -> Sequence[Delivery]:
        """Where an alert stands with every sink. Raises `NotFound`."""
        return await self._deliveries.deliveries_of(tenant_id, alert_id)

    async def _check_fallback(self, sink: Sink) -> None:
        """A stand-in stands in for a sink that is none itself, so that two never wait for each other."""
        if sink.fallback_for in (None, LIVE):
            return
        try:
            other = await self._store.get_sink(sink.tenant_id, SinkId(sink.fallback_for or ""))
        except NotFound:
            raise _bad_fallback("there is no such sink") from None
        if other.sink_id == sink.sink_id or other.fallback_for is not None:
            raise _bad_fallback("it stands in for another one itself")
        own = await self._store.list_sinks(sink.tenant_id, None, MOST_SINKS)
        if any(one.fallback_for == sink.sink_id for one in own):
            raise _bad_fallback("another sink stands in for this one")


def _bad_fallback(why: str) -> InvalidInput:
    return InvalidInput(
        f"This cannot be `fallback_for`: {why}. Name a sink, or `live`.", "sinks/bad-fallback"
    )


def _changed(sink: Sink, wanted: SinkChanges) -> Sink:
    changed = replace(
        sink,
        name=sink.name if wanted.name is None else wanted.name,
        target=sink.target if wanted.target is None else wanted.target,
        filter=wanted.filter or sink.filter,
        batching=wanted.batching or sink.batching,
    )
    if wanted.fallback_for is not None:
        if wanted.fallback_for == sink.sink_id:
            raise _bad_fallback("it is the sink itself")
        changed = replace(changed, fallback_for=wanted.fallback_for or None)
    if wanted.fallback_after_s is not None:
        changed = replace(changed, fallback_after_s=wanted.fallback_after_s)
    if wanted.is_enabled is not None:
        changed = replace(changed, is_enabled=wanted.is_enabled, disabled_by="")
    return changed


def made_up(tenant_id: TenantId, now: datetime) -> FeedItem:
    """An alert about nobody, for a first look at what arrives; it is stored nowhere."""
    name = new_id("test")
    return FeedItem(
        position=0,
        alert=Alert(
            alert_id=AlertId(name),
            seq=0,
            tenant_id=tenant_id,
            exam_id=ExamId("test"),
            session_id=SessionId("test"),
            candidate_id=CandidateId("test"),
            incident_id=IncidentId("test"),
            transition=Transition.OPENED,
            rule_id="test",
            policy_id="test",
            policy_version=0,
            category=Category.COVERAGE,
            severity=Severity.INFO,
            title="Test of the delivery",
            reason="Somebody asked for this test; it is about no candidate.",
            occurred_ms=0,
            raised_at=now,
            signals=(),
            producers=(),
            frame_digest=None,
        ),
    )
