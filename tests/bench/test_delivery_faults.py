"""The fault run at its smallest, and that its counting would see a loss or a disorder."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.delivery_faults import FAULTS, disordered, fault_table, play_faults
from deployments.cli.bench_delivery import make_dispatcher


async def test_no_fault_loses_or_reorders_an_alert(tmp_path: Path) -> None:
    some = ("F27 broker away", "F32 WebSocket stuck", "F33 gRPC cut")  # all: --faults 20
    found = await play_faults(tmp_path, make_dispatcher, 2, 0.5, some)
    assert [each.fault for each in found] == list(some)
    for each in found:
        assert each.raised >= 2 * 50, each
        assert (each.delivered, each.lost, each.disordered) == (each.raised, 0, 0), each
        assert each.back_ms < 30_000, each
    shown = StringIO()
    Console(width=120, file=shown).print(fault_table(found))
    assert all(fault in shown.getvalue() for fault in some)
    assert set(some) < set(FAULTS)


@pytest.mark.parametrize(
    ("heard", "count"),
    [("a1 a2 b1 a3", 0), ("a1 a3 a2 b1", 1), ("b2 a1 b1 a2 b3", 1), ("", 0), ("a3 a2 a1", 2)],
)
def test_a_disorder_within_a_session_is_counted(heard: str, count: int) -> None:
    names = heard.split()
    assert disordered(names, {name: (name[0], int(name[1:])) for name in names}) == count
