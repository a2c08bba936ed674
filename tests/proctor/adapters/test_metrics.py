"""Metrics: a closed list, counted over processes, and every name in the code is on the list."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.adapters.metric_names import METRICS, plain
from proctor.adapters.metrics import PrometheusMetrics, render
from tests.conftest import ROOT

KINDS = {"count": "counter", "gauge": "gauge", "observe": "histogram"}
ROOMS = ("proctor", "actors", "deployments", "models", "bench")


def run(code: str, folder: Path) -> str:
    """Run code in a process of its own that shares the folder of metrics; what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import os\n" + USE + code],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


USE = "from proctor.adapters.metrics import PrometheusMetrics, render\nm = PrometheusMetrics()\n"


def test_what_is_counted_is_rendered_in_prometheus_text() -> None:
    metrics = PrometheusMetrics()
    before = render().decode()
    assert 'proctor_host_calls_total{group="face",outcome="test"}' not in before
    metrics.count("host_calls", group="face", outcome="test")
    metrics.count("proctor_host_calls_total", 2, group="face", outcome="test")
    PrometheusMetrics().gauge("host_shed_level", 3)
    metrics.observe("http_request_seconds", 0.02, method="GET", route="/v1/exams")
    text = render().decode()
    assert 'proctor_host_calls_total{group="face",outcome="test"} 3.0' in text
    assert "# HELP proctor_host_calls_total Calls to a model group." in text
    assert "proctor_host_shed_level 3.0" in text
    assert (
        'proctor_http_request_seconds_bucket{le="0.025",method="GET",route="/v1/exams"} 1.0' in text
    )


@pytest.mark.parametrize(
    ("kind", "name", "labels"),
    [
        ("count", "no_such_metric", {}),
        ("gauge", "host_calls", {"group": "face", "outcome": "x"}),
        ("count", "host_calls", {"group": "face"}),
        ("count", "host_calls", {"group": "face", "outcome": "x", "session_id": "ses_1"}),
        ("count", "host_calls", {}),
        ("observe", "host_sessions", {}),
        ("count", "alerts_published", {"tenant": "acme"}),
    ],
)
def test_an_unknown_name_kind_or_label_is_refused(
    kind: str, name: str, labels: dict[str, str]
) -> None:
    with pytest.raises(ValueError):
        getattr(PrometheusMetrics(), kind)(name, 1.0, **labels)


def test_processes_add_up_and_the_dead_keep_their_counts_but_not_their_gauges(
    tmp_path: Path,
) -> None:
    work = "m.count('alerts_published', 2); m.gauge('host_sessions', 25)\n"
    for _ in range(2):
        run(work, tmp_path)
    text = run(work + "print(render().decode())", tmp_path)
    assert "proctor_alerts_published_total 6.0" in text
    assert "proctor_host_sessions 25.0" in text  # of the one process that lives


def test_the_folder_is_made_and_an_early_import_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "metrics"
    early = (
        "import os, prometheus_client\n"
        "os.environ['PROMETHEUS_MULTIPROC_DIR'] = os.environ.pop('LATER')\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PROMETH")}
    subprocess.run(
        [sys.executable, "-c", early + USE + "m.count('alerts_published', 3)"],
        env=clean | {"LATER": str(folder)},
        check=True,
        cwd=ROOT,
    )
    assert "proctor_alerts_published_total 3.0" in run("print(render().decode())", folder)


def test_without_a_shared_folder_a_process_tells_of_itself() -> None:
    clean = {
        name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"
    }
    code = USE + "m.count('alerts_published'); print(render().decode())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=clean,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "proctor_alerts_published_total 1.0" in done.stdout


def calls_in(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls such as `self._metrics.count(...)`: anything named like metrics."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).rpartition(".")[2]
            if node.func.attr in KINDS and owner.strip("_") == "metrics":
                yield node.func.attr, node


def test_every_metric_in_the_code_is_on_the_list_with_its_labels() -> None:
    wrong: list[str] = []
    seen: set[str] = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for kind, call in calls_in(path):
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            first = call.args[0]
            if not isinstance(first, ast.Constant):
                continue
            name = plain(str(first.value))
            seen.add(name)
            metric = METRICS.get(name)
            labels = {keyword.arg for keyword in call.keywords if keyword.arg != "value"}
            if metric is None or metric.kind != KINDS[kind] or labels != set(metric.labels):
                wrong.append(f"{where}: {kind} {name} {sorted(map(str, labels))}")
    assert wrong == []
    assert len(seen) > 10


def test_no_label_names_a_person_or_a_session() -> None:
    labels = {label for metric in METRICS.values() for label in metric.labels}
    assert {label for label in labels if "id" in label.split("_")} == set()
    assert labels.isdisjoint({"session", "candidate", "tenant", "user", "exam"})
