"""F20: Redis stands still, or is killed and comes back, while a shard judges and alerts go out.

A host keeps sending and repeats what is not acknowledged, as the product's does; a shard of the product
judges over a real Redis and SQLite. What must arrive is what a judge without any fault would have told.
"""

import asyncio
import random
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil

from bench.judge_cost import BEGAN, POLICY, TICK_MS, seen_at
from bench.pushing.scene import TENANT, Scene, Silence, Tally, dispatching, scene
from bench.what_if import PatientClock, spec_of
from proctor.adapters.clock import SystemClock
from proctor.adapters.redis_server import RedisServer, find_redis_server, start_redis
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.domain.alerts import Alert
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.judge import SessionJudge
from proctor.services.judge_sessions import JudgeShard

SESSIONS = (0, 10, 20)
"""Those of bench.judge_cost who look away every 15 s."""

SESSION_MS = 60_000
TICK_PAUSE_S = 0.02
MOST_AT_ONCE = 30


def reports_of(index: int, spec: SessionSpec) -> list[TickReport]:
    """Everything that a host sees of a session."""
    return [
        TickReport(
            session_id=spec.session_id,
            epoch=1,
            seq=tick + 1,
            sent_ms=tick * TICK_MS,
            observations=seen_at(index, tick * TICK_MS),
            spec=spec if tick == 0 else None,
        )
        for tick in range(SESSION_MS // TICK_MS)
    ]


def undisturbed(spec: SessionSpec, reports: Sequence[TickReport]) -> list[Alert]:
    """What a judge without any fault tells."""
    judge = SessionJudge(spec)
    alerts = [alert for report in reports for alert in judge.consume(report, BEGAN).alerts]
    alerts += judge.end(SESSION_MS, BEGAN).alerts
    return [alert for alert in alerts if alert.suppressed_by is None]


class Host:
    """Sends the next report of every session, and again whatever is not acknowledged."""

    def __init__(self, shard: JudgeShard, reports: Sequence[Sequence[TickReport]]) -> None:
        self._shard = shard
        self._coming = [deque(each) for each in reports]
        self._kept: list[deque[TickReport]] = [deque() for _ in reports]

    @property
    def is_done(self) -> bool:
        """Whether everything was sent and acknowledged."""
        return not any(self._coming) and not any(self._kept)

    async def step(self) -> None:
        """One tick of every session."""
        for coming, kept in zip(self._coming, self._kept, strict=True):
            if coming:
                kept.append(coming.popleft())
        batch = [report for kept in self._kept for report in list(kept)[:MOST_AT_ONCE]]
        safe = {answer.session_id: answer.seq for answer in await self._shard.submit(batch)}
        for kept in self._kept:
            while kept and kept[0].seq <= safe.get(kept[0].session_id, 0):
                kept.popleft()


@contextmanager
def _redis(folder: Path) -> Iterator[RedisServer]:
    server = start_redis(folder)
    try:
        yield server
    finally:
        server.stop()


async def _hurt(server: RedisServer, folder: Path, luck: random.Random, outage_s: float) -> None:
    """Stopped, or killed and started again on the same data, after a random moment."""
    await asyncio.sleep(luck.uniform(0.3, 2.0))
    if luck.random() < 0.5:
        psutil.Process(server.process.pid).suspend()
        await asyncio.sleep(outage_s)
        psutil.Process(server.process.pid).resume()
        return
    server.process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(server.process.wait)
    await asyncio.sleep(outage_s)
    again = await asyncio.to_thread(
        subprocess.Popen, [str(find_redis_server()), str(folder / "redis.conf")]
    )
    object.__setattr__(server, "process", again)  # whoever stops the server stops this one


async def state_store_away(folder: Path, seed: int, outage_s: float) -> Tally:
    """F20: nothing is acknowledged while Redis is away, and nothing is lost, doubled or made up."""
    luck = random.Random(seed)
    policy = POLICY.read_text(encoding="utf-8")
    specs = [replace(spec_of(index, policy), tenant_id=TENANT) for index in SESSIONS]
    reports = [reports_of(index, spec) for index, spec in zip(SESSIONS, specs, strict=True)]
    wanted = [
        alert
        for spec, each in zip(specs, reports, strict=True)
        for alert in undisturbed(spec, each)
    ]
    async with scene(folder) as stage:
        stage.take_all()
        await stage.furnish()
        with _redis(folder / "redis") as server:
            hurting = asyncio.create_task(_hurt(server, folder / "redis", luck, outage_s))
            tally = await _sat(stage, server, specs, reports, wanted)
            assert hurting.done(), "the sessions were over before Redis was back"
            await hurting
    return tally


async def _sat(
    stage: Scene,
    server: RedisServer,
    specs: Sequence[SessionSpec],
    reports: Sequence[Sequence[TickReport]],
    wanted: Sequence[Alert],
) -> Tally:
    """The sessions are sat and ended; what arrived."""
    stores, outgoing = stage.stores(patience_s=5.0), stage.stores(patience_s=5.0)
    checkpoints, live = RedisCheckpoints(server.url), RedisLiveState(server.url)
    clock = PatientClock()
    shard = JudgeShard(
        name="bench",
        incidents=stores.incidents,
        checkpoints=checkpoints,
        live=live,
        clock=clock,
        metrics=Silence(),
    )
    await shard.start()
    host = Host(shard, reports)
    keys, registry = stage.folder / "keys.json", stage.registry(SystemClock())
    async with dispatching(outgoing, registry, keys, "one"):
        while not host.is_done:
            clock.elapsed_ms = min(clock.elapsed_ms + TICK_MS, SESSION_MS)
            await host.step()
            await asyncio.sleep(TICK_PAUSE_S)
        for spec in specs:
            await shard.end(spec, BEGAN + timedelta(milliseconds=SESSION_MS))
        tally = await stage.settled(wanted)
    for opened in (stores, outgoing, checkpoints, live):
        await opened.close()
    return tally
