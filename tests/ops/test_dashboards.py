"""Dashboards: as their script writes them, and every query is one that Prometheus reads and we feed.

They were not loaded in a Grafana: there is none among the packages that are to be had here.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.grafana.build import FOLDER, texts
from tests.ops.test_rules import RECORDED
from tests.ops.watched import wrong_in

MADE: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in texts().items()}
QUERIES = [
    (f"{name}: {panel['title']}", target["expr"])
    for name, board in MADE.items()
    for panel in board["panels"]
    for target in panel["targets"]
]


def test_what_is_committed_is_what_the_script_writes() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == texts()
    assert set(MADE) == {"overview.json", "perception.json", "delivery.json", "hosts.json"}


def test_each_can_be_told_from_the_others_and_takes_any_data_source() -> None:
    assert len({board["uid"] for board in MADE.values()}) == len(MADE)
    for board in MADE.values():
        [variable] = board["templating"]["list"]
        assert (variable["name"], variable["type"]) == ("datasource", "datasource")
        for panel in board["panels"]:
            sources = [panel["datasource"], *(each["datasource"] for each in panel["targets"])]
            assert all(source["uid"] == "${datasource}" for source in sources)
            assert panel["targets"]


def test_no_two_panels_lie_on_one_another() -> None:
    for board in MADE.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_a_query_asks_for_nothing_that_is_not_exposed(where: str, query: str) -> None:
    assert wrong_in(query) == [], where
    assert set(re.findall(r"proctor:[\w:]+", query)) <= set(RECORDED), where


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"q:{at}", "expr": query.replace("$__rate_interval", "1m")}
        for at, (_, query) in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(QUERIES)} rules found" in done.stdout
