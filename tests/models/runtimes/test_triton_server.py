"""The Triton server of nvidia-pytriton's wheel serves what `proctor models export-triton` wrote.

The wheel pins numpy below 2 and its python backend wants Debian's interpreter, so it lives in an
environment of its own:

    /usr/bin/python3.11 -m venv /tmp/pytriton
    /tmp/pytriton/bin/pip install nvidia-pytriton==0.7.0 onnxruntime==1.31.1
    PROCTOR_PYTRITON=/tmp/pytriton pytest tests/models/runtimes/test_triton_server.py
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from models.catalogue import Catalogue
from models.in_process import InProcessPerception
from models.runtimes.placement import Placement
from models.selection import select
from models.serving import networks_of
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk

pytest.importorskip("tritonclient.grpc", reason="the extra `triton` is not installed")

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from models.runtimes.triton_repository import write_repository

READY_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def pytriton() -> Path:
    """site-packages of an environment with the wheel."""
    place = os.environ.get("PROCTOR_PYTRITON")
    if not place:
        pytest.skip("PROCTOR_PYTRITON names no environment with nvidia-pytriton (see the module)")
    packages = Path(place) / "lib/python3.11/site-packages"
    if not (packages / "pytriton/tritonserver/bin/tritonserver").is_file():
        pytest.fail(f"{place} holds no nvidia-pytriton for Python 3.11")
    return packages


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def repository(models_dir: Path, tmp_path: Path) -> Path:
    networks = networks_of(select(), Catalogue(models_dir))
    write_repository(tmp_path / "repository", networks, "python")
    return tmp_path / "repository"


@pytest.fixture
def server(pytriton: Path, repository: Path, tmp_path: Path) -> Iterator[str]:
    """`host:port` of a server that has loaded the repository."""
    backends, triton = tmp_path / "backends", pytriton / "pytriton/tritonserver"
    shutil.copytree(triton / "backends/python", backends / "python")
    stub = triton / "python_backend_stubs/3.11/triton_python_backend_stub"
    shutil.copy(stub, backends / "python")
    port, log = free_port(), tmp_path / "triton.log"
    with log.open("w") as told:
        running = subprocess.Popen(
            [
                triton / "bin/tritonserver",
                f"--model-repository={repository}",
                f"--backend-directory={backends}",
                "--grpc-address=127.0.0.1",
                f"--grpc-port={port}",
                "--allow-http=false",
                "--allow-metrics=false",
            ],
            env={
                "LD_LIBRARY_PATH": str(pytriton / "nvidia_pytriton.libs"),
                # the stub's interpreter is an isolated one: it finds packages by the first python3
                "PATH": f"{pytriton.parents[2] / 'bin'}:/usr/bin:/bin",
            },
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(f"127.0.0.1:{port}", running, log)
        yield f"127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(30)


def wait_until_ready(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    client = InferenceServerClient(url)
    end_s = time.perf_counter() + READY_WITHIN_S
    while time.perf_counter() < end_s:
        if running.poll() is not None:
            break
        try:
            if client.is_server_ready(client_timeout=1.0):
                return
        except InferenceServerException:
            pass
        time.sleep(0.2)
    pytest.fail(f"the server did not become ready:\n{log.read_text()[-3000:]}")


@pytest.mark.weights
@pytest.mark.service
async def test_a_real_server_embeds_a_face_as_this_process_does(
    models_dir: Path, astronaut: Image, server: str
) -> None:
    ask = FaceAsk(picture=cv2.imencode(".png", astronaut)[1].tobytes(), embed=True)
    with InProcessPerception(models_dir, frozenset({"face"})) as here:
        (expected,) = await here.faces([ask])
    there = Placement(triton_url=server, triton_within_s=10.0)
    with InProcessPerception(models_dir, frozenset({"face"}), placement=there) as far:
        answers = await far.faces([ask] * 3)
    for answer in answers:
        assert answer.fault is None and answer.producers == expected.producers
        assert answer.faces[0].embedding == pytest.approx(expected.faces[0].embedding, abs=1e-5)
