"""A private PostgreSQL cluster on a free port, for tests and measurements; ended by pid."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 30


@dataclass(frozen=True)
class Postgres:
    """A running cluster with one empty database."""

    url: str
    port: int
    process: "subprocess.Popen[bytes]"


def find_postgres() -> Path:
    """The folder with `initdb` and `postgres`. Absence is a failure, not a skip: CI installs it."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise FileNotFoundError("no PostgreSQL here: run `apt-get install postgresql`")


@contextmanager
def run_postgres(address: str = "127.0.0.1", network: str | None = None) -> Iterator[Postgres]:
    """A cluster in a folder of its own. `initdb` refuses root, so root runs it as `postgres`.

    Args:
        address: Where it listens.
        network: Others that may come in, by password (`10.1.2.0/24`).
    """
    binaries = find_postgres()
    folder = Path(tempfile.mkdtemp(prefix="proctor-postgres-"))
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    as_user: list[str] = []
    if os.getuid() == 0:
        # By a command: Popen's own `user` makes it fork, and a fork beside gRPC's threads may crash.
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        account = pwd.getpwnam("postgres")
        for path in (folder, folder / "password"):
            os.chown(path, account.pw_uid, account.pw_gid)
    data = str(folder / "data")
    make = [str(binaries / "initdb"), "-D", data, "-U", "proctor", "-A", "scram-sha-256"]
    make += [f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([*as_user, *make], check=True, capture_output=True, cwd=folder)
    if network is not None:
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} scram-sha-256\n")
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    options = {
        "listen_addresses": address,
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
    }
    run = [*as_user, str(binaries / "postgres"), "-D", data]
    for name, value in options.items():
        run += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(run, stdout=log, stderr=log, cwd=folder)
    try:
        _wait(process, address, port, folder / "log")
        url = f"postgresql+asyncpg://proctor:{password}@{address}:{port}/postgres"
        yield Postgres(url, port, process)
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut off
        process.wait(START_S)
        shutil.rmtree(folder)


def _wait(process: "subprocess.Popen[bytes]", address: str, port: int, log: Path) -> None:
    until = time.monotonic() + START_S
    while "ready to accept connections" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    with socket.create_connection((address, port), timeout=5):
        pass
