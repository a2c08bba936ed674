"""`proctor metrics`: a node without a door still tells of its processes."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deployments.cli.metrics import require_private
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings
from tests.conftest import ROOT

COUNT = (
    "from proctor.adapters.metrics import PrometheusMetrics as M; M().count('alerts_published', 3)"
)


def test_it_answers_for_every_process_of_its_home(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PROCTOR_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "deployments.cli", "metrics", "--port", str(port)]
    serving = subprocess.Popen(command, env=env, cwd=ROOT)
    try:
        url, deadline = f"http://127.0.0.1:{port}/metrics", time.monotonic() + 60
        while True:
            try:
                answer = httpx.get(url)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline and serving.poll() is None
                time.sleep(0.1)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "alerts_published" not in answer.text
        folder = tmp_path / "run" / "metrics"
        subprocess.run(
            [sys.executable, "-c", COUNT],
            env={**env, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
            cwd=ROOT,
            check=True,
        )
        assert "proctor_alerts_published_total 3.0" in httpx.get(url).text
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    finally:
        serving.terminate()
        serving.wait(timeout=30)


def test_no_address_of_the_network_without_tls() -> None:
    with pytest.raises(InvalidInput, match="PROCTOR_TLS_CERTIFICATE"):
        require_private(Settings(host="10.1.2.3"))
    proxied = Settings(host="10.1.2.3", tls_proxy="nginx")
    assert require_private(proxied) is proxied
