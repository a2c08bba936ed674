"""The faults of TRUST.md that touch delivery, each as one function of a seed: play it, count."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from bench.cutter import cutter
from bench.postgres import run_postgres
from bench.pushing.endpoint import misbehaviour
from bench.pushing.scene import (
    Scene,
    Tally,
    commit,
    dispatching,
    scene,
    script,
)
from bench.pushing.state_store import state_store_away
from bench.receiver import OK, Answer, Got
from proctor.adapters.clock import SystemClock
from proctor.adapters.sql.migrate import upgrade

ALERTS = 24
Fault = Callable[[Path, int, float], Awaitable[Tally]]


@asynccontextmanager
async def _child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.pushing.child",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        first = await process.stdout.readline()
        assert first == b"ready\n", "the child did not begin; run bench.pushing.child by hand"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def shard_killed(folder: Path, seed: int, outage_s: float) -> Tally:
    """F2: the shard is killed after a commit and before the alert is in the feed; it begins again."""
    alerts, luck = script(seed, ALERTS), random.Random(seed)
    async with scene(folder) as stage:
        stage.take_all()
        await stage.furnish()
        for _ in range(2):
            async with _child("shard", str(folder), stage.url, str(seed), str(ALERTS)) as shard:
                assert shard.stdout is not None
                for _ in range(luck.randrange(1, ALERTS // 2)):
                    await shard.stdout.readline()
                shard.kill()
        stores = stage.stores(patience_s=5.0)
        registry = stage.registry(SystemClock())
        async with (
            dispatching(stores, registry, folder / "keys.json", "one"),
            _child("shard", str(folder), stage.url, str(seed), str(ALERTS)),
        ):
            tally = await stage.settled(alerts)
        await stores.close()
        return tally


@asynccontextmanager
async def _on_postgres(folder: Path) -> AsyncIterator[tuple[Scene, int, int]]:
    """(the scene behind a door of its own, PostgreSQL's port, its pid)."""
    folder.mkdir(parents=True, exist_ok=True)
    with run_postgres() as cluster:
        await asyncio.to_thread(upgrade, cluster.url)
        async with scene(folder, cluster.url) as stage:
            stage.take_all()
            await stage.furnish()
            yield stage, cluster.port, cluster.process.pid


async def database_away(folder: Path, seed: int, outage_s: float) -> Tally:
    """F22: PostgreSQL does not answer (stopped), or cannot be reached (cut), while alerts come."""
    alerts = script(seed, ALERTS)
    async with _on_postgres(folder) as (stage, port, pid), cutter(port) as (relay, door):
        url = make_url(stage.url).set(port=door).render_as_string(hide_password=False)
        stores, shard = stage.stores(url), stage.stores(url)
        keys, registry = folder / "keys.json", stage.registry(SystemClock())
        async with dispatching(stores, registry, keys, "one"):
            await commit(shard, alerts[: ALERTS // 3])
            raising = asyncio.create_task(commit(shard, alerts[ALERTS // 3 :]))
            await asyncio.sleep(random.Random(seed).uniform(0, 0.3))
            if seed % 2:
                relay.is_down = True
                relay.reset()
                await asyncio.sleep(outage_s)
                relay.is_down = False
            else:
                family = _family(pid)
                for process in family:
                    process.suspend()
                await asyncio.sleep(outage_s)
                for process in family:
                    process.resume()
            await raising
            tally = await stage.settled(alerts)
        await stores.close()
        await shard.close()
        return tally


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


async def commit_unknown(folder: Path, seed: int, outage_s: float) -> Tally:
    """F23: the answer to a COMMIT is lost; nobody knows what happened and everybody repeats."""
    alerts, luck = script(seed, ALERTS), random.Random(seed)
    async with _on_postgres(folder) as (stage, port, _), cutter(port) as (relay, door):
        url = make_url(stage.url).set(port=door).render_as_string(hide_password=False)
        stores, shard = stage.stores(url), stage.stores(url)
        keys, registry = folder / "keys.json", stage.registry(SystemClock())
        async with dispatching(stores, registry, keys, "one"):
            raising = asyncio.create_task(commit(shard, alerts))
            until = asyncio.get_running_loop().time() + outage_s
            while asyncio.get_running_loop().time() < until:
                await asyncio.sleep(luck.uniform(0, 0.3))
                relay.cuts_commits = True
                await asyncio.sleep(luck.uniform(0.05, 0.4))
                relay.cuts_commits = False
            await raising
            assert relay.cuts > 0
            tally = await stage.settled(alerts)
        await stores.close()
        await shard.close()
        return tally


async def database_locked(folder: Path, seed: int, outage_s: float) -> Tally:
    """F24: another writer holds SQLite's lock for longer than anybody's patience, again and again."""
    alerts = script(seed, ALERTS)
    async with scene(folder) as stage:
        stage.take_all()
        await stage.furnish()
        stores, shard = stage.stores(patience_s=0.3), stage.stores(patience_s=0.3)
        keys, registry = folder / "keys.json", stage.registry(SystemClock())
        async with dispatching(stores, registry, keys, "one"):
            raising = asyncio.create_task(commit(shard, alerts))
            await asyncio.to_thread(_hold_lock, folder / "proctor.db", seed, outage_s)
            await raising
            tally = await stage.settled(alerts)
        await stores.close()
        await shard.close()
        return tally


def _hold_lock(path: Path, seed: int, outage_s: float) -> None:
    luck, held_s = random.Random(seed), 0.0
    other = sqlite3.connect(path, isolation_level=None, timeout=5)
    while held_s < outage_s:
        time.sleep(luck.uniform(0.05, 0.2))
        other.execute("BEGIN IMMEDIATE")
        pause_s = min(luck.uniform(0.3, 2.0), outage_s - held_s + 0.01)
        time.sleep(pause_s)
        other.execute("ROLLBACK")
        held_s += pause_s
    other.close()


async def disk_full(folder: Path, seed: int, outage_s: float) -> Tally:
    """F24: the disk of the database is full, then it is not. Needs root, for a small disk of its own."""
    alerts = script(seed, ALERTS)
    disk = folder / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    try:
        url = f"sqlite:///{disk / 'proctor.db'}"
        await asyncio.to_thread(upgrade, url)
        async with scene(folder, url) as stage:
            stage.take_all()
            await stage.furnish()
            stores, shard = stage.stores(), stage.stores()
            keys, registry = folder / "keys.json", stage.registry(SystemClock())
            async with dispatching(stores, registry, keys, "one"):
                await commit(shard, alerts[: ALERTS // 3])
                ballast = disk / "ballast"
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                raising = asyncio.create_task(commit(shard, alerts[ALERTS // 3 :]))
                await asyncio.sleep(outage_s)
                assert not raising.done(), "the disk was not full"
                ballast.unlink()
                await raising
                tally = await stage.settled(alerts)
            await stores.close()
            await shard.close()
            return tally
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


async def dispatcher_killed(folder: Path, seed: int, outage_s: float) -> Tally:
    """F30: the receiver says 200 and the dispatcher is killed before it can note it; another one comes."""
    alerts, luck = script(seed, ALERTS), random.Random(seed)
    fatal = {luck.randrange(ALERTS), luck.randrange(ALERTS)}
    async with scene(folder) as stage:
        await stage.furnish()
        stores = stage.stores(patience_s=5.0)
        await commit(stores, alerts)
        seen, killed = 0, asyncio.Event()
        ids: list[tuple[str, str]] = []
        pid = 0

        def take(got: Got) -> Answer:
            nonlocal seen
            stage.taken.take(got)
            ids.append((got.headers["webhook-id"], json.loads(got.body)["id"]))
            if seen in fatal:
                os.kill(pid, signal.SIGKILL)
                killed.set()
            seen += 1
            return OK

        stage.receiver.decide = take
        wanted = {alert.alert_id for alert in alerts}
        for _ in range(len(fatal) + 1):
            killed.clear()
            arguments = ("dispatcher", str(folder), stage.url, str(stage.receiver.port))
            async with _child(*arguments) as process:
                pid = process.pid
                with suppress(TimeoutError):
                    async with asyncio.timeout(30):
                        while (
                            not killed.is_set() and {n for n, _, _ in stage.taken.events} != wanted
                        ):
                            await asyncio.sleep(0.02)
                if not killed.is_set():
                    await asyncio.sleep(0.5)
        await stores.close()
        assert all(webhook_id == event_id for webhook_id, event_id in ids)
        return stage.taken.tally(alerts)


async def two_dispatchers(folder: Path, seed: int, outage_s: float) -> Tally:
    """No fault: two dispatchers work for the same sink all the time, and each alert goes out once."""
    alerts = script(seed, ALERTS)
    async with scene(folder) as stage:
        stage.take_all()
        await stage.furnish()
        shard, keys = stage.stores(patience_s=5.0), folder / "keys.json"
        one, two = stage.stores(patience_s=5.0), stage.stores(patience_s=5.0)
        registry = stage.registry(SystemClock())
        async with (
            dispatching(one, registry, keys, "one"),
            dispatching(two, registry, keys, "two"),
        ):
            for alert in alerts:
                await commit(shard, [alert])
                await asyncio.sleep(outage_s / ALERTS)
            tally = await stage.settled(alerts)
        for stores in (shard, one, two):
            await stores.close()
        return tally


FAULTS: Mapping[str, tuple[str, Fault]] = {
    "F2": ("shard killed between commit and feed", shard_killed),
    "F20": ("Redis stopped, or killed and back", state_store_away),
    "F22": ("PostgreSQL away", database_away),
    "F23": ("outcome of a commit unknown", commit_unknown),
    "F24": ("SQLite locked by another writer", database_locked),
    "F24-disk": ("disk full", disk_full),
    "F29": ("receiver: 500, 429, 301, reset, silence, 410", misbehaviour),
    "none": ("two dispatchers at once", two_dispatchers),
    "F30": ("killed between the receiver's 200 and our record", dispatcher_killed),
}
