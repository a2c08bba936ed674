"""The fault run at its smallest, and that its counting would see a loss or a disorder."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.delivery_brokers import POISON
from bench.delivery_faults import FAULTS, disordered, fault_table, play_faults
from bench.delivery_pushed import id_of
from deployments.cli.bench_delivery import make_dispatcher
from proctor.alerting.envelope import DATA_SCHEMA


async def test_no_fault_loses_or_reorders_an_alert(tmp_path: Path) -> None:
    # all of them: --faults 20
    some = ("F27 broker away", "F28 poison records", "F32 WebSocket stuck", "F33 gRPC cut")
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


@pytest.mark.parametrize("value", POISON)
def test_a_record_that_is_no_alert_is_put_aside(value: bytes) -> None:
    assert id_of(value) is None


def test_an_alert_is_told_by_its_id() -> None:
    assert id_of(json.dumps({"id": "alr_1", "dataschema": DATA_SCHEMA}).encode()) == "alr_1"
