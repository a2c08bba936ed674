"""The delivery benchmark at its smallest: every way, both ways of batching, nothing lost."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.delivery import Asked, Figures, Listener, _percentile_ms, measure, per_second, tables
from bench.delivery_ways import WAYS
from deployments.cli.bench_delivery import make_dispatcher


async def test_every_way_brings_every_alert_once(tmp_path: Path) -> None:
    asked = Asked(rates=(40,), seconds=0.5, backlog=60, batches=(20,))
    said: list[str] = []
    found = await measure(tmp_path, make_dispatcher, asked, said.append)
    assert [(each.way, each.batch) for each in found.delays] == [(way, 20) for way in WAYS]
    for each in found.delays:
        assert (each.committed, each.lost, each.doubled) == (20, 0, 0), each
        assert 0 < each.p50_ms <= each.p99_ms < 10_000, each
    assert [row.alerts for row in found.throughput] == [60] * len(WAYS)
    assert all(row.per_second > 0 for row in found.throughput)
    assert len(said) == 2 * len(WAYS)
    _read_back(found)


def _read_back(found: Figures) -> None:
    written = json.loads(json.dumps(found.as_json()))
    assert len(written["delays"]) == len(found.delays)
    shown = StringIO()
    for table in tables(found):
        Console(width=120, file=shown).print(table)
    assert all(way in shown.getvalue() for way in WAYS)


def test_what_never_came_and_what_came_twice_is_told() -> None:
    listener = Listener(after=0)
    for alert_id in ("a", "b", "a"):
        listener.ear.hear(alert_id)
    assert (set(listener.heard), listener.doubled) == ({"a", "b"}, 1)


@pytest.mark.parametrize(
    ("took", "share", "ms"),
    [
        ([0.001], 0.5, 1.0),
        ([0.001, 0.002], 0.5, 1.0),
        ([i / 1000 for i in range(1, 101)], 0.99, 99),
    ],
)
def test_percentiles_are_of_the_nearest_rank(took: list[float], share: float, ms: float) -> None:
    assert _percentile_ms(took, share) == ms


def test_a_throughput_is_counted_from_the_end_of_the_first_batch() -> None:
    assert per_second([9.0, 9.0, 10.0, 10.5, 11.0], batch=2) == 1.5
    assert per_second([9.0, 9.0], batch=100) == 0.0, "all in one: nothing to be said"
    assert per_second([], batch=1) == 0.0
