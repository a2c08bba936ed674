"""A running product for programs: the demo, the load generator and tests start one and end it again.

It is `proctor up` in a process of its own, so the caller never imports Ray and keeps its signals.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import httpx

from deployments.environment import environment_of
from deployments.home import RunFile
from deployments.processes import Running, running
from deployments.roster import names_by_pid
from proctor.adapters.clock import SystemClock
from proctor.adapters.tokens import TokenIssuer
from proctor.domain.errors import InvalidInput, Unavailable
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.roles import Role
from proctor.settings import Settings

STOP_WITHIN_S = 60.0
DEFAULT_TENANT = TenantId("default")


def mint(
    settings: Settings,
    role: Role,
    *,
    tenant: TenantId = DEFAULT_TENANT,
    subject: str = "local",
    lifetime: timedelta = timedelta(hours=1),
    session_id: SessionId | None = None,
) -> str:
    """A token signed with the key in the home folder.

    Raises:
        InvalidInput: There is no key, others can read it, or the claims have no valid form.
    """
    settings = settings.resolved()
    assert settings.token_keys is not None
    issuer = TokenIssuer(
        settings.token_keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=SystemClock(),
    )
    return issuer.mint(subject, tenant, role, lifetime, session_id)


def sign_in_link(settings: Settings, base_url: str) -> str:
    """A one-time link to the console: the ticket is in the fragment, which no server sees."""
    token = mint(settings, Role.PROCTOR, lifetime=timedelta(minutes=1))
    answer = httpx.post(
        f"{base_url}/v1/tickets",
        headers={
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": secrets.token_hex(8),
        },
        verify=False,
        timeout=10,
    )
    if answer.status_code >= httpx.codes.BAD_REQUEST:
        raise Unavailable(f"no sign-in ticket was to be had: {answer.status_code}")
    return f"{base_url}/console#ticket={answer.json()['ticket']}"


def processes_of(settings: Settings) -> list[Running]:
    """Every process of the product that runs from this home.

    Raises:
        InvalidInput: Nothing runs from it.
    """
    home = settings.resolved().home
    note = RunFile.read(home)
    if note is None or note.launcher.find() is None:
        raise InvalidInput(f"nothing runs from {home}; start it with `proctor up`")
    return running(note.launcher.pid, names_by_pid(note.redis_url.get_secret_value()))


class Cluster:
    """A product of one's own. Use as a context manager, or `start` and `stop` it.

    Attributes:
        base_url: Where the HTTP door is.
        grpc_address: Where the gRPC door is, as `host:port`; None where there is none.
        settings: What it runs with, `base_url`'s port filled in.
        pid: Its launcher's process.
    """

    def __init__(
        self,
        process: "subprocess.Popen[str]",
        settings: Settings,
        base_url: str,
        grpc_address: str | None = None,
    ) -> None:
        self._process = process
        self.settings = settings
        self.base_url = base_url
        self.grpc_address = grpc_address
        self.pid = process.pid

    @classmethod
    def start(cls, settings: Settings, progress: Callable[[str], None] | None = None) -> "Cluster":
        """Start `proctor up` and wait until it answers.

        Args:
            settings: Port 0 lets the system choose; a home of one's own keeps it apart from others.
            progress: Told each step.

        Raises:
            Unavailable: It ended instead; the message is its own last line.
        """
        settings = settings.resolved()
        command = [sys.executable, "-m", "deployments.cli", "up", "--json"]
        if progress is not None:
            command.append("--steps")
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment_of(settings)},
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            stderr=None,
            text=True,
            process_group=0,  # a Ctrl-C in the terminal is the caller's: it ends this by `stop`
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                told = json.loads(line)
                if "base_url" in told:
                    return cls(process, settings, told["base_url"], told.get("grpc"))
                if progress is not None:
                    progress(told["step"])
        except BaseException:
            _end(process)
            raise
        code = _end(process)
        raise Unavailable(f"the product did not start (exit code {code})")

    def mint(self, role: Role | str, **claims: object) -> str:
        """A token for this product; `claims` as in `mint`."""
        return mint(self.settings, Role(role), **claims)  # type: ignore[arg-type]

    def processes(self) -> list[Running]:
        """Its processes, as they are now."""
        return processes_of(self.settings)

    def pids(self, kind: str) -> list[int]:
        """The processes of one kind (`host`, `shard`, `perception`, `gateway` ...)."""
        return [row.pid for row in self.processes() if row.kind == kind]

    def stop(self) -> int:
        """End it in order; its exit code, 0 when nothing stayed behind."""
        return _end(self._process)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _end(process: "subprocess.Popen[str]") -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code
