"""`Metrics` over prometheus_client; with PROMETHEUS_MULTIPROC_DIR set, all processes of a machine add up.

The variable must be set before the first number is given. A process that is gone takes its gauges with
it at the next `render`; its counts stay.
"""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.adapters.metric_names import METRICS, Metric, plain

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PrometheusMetrics:
    """Numbers for operators. An unknown name, kind or label raises `ValueError`."""

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        counter = _counter(plain(name))
        (counter.labels(**labels) if labels else counter).inc(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = _gauge(plain(name))
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram."""
        histogram = _histogram(plain(name))
        (histogram.labels(**labels) if labels else histogram).observe(value)


def render() -> bytes:
    """Everything in Prometheus' text format (`CONTENT_TYPE`), of all processes of this machine."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    own = _registry()
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest(own)
    _forget_dead(Path(folder))
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody, path=folder)  # type: ignore[no-untyped-call]
    return generate_latest(everybody)


def _forget_dead(folder: Path) -> None:
    """Take away the gauges of processes that have ended: they host nothing any more."""
    for file in folder.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            file.unlink(missing_ok=True)


@cache
def _registry() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry, values

    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        # prometheus_client looks at the variable when it is imported; somebody may have done so before.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
    return CollectorRegistry()


@cache
def _counter(name: str) -> "Counter":
    from prometheus_client import Counter

    metric = _declared(name, "counter")
    return Counter(f"proctor_{name}", metric.help, metric.labels, registry=_registry())


@cache
def _gauge(name: str) -> "Gauge":
    from prometheus_client import Gauge

    metric = _declared(name, "gauge")
    return Gauge(
        f"proctor_{name}",
        metric.help,
        metric.labels,
        registry=_registry(),
        multiprocess_mode=metric.across,
    )


@cache
def _histogram(name: str) -> "Histogram":
    from prometheus_client import Histogram

    metric = _declared(name, "histogram")
    return Histogram(
        f"proctor_{name}",
        metric.help,
        metric.labels,
        registry=_registry(),
        buckets=metric.buckets,
    )


def _declared(name: str, kind: str) -> Metric:
    metric = METRICS.get(name)
    if metric is None or metric.kind != kind:
        raise ValueError(f"no {kind} of this name in proctor/adapters/metric_names.py: {name}")
    return metric
