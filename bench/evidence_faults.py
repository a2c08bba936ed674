"""Faults of evidence, by seed: alerts on time, evidence stored later or stated lost, nothing in plain.

python -m bench.evidence_faults --seeds 20                 # every fault of TRUST.md that is here
python -m bench.evidence_faults --only F31-hang --seeds 5 --json faults.json
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.evidence.faults import FAULTS
from bench.evidence.scene import LATE_MS, Tally

OUTAGE_S = 4.0


def play(name: str, seed: int, outage_s: float = OUTAGE_S) -> Tally:
    """One fault with one seed, in a folder of its own."""
    _, fault = FAULTS[name]

    async def run(folder: Path) -> Tally:
        return await fault(folder, seed, outage_s)

    with tempfile.TemporaryDirectory(prefix="proctor-evidence-") as folder:
        return asyncio.run(run(Path(folder)))


def is_good(tally: Tally) -> bool:
    """Whether alerts were on time, every incident says where its evidence is, and that is true."""
    return not (tally.late or tally.unstated or tally.wrong or tally.plain)


def at(share: float, values: Sequence[float]) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def main() -> int:
    """Play, print a table; 1 when something was late, unstated, wrong or in plain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=sorted(FAULTS), action="append")
    parser.add_argument("--outage", type=float, default=OUTAGE_S, help="seconds")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table = Table(
        *("fault", "what", "seeds", "alerts", "p50", "p99", "max ms", "keep p99 ms", "stored"),
        *("lost", "unstated", "wrong", "plain", "settled s", "s"),
        box=None,
    )
    rows, is_all_good = [], True
    for name in asked.only or FAULTS:
        began_s, total = time.monotonic(), Tally()
        for seed in range(1, asked.seeds + 1):
            total += play(name, seed, asked.outage)
        took_s = time.monotonic() - began_s
        is_all_good = is_all_good and is_good(total)
        rows.append({"fault": name, "seeds": asked.seeds, "seconds": took_s, **asdict(total)})
        lost = ", ".join(f"{count} {why}" for why, count in sorted(total.lost.items()))
        table.add_row(
            *(name, FAULTS[name][0], str(asked.seeds), str(total.alerts)),
            *(f"{at(share, total.alert_ms):.0f}" for share in (0.5, 0.99, 1.0)),
            *(f"{at(0.99, total.keep_ms):.0f}", str(total.stored), lost or "0"),
            *(str(total.unstated), str(total.wrong), str(total.plain)),
            *(f"{statistics.median(total.healed_s):.1f}", f"{took_s:.0f}"),
        )
    Console(width=200).print(table)
    print(f"late is an alert that took more than {LATE_MS:.0f} ms from commit to feed")
    if asked.json:
        asked.json.write_text(json.dumps({"outage_s": asked.outage, "faults": rows}, indent=1))
    return int(not is_all_good)


if __name__ == "__main__":
    sys.exit(main())
