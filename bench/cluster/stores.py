"""The stores of the cluster test, on an address that its machines reach: PostgreSQL, Redis, S3 (moto)."""

import logging
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from bench.postgres import run_postgres
from proctor.adapters.redis_server import find_redis_server

BUCKET = "proctor"
START_S = 15.0


@contextmanager
def postgres(address: str, network: str) -> Iterator[str]:
    """Its URL. `network` may come in, by password."""
    with run_postgres(address, network) as server:
        yield server.url


@contextmanager
def redis(address: str, port: int, folder: Path) -> Iterator[str]:
    """A redis-server with a password; its URL."""
    folder.mkdir()
    password = secrets.token_urlsafe(24)
    configuration = folder / "redis.conf"
    configuration.write_text(
        f"bind {address}\nport {port}\nrequirepass {password}\ndir {folder}\n"
        "appendonly yes\nmaxmemory-policy noeviction\n"
    )
    configuration.chmod(0o600)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(find_redis_server()), str(configuration)], stdout=log)
    try:
        _wait(address, port)
        yield f"redis://:{password}@{address}:{port}/0"
    finally:
        process.terminate()
        process.wait(START_S)


@contextmanager
def s3(address: str, port: int) -> Iterator[str]:
    """An S3 store with one bucket; its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request
    server = ThreadedMotoServer(address, port, verbose=False)
    server.start()
    try:
        url = f"http://{address}:{port}"
        make = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(make, timeout=10).close()
        yield url
    finally:
        server.stop()


def _wait(address: str, port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection((address, port), 1):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
