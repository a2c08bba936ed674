"""What a fault costs a receiver: alerts are raised all the time while its line, its broker or it fails.

Each fault is played by many receivers at once, each with a random moment of its own (seed); the table says
what was raised, delivered, doubled (with the same id), out of its session's order, and lost.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from bench.cutter import Cutter, cutter
from bench.delivery import Listener
from bench.delivery_brokers import broker_away, broker_refuses, poisoned
from bench.delivery_place import Place, Way, ready
from bench.delivery_play import WARM_S, Play, Playing
from bench.delivery_ways import OverEvents, OverGrpc, OverWebSocket
from bench.delivery_world import TENANT, MakeDispatcher, World, world

RATE = 20
AFTER_S = 60.0
WINDOW_BYTES = 20_000
SAY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one fault over all receivers.

    Attributes:
        fault: Which, as TRUST.md numbers it.
        seeds: How many receivers.
        outage_s: How long the fault lasted.
        raised: Alerts committed, times receivers.
        delivered: Different alerts received.
        doubled: Received again, with the same id.
        disordered: Received behind a later one of their session.
        lost: Never received.
        back_ms: Median time from the end of the fault to the next alert.
    """

    fault: str
    seeds: int
    outage_s: float
    raised: int
    delivered: int
    doubled: int
    disordered: int
    lost: int
    back_ms: float


async def _line_cut(
    way: Way,
    place_of: Callable[[Place, int], Place],
    target: int,
    playing: Playing,
) -> None:
    """Reset in the middle, twice, then nobody is let in for the outage."""

    async def hurt(relay: Cutter) -> None:
        for _ in range(2):
            await asyncio.sleep(playing.rng.uniform(0.2, WARM_S))
            relay.reset()
        relay.is_down = True
        relay.reset()
        await asyncio.sleep(playing.outage_s)
        relay.is_down = False
        playing.healed()

    async with cutter(target) as (relay, port):
        hurting = asyncio.create_task(hurt(relay))
        try:
            await way.receive(place_of(playing.place, port), playing.listener.ear)
        finally:
            hurting.cancel()


def _http(place: Place, port: int) -> Place:
    return replace(place, base_url=f"http://127.0.0.1:{port}")


async def websocket_cut(playing: Playing) -> None:
    """A WebSocket's line."""
    port = int(playing.place.base_url.rpartition(":")[2])
    await _line_cut(OverWebSocket(), _http, port, playing)


async def events_cut(playing: Playing) -> None:
    """An event stream's line."""
    port = int(playing.place.base_url.rpartition(":")[2])
    await _line_cut(OverEvents(), _http, port, playing)


async def grpc_cut(playing: Playing) -> None:
    """A gRPC stream's line."""

    def through(place: Place, port: int) -> Place:
        return replace(place, grpc_port=port)

    port = playing.place.grpc_port
    await _line_cut(OverGrpc(), through, port, playing)


async def websocket_stuck(playing: Playing) -> None:
    """A client that stops reading; the server's window is small, so it is sent away while it sleeps."""
    moment, is_over = time.perf_counter() + playing.rng.uniform(0.2, WARM_S), False

    async def rest() -> None:
        nonlocal is_over
        if not is_over and time.perf_counter() >= moment:
            is_over = True
            await asyncio.sleep(playing.outage_s)
            playing.healed()

    playing.listener.ear.rest = rest
    await OverWebSocket().receive(playing.place, playing.listener.ear)


FAULTS: Mapping[str, Play] = {
    "F27 broker away": broker_away,
    "F27 not enough replicas": broker_refuses,
    "F28 poison records": poisoned,
    "F32 WebSocket stuck": websocket_stuck,
    "F32 WebSocket cut": websocket_cut,
    "F33 gRPC cut": grpc_cut,
    "SSE cut": events_cut,
}


async def play_faults(
    home: Path,
    make_dispatcher: MakeDispatcher,
    seeds: int,
    outage_s: float,
    faults: Sequence[str] = tuple(FAULTS),
    say: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Every fault, one after the other, each with all its receivers at once."""
    found: list[Outcome] = []
    async with (
        world(home, make_dispatcher) as ground,
        ground.place(100, window_bytes=WINDOW_BYTES, say_s=SAY_S) as place,
    ):
        for fault in faults:
            say(f"{fault}: {seeds} receivers, {outage_s:g} s")
            found.append(await _play(ground, place, fault, seeds, outage_s))
    return found


async def _play(ground: World, place: Place, fault: str, seeds: int, outage_s: float) -> Outcome:
    after, before = await ground.feed.head(TENANT), set(ground.shard.committed)
    listeners = [Listener(after) for _ in range(seeds)]
    healed_at: list[float | None] = [None] * seeds

    def healing(seed: int) -> Callable[[], None]:
        def healed() -> None:
            healed_at[seed] = time.perf_counter()

        return healed

    tasks = [
        asyncio.create_task(
            FAULTS[fault](
                Playing(
                    place=place,
                    listener=listener,
                    rng=random.Random(seed),
                    outage_s=outage_s,
                    healed=healing(seed),
                )
            )
        )
        for seed, listener in enumerate(listeners)
    ]
    try:
        for task, listener in zip(tasks, listeners, strict=True):
            await ready(task, listener.ear)
        until = time.perf_counter() + 3 * WARM_S + outage_s
        while time.perf_counter() < until or None in healed_at:
            await ground.shard.commit(1)
            await asyncio.sleep(1 / RATE)
            for task in tasks:
                if task.done():
                    task.result()
        made = ground.shard.committed.keys() - before
        await asyncio.gather(*(each.has(set(made), AFTER_S) for each in listeners))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    delivered = sum(len(made & each.heard.keys()) for each in listeners)
    return Outcome(
        fault=fault,
        seeds=seeds,
        outage_s=outage_s,
        raised=len(made) * seeds,
        delivered=delivered,
        doubled=sum(each.doubled for each in listeners),
        disordered=sum(disordered(list(each.heard), ground.shard.places) for each in listeners),
        lost=len(made) * seeds - delivered,
        back_ms=_back_ms(listeners, healed_at),
    )


def disordered(heard: Sequence[str], places: Mapping[str, tuple[str, int]]) -> int:
    """How many came behind a later one of their session."""
    last: dict[str, int] = {}
    found = 0
    for alert_id in heard:
        session_id, seq = places[alert_id]
        found += seq < last.get(session_id, 0)
        last[session_id] = max(seq, last.get(session_id, 0))
    return found


def _back_ms(listeners: Sequence[Listener], healed_at: Sequence[float | None]) -> float:
    waits = []
    for listener, at in zip(listeners, healed_at, strict=True):
        later = [heard for heard in listener.heard.values() if at is not None and heard >= at]
        if later and at is not None:
            waits.append(min(later) - at)
    return round(sorted(waits)[len(waits) // 2] * 1000, 1) if waits else float("nan")


def fault_table(found: Sequence[Outcome]) -> Table:
    """For a terminal."""
    made = Table(
        *("fault", "seeds", "s", "raised", "delivered", "doubled", "disordered", "lost"),
        "back after ms",
    )
    for each in found:
        counts = (each.raised, each.delivered, each.doubled, each.disordered, each.lost)
        made.add_row(
            each.fault,
            str(each.seeds),
            f"{each.outage_s:g}",
            *(str(count) for count in counts),
            f"{each.back_ms:,.0f}",
        )
    return made
