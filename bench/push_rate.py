"""Alerts a second through a webhook, and how long each takes, by itself and in batches.

    python -m bench.push_rate --seconds 10 --json rate.json

The whole way: commit, outbox, feed, the sink's worker, HTTPS to a receiver in the same process on
loopback. A delay is counted from the alert's commit to the receiver's 2xx.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.pushing.scene import Scene, commit, dispatching, made_up, scene
from bench.receiver import OK, Answer, Got
from proctor.adapters.clock import SystemClock
from proctor.domain.sinks import Batching

RATES = (1, 100, 1000)
SESSIONS = 50
TICK_S = 0.1
"""A shard commits what a tick brought in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one rate came to.

    Attributes:
        asked_per_s: Alerts raised a second.
        batch: Most alerts in one request.
        reached_per_s: Alerts delivered a second, from the first commit to the last 2xx.
        requests: Requests made.
        p50_s: Median delay.
        p99_s: Delay of all but a hundredth.
        lost: Alerts that did not arrive within two minutes after the last commit.
    """

    asked_per_s: int
    batch: int
    reached_per_s: float
    requests: int
    p50_s: float
    p99_s: float
    lost: int


async def measure(folder: Path, per_s: int, batching: Batching, seconds: float) -> Rate:
    """Raise so many alerts a second for so long, and see them arrive."""
    committed: dict[str, float] = {}
    arrived: dict[str, float] = {}
    async with scene(folder) as stage:

        def take(got: Got) -> Answer:
            now = time.monotonic()
            said = json.loads(got.body)
            for event in said if isinstance(said, list) else [said]:
                arrived.setdefault(event["id"], now)
            return OK

        stage.receiver.decide = take
        await stage.furnish(batching)
        stores = stage.stores(patience_s=5.0)
        keys, registry = folder / "keys.json", stage.registry(SystemClock())
        async with dispatching(stores, registry, keys, "one"):
            await asyncio.sleep(2.5)  # the worker has begun
            began_s = time.monotonic()
            await _raise(stage, per_s, seconds, committed)
            until = time.monotonic() + 120
            while len(arrived) < len(committed) and time.monotonic() < until:
                await asyncio.sleep(0.02)
        await stores.close()
    delays = sorted(arrived[name] - committed[name] for name in arrived)
    return Rate(
        asked_per_s=per_s,
        batch=batching.most,
        reached_per_s=len(arrived) / (max(arrived.values()) - began_s),
        requests=len(stage.receiver.got),
        p50_s=statistics.median(delays),
        p99_s=delays[min(int(len(delays) * 0.99), len(delays) - 1)],
        lost=len(committed) - len(arrived),
    )


async def _raise(stage: Scene, per_s: int, seconds: float, committed: dict[str, float]) -> None:
    shard, began_s, raised = stage.stores(patience_s=5.0), time.monotonic(), 0
    seqs = [0] * SESSIONS
    while (passed_s := time.monotonic() - began_s) < seconds:
        alerts = []
        while raised < (passed_s + TICK_S) * per_s and raised < per_s * seconds:
            session = raised % SESSIONS
            seqs[session] += 1
            raised += 1
            alerts.append(made_up(session, seqs[session]))
        await commit(shard, alerts, together=True)
        now = time.monotonic()
        committed.update((alert.alert_id, now) for alert in alerts)
        await asyncio.sleep(max(TICK_S - (time.monotonic() - began_s - passed_s), 0))
    await shard.close()


def main() -> int:
    """Measure and print; 1 when an alert did not arrive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table = Table("asked/s", "batch", "reached/s", "requests", "p50 s", "p99 s", "lost", box=None)
    found: list[Rate] = []
    for per_s in asked.rate or RATES:
        for batching in (Batching(), Batching(most=100, wait_ms=100)):
            with tempfile.TemporaryDirectory(prefix="proctor-rate-") as folder:
                rate = asyncio.run(measure(Path(folder), per_s, batching, asked.seconds))
            found.append(rate)
            table.add_row(
                str(rate.asked_per_s),
                str(rate.batch),
                f"{rate.reached_per_s:.1f}",
                str(rate.requests),
                f"{rate.p50_s:.2f}",
                f"{rate.p99_s:.2f}",
                str(rate.lost),
            )
    Console().print(table)
    if asked.json:
        rows = [{name: getattr(rate, name) for name in Rate.__slots__} for rate in found]
        asked.json.write_text(json.dumps({"seconds": asked.seconds, "rates": rows}, indent=1))
    return int(any(rate.lost for rate in found))


if __name__ == "__main__":
    sys.exit(main())
