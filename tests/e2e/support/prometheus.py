"""A real Prometheus with the rules of the product, on loopback, for one test."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.conftest import ROOT

EXAMPLE = ROOT / "ops" / "prometheus"
READY_WITHIN_S = 30.0


class Prometheus:
    """Asks a running Prometheus."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=30)

    def ask(self, path: str, **params: str) -> Any:
        """The data of an answer; a query that it refuses fails the test."""
        answer = self._client.get(f"/api/v1/{path}", params=params)
        found = answer.json()
        assert found["status"] == "success", f"{params}: {found}"
        return found["data"]

    def value(self, query: str) -> float | None:
        """The one number of a query; None when there is none."""
        found = self.ask("query", query=query)["result"]
        assert len(found) <= 1, f"{query} has {len(found)} answers"
        return float(found[0]["value"][1]) if found else None

    def until(self, query: str, least: float, within_s: float = 30) -> float:
        """Wait until the number is there and at least so large."""
        deadline, value = time.monotonic() + within_s, None
        while time.monotonic() < deadline:
            value = self.value(query)
            if value is not None and value >= least:
                return value
            time.sleep(0.25)
        raise AssertionError(f"{query} is {value}, not {least}")

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """End the connections to it."""
        self._client.close()


@contextmanager
def scraping(target: str, folder: Path) -> Iterator[Prometheus]:
    """Run it with the example's configuration, but for the target and the pace.

    Args:
        target: host:port of the product.
        folder: Where it may write.
    """
    config = yaml.safe_load((EXAMPLE / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(
        (EXAMPLE / "rules.yaml").read_text().replace("interval: 15s", "interval: 1s")
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "prometheus.log").open("w")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=log,
        stderr=log,
    )
    asked = Prometheus(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not asked.is_ready():
            text = (folder / "prometheus.log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, text[-2000:]
            time.sleep(0.1)
        yield asked
    finally:
        asked.close()
        process.terminate()
        process.wait(timeout=30)
        log.close()
