"""A TURN server (coturn) in a namespace of its own, with credentials that live for an hour."""

import secrets
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.network.lab import Namespace, require_tools
from proctor.domain.errors import Unavailable

PORT = 3478
START_WITHIN_S = 15.0


class TurnServer:
    """Use as a context manager.

    Attributes:
        address: Where it listens and relays.
        secret: What it shares with the product (`use-auth-secret`).

    Raises:
        Unavailable: coturn is missing, or does not start.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.address = namespace.addresses[0]
        self.secret = secrets.token_hex(16)
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="proctor-turn-")

    @property
    def url(self) -> str:
        """As a browser is told."""
        return f"turn:{self.address}:{PORT}?transport=udp"

    def __enter__(self) -> Self:
        require_tools("turnserver")
        folder = Path(self._folder.name)
        config = folder / "turn.conf"
        config.touch(0o600)
        config.write_text(
            f"listening-ip={self.address}\nrelay-ip={self.address}\nlistening-port={PORT}\n"
            f"use-auth-secret\nstatic-auth-secret={self.secret}\nrealm=proctor\n"
            f"no-tls\nno-dtls\nno-cli\nno-tcp-relay\nfingerprint\n"
            f"log-file=stdout\npidfile={folder / 'pid'}\nuserdb={folder / 'db'}\n"
        )
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._namespace.command("turnserver", "-c", str(config)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until_s = time.monotonic() + START_WITHIN_S
        while not self._namespace.call(self._answers):
            if self._process.poll() is not None or time.monotonic() > until_s:
                said = (folder / "log").read_text(errors="replace").strip().splitlines()
                self.__exit__(None, None, None)
                raise Unavailable(
                    f"coturn did not start: {said[-1] if said else 'it said nothing'}"
                )
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def _answers(self) -> bool:
        """Whether it listens: it takes TCP at the same port."""
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex((self.address, PORT)) == 0
