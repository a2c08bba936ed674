"""`proctor up` for real: everything is there, nothing else is touched, and nothing stays behind."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from deployments.home import RunFile
from deployments.launcher import Cluster, processes_of, sign_in_link
from deployments.processes import family
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings

pytestmark = pytest.mark.e2e

ANOTHER_RAY = """
import sys, ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
for _ in sys.stdin:
    print(len(ray.nodes()), flush=True)
"""
KINDS = {
    **{"launcher": 1, "redis": 1, "gcs": 1, "raylet": 1, "serve-controller": 1, "proxy": 1},
    **{"gateway": 1, "live": 1, "perception": 1, "dispatcher": 1, "reconciler": 1},
    **{"host": 2, "shard": 1},
}


class AnotherRay:
    """Somebody else's Ray on this machine."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ANOTHER_RAY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=home,
            env={**os.environ, "HOME": str(home)},
        )
        self.address = self._answer()

    def count_nodes(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write("nodes\n")
        self._process.stdin.flush()
        return int(self._answer())

    def pids(self) -> set[int]:
        return {process.pid for process in family(self._process.pid)}

    def end(self) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def another_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnotherRay]:
    ray = AnotherRay(tmp_path_factory.mktemp("another"))
    yield ray
    ray.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, another_ray: AnotherRay) -> Iterator[Cluster]:
    """A product that is told, by the environment, to join the other Ray; it must not."""
    kept = Settings().resolved().models_dir
    settings = Settings(home=tmp_path_factory.mktemp("home"), port=0, models_dir=kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", another_ray.address)
        started = Cluster.start(settings)
    yield started
    started.stop()


def eventually(holds: Callable[[], bool], limit_s: float) -> None:
    give_up = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > give_up:
            pytest.fail(f"it did not become true within {limit_s} s")
        time.sleep(0.25)


def test_every_process_is_there_and_none_too_many(cluster: Cluster) -> None:
    rows = cluster.processes()
    counted = Counter(row.kind for row in rows)
    assert {kind: counted[kind] for kind in KINDS} == KINDS
    assert set(counted) <= {*KINDS, "ray-agent", "ray-idle", "other"}
    names = {row.name for row in rows if row.kind in ("host", "shard")}
    assert names == {"proctor-host-0", "proctor-host-1", "proctor-shard-0"}


def test_a_session_is_made_with_a_minted_token(cluster: Cluster) -> None:
    headers = {"Authorization": f"Bearer {cluster.mint('admin')}"}
    with httpx.Client(base_url=cluster.base_url, headers=headers, timeout=20) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        exam = client.post(
            "/v1/exams", json={"title": "Up", "policy": "standard", "retention_days": 1}
        ).json()
        candidate = client.post("/v1/candidates", json={"external_ref": "up"}).json()
        made = client.post(
            "/v1/sessions",
            json={"exam_id": exam["exam_id"], "candidate_id": candidate["candidate_id"]},
        )
        assert made.status_code == 201
        ticket = client.post("/v1/live/tickets", json={})
        assert ticket.status_code == 201
    assert httpx.get(f"{cluster.base_url}/v1/exams").status_code == 401


def test_alerts_are_followed_over_grpc_through_serve(cluster: Cluster) -> None:
    assert cluster.grpc_address is not None and cluster.grpc_address.startswith("127.0.0.1:")
    metadata = (("application", "live"), ("authorization", f"Bearer {cluster.mint('proctor')}"))
    with grpc.insecure_channel(cluster.grpc_address) as channel:
        stub = AlertsStub(channel)
        call = stub.Follow(FollowRequest(), metadata=metadata, timeout=20)
        first = next(iter(call))
        assert (list(first.events), first.position) == ([], 0)
        call.cancel()
        with pytest.raises(grpc.RpcError) as refused:
            next(iter(stub.Follow(FollowRequest(), metadata=metadata[:1], timeout=20)))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_sign_in_link_works_once(cluster: Cluster) -> None:
    page, _, ticket = sign_in_link(cluster.settings, cluster.base_url).partition("#ticket=")
    assert httpx.get(page).status_code == 200
    sign_in = f"{cluster.base_url}/v1/sign-in"
    assert httpx.post(sign_in, json={"ticket": ticket}).json()["role"] == "proctor"
    assert httpx.post(sign_in, json={"ticket": ticket}).status_code == 401


def test_only_this_machine_is_answered_and_ray_only_with_its_token(cluster: Cluster) -> None:
    open_ports = {
        (row.pid, connection.laddr.port)
        for row in cluster.processes()
        for connection in psutil.Process(row.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and not re.match(r"^(127\.|::1$|::ffff:127\.)", connection.laddr.ip)
    }
    replicas = {row.pid for row in cluster.processes() if row.kind in KINDS}
    assert {pid for pid, _ in open_ports} <= replicas
    for _, port in open_ports:  # Serve's own gRPC between replicas listens everywhere (2.60)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary("/ray.serve.ASGIService/HandleRequest")(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_secrets_lie_in_private_files_and_on_no_command_line(cluster: Cluster) -> None:
    note = RunFile.read(cluster.settings.home)
    assert note is not None
    password = note.redis_url.get_secret_value().split(":")[2].split("@")[0]
    token = (cluster.settings.home / "ray.token").read_text()
    for row in cluster.processes():
        command = " ".join(psutil.Process(row.pid).cmdline())
        assert password not in command
        assert token not in command
    for path in (cluster.settings.home / "logs").iterdir():
        text = path.read_text()
        assert password not in text
        assert token not in text


def test_the_same_home_is_not_started_twice(cluster: Cluster) -> None:
    command = [sys.executable, "-m", "deployments.cli", "up"]
    env = {**os.environ, "PROCTOR_HOME": str(cluster.settings.home), "PROCTOR_PORT": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert str(cluster.pid) in done.stderr


@pytest.mark.parametrize("kind", ["host", "shard", "perception", "dispatcher"])
def test_what_is_killed_comes_back(cluster: Cluster, kind: str) -> None:
    dead = set(cluster.pids(kind))
    for pid in dead:
        psutil.Process(pid).kill()

    def is_back() -> bool:
        rows = [row for row in cluster.processes() if row.kind == kind]
        is_named = kind not in ("host", "shard") or all(row.name for row in rows)
        return len(rows) == KINDS[kind] and is_named and not dead & {row.pid for row in rows}

    eventually(is_back, 60)
    assert httpx.get(f"{cluster.base_url}/healthz").status_code == 200


def test_it_ends_in_order_and_leaves_nothing(cluster: Cluster, another_ray: AnotherRay) -> None:
    ours = family(cluster.pid)
    assert len(ours) > len(KINDS)
    assert {process.pid for process in ours}.isdisjoint(another_ray.pids())
    folders = {
        found.group(1)
        for process in ours
        if (found := re.search(r"(/tmp/proctor-\w+)/", " ".join(process.cmdline())))
    }
    assert len(folders) == 1

    assert cluster.stop() == 0

    assert [process for process in ours if process.is_running()] == []
    assert not Path(folders.pop()).exists()
    with pytest.raises(InvalidInput):
        processes_of(cluster.settings)
    assert another_ray.count_nodes() == 1
