"""How fast alerts leave, and how many: by each way, at several rates, one by one and in batches.

An alert is committed as a fusion shard does it (all of a tick in one transaction), the product's own
dispatcher gives it its place in the feed, and a receiver in this process notes when it has it. Database,
Redis, the readers' server and the brokers are the product's own; there are no models and no Serve.
"""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.batches import machine
from bench.delivery_place import Ear, Place, ready
from bench.delivery_ways import WAYS
from bench.delivery_world import TENANT, MakeDispatcher, World, world

TICK_S = 0.02
BATCH = 100
LAST_S = 15.0
"""How long the last alerts of a run may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """One way at one rate.

    Attributes:
        way: Which.
        batch: Most alerts in one message or call; 1 is no batching.
        rate: Alerts committed a second, as asked.
        committed: How many.
        lost: How many never came.
        doubled: How many came again.
        p50_ms: Median time from commit to receipt.
        p99_ms: And what all but one in a hundred kept.
    """

    way: str
    batch: int
    rate: float
    committed: int
    lost: int
    doubled: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A backlog through one way, all at once.

    Attributes:
        way: Which.
        batch: Most alerts in one message or call.
        alerts: How many waited.
        per_second: How many came a second, once the first batch was there.
    """

    way: str
    batch: int
    alerts: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure."""

    ways: Sequence[str] = tuple(WAYS)
    rates: Sequence[float] = (1, 100, 1000)
    seconds: float = 10.0
    backlog: int = 3000
    batches: Sequence[int] = (1, BATCH)


@dataclass(slots=True)
class Figures:
    """Everything measured."""

    delays: list[Delays] = field(default_factory=list)
    throughput: list[Throughput] = field(default_factory=list)
    load_average: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {
            "machine": machine(),
            "load_average": self.load_average,
            "delays": [asdict(each) for each in self.delays],
            "throughput": [asdict(each) for each in self.throughput],
        }


class Listener:
    """One receiver and when it heard what."""

    def __init__(self, after: int) -> None:
        self.heard: dict[str, float] = {}
        self.doubled = 0
        self.ear = Ear(self._hear, after)

    def _hear(self, alert_id: str) -> None:
        if alert_id in self.heard:
            self.doubled += 1
        self.heard.setdefault(alert_id, time.perf_counter())

    async def has(self, alert_ids: set[str], within_s: float) -> None:
        """Wait until all are heard, or time is up."""
        until = time.perf_counter() + within_s
        while not alert_ids <= self.heard.keys() and time.perf_counter() < until:
            await asyncio.sleep(0.02)


async def measure(
    home: Path,
    make_dispatcher: MakeDispatcher,
    asked: Asked,
    say: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Every way at every rate, without and with batching; then a backlog through each.

    Raises:
        KeyError: There is no such way.
    """
    figures = Figures(load_average=os.getloadavg()[0])
    async with world(home, make_dispatcher) as found:
        for batch in asked.batches:
            async with found.place(batch) as place:
                for way in asked.ways:
                    for rate in asked.rates:
                        say(f"{way}, up to {batch} at once, {rate:g} alerts a second")
                        figures.delays.append(await _delays(found, place, way, rate, asked.seconds))
                    say(f"{way}, up to {batch} at once, a backlog of {asked.backlog}")
                    figures.throughput.append(await _backlog(found, place, way, asked.backlog))
    return figures


async def _delays(found: World, place: Place, way: str, rate: float, seconds: float) -> Delays:
    listener = Listener(await found.feed.head(TENANT))
    before = set(found.shard.committed)
    async with _receiving(place, way, listener):
        began, owed = time.perf_counter(), 0
        wanted = max(1, round(rate * seconds))
        while owed < wanted:
            due = min(wanted, int((time.perf_counter() - began) * rate) + 1) - owed
            if due > 0:
                await found.shard.commit(due)
                owed += due
            await asyncio.sleep(TICK_S)
        made = found.shard.committed.keys() - before
        await listener.has(set(made), LAST_S)
    took = sorted(
        listener.heard[alert_id] - found.shard.committed[alert_id]
        for alert_id in made & listener.heard.keys()
    )
    return Delays(
        way=way,
        batch=place.most,
        rate=rate,
        committed=len(made),
        lost=len(made - listener.heard.keys()),
        doubled=listener.doubled,
        p50_ms=_percentile_ms(took, 0.5),
        p99_ms=_percentile_ms(took, 0.99),
    )


async def _backlog(found: World, place: Place, way: str, count: int) -> Throughput:
    after = await found.feed.head(TENANT)
    before = set(found.shard.committed)
    for first in range(0, count, 500):
        await found.shard.commit(min(500, count - first))
    while await found.feed.head(TENANT) < after + count:  # the dispatcher is at it
        await asyncio.sleep(0.05)
    made = found.shard.committed.keys() - before
    listener = Listener(after)
    async with _receiving(place, way, listener, is_backlog=True):
        await listener.has(set(made), 10 * LAST_S)
    times = sorted(listener.heard[alert_id] for alert_id in made & listener.heard.keys())
    return Throughput(
        way=way, batch=place.most, alerts=len(times), per_second=per_second(times, place.most)
    )


@asynccontextmanager
async def _receiving(
    place: Place, way: str, listener: Listener, *, is_backlog: bool = False
) -> AsyncIterator[None]:
    receiving = asyncio.create_task(WAYS[way]().receive(place, listener.ear))
    try:
        if not is_backlog:
            await ready(receiving, listener.ear)
        yield
        if receiving.done():
            receiving.result()
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


def per_second(times: Sequence[float], batch: int) -> float:
    """Alerts a second, of ascending moments, once the first batch was there."""
    skipped = min(batch, len(times) // 2)
    if not skipped or times[-1] <= times[skipped - 1]:
        return 0.0
    return round((len(times) - skipped) / (times[-1] - times[skipped - 1]), 1)


def _percentile_ms(took: Sequence[float], share: float) -> float:
    """Of ascending seconds; the value that the share keeps (nearest rank)."""
    if not took:
        return float("nan")
    return round(took[math.ceil(len(took) * share) - 1] * 1000, 1)


def tables(figures: Figures) -> tuple[Table, Table]:
    """Delays and throughput, for a terminal."""
    first = Table(
        *("way", "at once", "alerts/s", "committed", "lost", "doubled", "p50 ms", "p99 ms"),
        title="from commit to receipt",
    )
    for each in figures.delays:
        first.add_row(
            *(each.way, str(each.batch), f"{each.rate:g}", str(each.committed), str(each.lost)),
            *(str(each.doubled), f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}"),
        )
    second = Table("way", "at once", "alerts", "alerts/s", title="a backlog")
    for row in figures.throughput:
        second.add_row(row.way, str(row.batch), str(row.alerts), f"{row.per_second:,.0f}")
    return first, second
