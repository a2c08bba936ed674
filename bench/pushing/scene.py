"""A database, sinks, receivers over HTTPS and dispatchers: where faults of delivery are played.

Everything is the product's own but the alerts, which are made up, and the receivers. `Tally` is the
verdict: what was raised, what arrived, what arrived twice under the same id, and what was lost.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.receiver import OK, Answer, Got, Receiver, make_certificates, receiving
from proctor.adapters.clock import SystemClock
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sinks.registry import SinkRegistry
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.alerts import Alert, Transition
from proctor.domain.deliveries import SinkKind
from proctor.domain.errors import Conflict, ProctorError
from proctor.domain.ids import (
    AlertId,
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    SinkId,
    TenantId,
    derive_id,
)
from proctor.domain.incidents import Category, Severity
from proctor.domain.sinks import Batching, Sink
from proctor.ports import Clock, Judged
from proctor.services.delivering_crew import DeliveryCrew
from proctor.services.delivery_desk import Desk
from proctor.services.sink_secrets import new_secret, seal

TENANT = TenantId("acme")
SINK = SinkId("snk_bench")
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE_S, CALL_S, DEADLINE_S = 2.5, 1.4, 1.0
"""The product's 30, 17 and 15 s, shortened alike so that a seed takes seconds."""


def made_up(session: int, seq: int) -> Alert:
    """The same alert for the same numbers, always."""
    session_id = SessionId(f"ses_{session}")
    return Alert(
        alert_id=AlertId(derive_id("alr", session_id, seq)),
        seq=seq,
        tenant_id=TENANT,
        exam_id=ExamId("exa_bench"),
        session_id=session_id,
        candidate_id=CandidateId(f"cnd_{session}"),
        incident_id=IncidentId(derive_id("inc", session_id, seq)),
        transition=Transition.OPENED,
        rule_id="no_face",
        policy_id="standard",
        policy_version=1,
        category=Category.CONDUCT,
        severity=Severity.MEDIUM,
        title="No face",
        reason="Nobody was in the picture for 3.0 s.",
        occurred_ms=1000 * seq,
        raised_at=BEGAN,
        signals=(),
        producers=(),
        frame_digest=None,
    )


def script(seed: int, count: int, sessions: int = 3) -> list[Alert]:
    """`count` alerts of several sessions, in the order in which they are raised."""
    luck = random.Random(seed)
    seqs: Counter[int] = Counter()
    alerts = []
    for _ in range(count):
        session = luck.randrange(sessions)
        seqs[session] += 1
        alerts.append(made_up(session, seqs[session]))
    return alerts


async def commit(
    stores: SqlStores, alerts: Iterable[Alert], *, together: bool = False, patience: int = 600
) -> None:
    """As a shard does: repeated until it stands; a repetition is harmless.

    Args:
        stores: The database.
        alerts: To be committed, in order.
        together: In one transaction; each in one of its own otherwise.
        patience: Tries, a tenth of a second apart.
    """
    parts = [
        Judged(
            tenant_id=alert.tenant_id,
            session_id=alert.session_id,
            alerts=(alert,),
            incidents=(),
            coverage=None,
        )
        for alert in alerts
    ]
    for step in [parts] if together else [[part] for part in parts]:
        for _ in range(patience):
            try:
                await stores.incidents.commit(step)
                break
            except Conflict:
                raise
            except ProctorError:
                await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the alerts of one seed, or of all.

    Attributes:
        raised: Alerts committed.
        delivered: Of those, answered with 2xx at least once.
        dead: Dead letters with a reason, visible and replayable.
        doubled: Deliveries beyond the first, under the same id.
        lost: Neither delivered nor a dead letter.
        disordered: First deliveries that came before an earlier one of their session.
    """

    raised: int = 0
    delivered: int = 0
    dead: int = 0
    doubled: int = 0
    lost: int = 0
    disordered: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        names = self.__slots__
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass
class Taken:
    """Every event that a receiver answered with 2xx, in order: (alert id, session, seq)."""

    events: list[tuple[str, str, int]] = field(default_factory=list)

    def take(self, got: Got) -> None:
        """Note a request that is answered well."""
        said = json.loads(got.body)
        for event in said if isinstance(said, list) else [said]:
            self.events.append((event["id"], event["data"]["session_id"], event["data"]["seq"]))

    def tally(self, alerts: Sequence[Alert], dead: int = 0) -> Tally:
        """The verdict."""
        raised = {alert.alert_id for alert in alerts}
        counts = Counter(name for name, _, _ in self.events)
        assert set(counts) <= raised, "something arrived that nobody raised"
        first: dict[str, list[int]] = {}
        seen: set[str] = set()
        for name, session, seq in self.events:
            if name not in seen:
                seen.add(name)
                first.setdefault(session, []).append(seq)
        disordered = sum(
            later < sooner for seqs in first.values() for sooner, later in itertools.pairwise(seqs)
        )
        return Tally(
            raised=len(raised),
            delivered=len(counts),
            dead=dead,
            doubled=sum(counts.values()) - len(counts),
            lost=len(raised) - len(counts) - dead,
            disordered=disordered,
        )


async def nobody_live(tenant_id: TenantId) -> int | None:
    """There are no live readers in this house."""
    return None


class Silence:
    """`Metrics` that nobody reads."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""


@dataclass
class Scene:
    """One seed's house.

    Attributes:
        folder: Files of this seed.
        url: The database.
        receiver: At the other end.
        ca: Its authority.
        taken: What it answered with 2xx.
    """

    folder: Path
    url: str
    receiver: Receiver
    ca: Path
    taken: Taken

    def stores(self, url: str | None = None, patience_s: float = 1.0) -> SqlStores:
        """The database, through another door if one is named."""
        return SqlStores(url or self.url, patience_s)

    def registry(self, clock: Clock) -> SinkRegistry:
        """What opens the receiver's sink and no other."""
        return registry_for(self.receiver.port, self.ca, clock)

    def take_all(self) -> None:
        """The receiver takes whatever comes."""

        def take(got: Got) -> Answer:
            self.taken.take(got)
            return OK

        self.receiver.decide = take

    async def furnish(self, batching: Batching = Batching()) -> None:  # noqa: B008
        """Put the sink in."""
        stores, keys = self.stores(patience_s=5.0), FileKeyRing(self.folder / "keys.json")
        await stores.sinks.add_sink(
            Sink(
                sink_id=SINK,
                tenant_id=TENANT,
                name="receiver",
                kind=SinkKind.WEBHOOK,
                target=f"https://127.0.0.1:{self.receiver.port}/in",
                batching=batching,
                created_at=BEGAN,
            ),
            seal(keys, TENANT, SINK, [new_secret()]),
            5,
        )
        await stores.close()

    async def settled(self, alerts: Sequence[Alert], within_s: float = 60.0) -> Tally:
        """Wait until every alert has arrived, or the time is over; the verdict."""
        wanted = {alert.alert_id for alert in alerts}
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while {name for name, _, _ in self.taken.events} != wanted:
                    await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # a repetition would come now
        return self.taken.tally(alerts)


def registry_for(port: int, ca: Path, clock: Clock) -> SinkRegistry:
    """What opens sinks at this port of 127.0.0.1 and nowhere else inside."""
    return SinkRegistry(clock=clock, allow=[f"127.0.0.1/32:{port}"], ca=ca, deadline_s=DEADLINE_S)


def desk_for(stores: SqlStores, clock: Clock, owner: str) -> Desk:
    """A dispatcher's desk with the shortened times."""
    return Desk(
        owner=owner,
        sinks=stores.sinks,
        deliveries=stores.deliveries,
        feed=stores.feed,
        caught_up=nobody_live,
        clock=clock,
        metrics=Silence(),
        lease_s=LEASE_S,
        call_s=CALL_S,
    )


async def publish(stores: SqlStores) -> None:
    """What the dispatcher's first loop does: outbox to feed, for ever."""
    while True:
        with suppress(ProctorError):
            await stores.feed.publish_pending(200)
        await asyncio.sleep(0.05)


@asynccontextmanager
async def dispatching(
    stores: SqlStores, registry: SinkRegistry, keys: Path, owner: str
) -> AsyncIterator[None]:
    """A dispatcher at work: publishing and delivering."""
    crew = DeliveryCrew(desk_for(stores, SystemClock(), owner), FileKeyRing(keys), registry)
    tasks = [asyncio.create_task(crew.run()), asyncio.create_task(publish(stores))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def scene(folder: Path, url: str | None = None) -> AsyncIterator[Scene]:
    """A receiver that listens and a database with tables; SQLite in the folder unless one is named."""
    folder.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(folder)
    if url is None:
        url = f"sqlite:///{folder / 'proctor.db'}"
        await asyncio.to_thread(upgrade, url)
    taken, receiver = Taken(), Receiver()
    async with receiving(receiver, certificates.tls):
        yield Scene(folder, url, receiver, certificates.ca, taken)
