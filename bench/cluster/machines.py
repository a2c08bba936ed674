"""Machines for the cluster test: processes in pid, mount and network namespaces of their own.

Each has an address, a loopback, a /tmp, a /root and an sshd of its own and sees no process but its own,
so that `ray stop` on one ends nothing of another. They hang on a bridge of the caller's namespace.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

SCRIPT = Path(__file__).with_name("machine.sh")
BRIDGE = "cluster0"
PREFIX = 24
START_S = 15.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One of them.

    Attributes:
        address: Where its sshd listens.
        process: Holds its namespaces; ends them all when it is killed.
    """

    address: str
    process: "subprocess.Popen[bytes]"

    def root(self) -> Path:
        """Its files, as seen from here."""
        (first,) = psutil.Process(self.process.pid).children()
        return Path(f"/proc/{first.pid}/root")

    def inside(self, *words: str, given: str = "") -> str:
        """What a command prints that runs in its network. Raises `CalledProcessError`."""
        command = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *words]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, input=given
        ).stdout

    def listening(self) -> set[int]:
        """TCP ports that something listens on at another address than 127.0.0.1."""
        return ports_of(self.inside("ss", "-Hltn"))

    def running(self) -> list[str]:
        """Command lines of what runs on it besides its first process and sshd."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            if words and "sshd" not in words[0] and str(SCRIPT) not in words:
                found.append(" ".join(words)[:120])
        return found


def left_after(machines: Sequence[Machine], patience_s: float) -> list[str]:
    """What still runs on them once there was time to end; back as soon as nothing does."""
    until = time.monotonic() + patience_s
    while (left := [line for one in machines for line in one.running()]) and (
        time.monotonic() < until
    ):
        time.sleep(0.2)
    return left


def ports_of(told: str) -> set[int]:
    """The ports in what `ss -Hltn` prints, less those of loopback addresses."""
    places = [line.split()[3].rpartition(":") for line in told.splitlines()]
    return {int(port) for host, _, port in places if not host.startswith(("127.", "[::1]"))}


def reachable(address: str, ports: Iterable[int], within_s: float = 0.5) -> set[int]:
    """Those of the ports that take a connection from here."""
    found = set()
    for port in ports:
        with contextlib.suppress(OSError), socket.create_connection((address, port), within_s):
            found.add(port)
    return found


@contextmanager
def bridge(address: str) -> Iterator[None]:
    """The caller's own network: a bridge with this address. It goes with the namespace."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{address}/{PREFIX}", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    try:
        yield
    finally:
        _ip("link", "del", BRIDGE)


@contextmanager
def machine(address: str, folder: Path, authorized: Path) -> Iterator[Machine]:
    """Start one and wait until its sshd takes connections.

    Args:
        address: In the bridge's network.
        folder: A new one, for its host key.
        authorized: Public key that may come in.

    Raises:
        RuntimeError: It did not start.
    """
    folder.mkdir()
    make_key(folder / "host_key")
    (folder / "authorized_key").write_bytes(authorized.read_bytes())
    namespaces = ["unshare", "--pid", "--mount", "--net", "--fork", "--mount-proc", "--kill-child"]
    words = [*namespaces, "bash", str(SCRIPT), address, str(PREFIX), str(folder)]
    process = subprocess.Popen(words)
    try:
        near = "m" + address.replace(".", "")[-8:]
        _wait_for_namespace(process)
        _ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        _ip("link", "set", near, "master", BRIDGE, "up")
        _wait_for_port(process, address)
        yield Machine(address, process)
    finally:
        process.kill()
        process.wait()


def make_key(path: Path) -> None:
    """An ed25519 key pair for ssh, without a passphrase."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True)


def _wait_for_namespace(process: "subprocess.Popen[bytes]") -> None:
    ours = Path("/proc/self/ns/net").readlink()
    until = time.monotonic() + START_S
    while Path(f"/proc/{process.pid}/ns/net").readlink() == ours:
        if time.monotonic() > until or process.poll() is not None:
            raise RuntimeError("a machine has no namespaces: this needs root")
        time.sleep(0.02)


def _wait_for_port(process: "subprocess.Popen[bytes]", address: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection((address, 22), 1):
                return
        except OSError as error:
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError(f"no sshd on {address}: {error}") from None
            time.sleep(0.1)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
