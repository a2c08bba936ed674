"""Network namespaces in which candidates live, joined to this machine by lines of any weather.

Everything has the process's id in its name and is removed in the end. The machine's own network is
left as it is: no forwarding, no rule outside the namespaces.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from bench.network.router import Router, open_tun
from bench.network.weather import CALM, Weather
from proctor.domain.errors import Unavailable

_CLONE_NEWNET = 0x40000000
_PROBES = 600
_PROBE_LOSS = 0.3
T = TypeVar("T")


class Namespace:
    """One network namespace and the addresses that it has."""

    def __init__(self, lab: "Lab", name: str, device: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.addresses = list(addresses)
        self._lab = lab
        self._device = device

    def command(self, *words: str) -> list[str]:
        """The command that runs `words` in here."""
        return ["ip", "netns", "exec", self.name, *words]

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` here, in a thread that ends with it; its sockets stay here."""
        found: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                enter(self.name)
                found.append(work())
            except BaseException as error:  # noqa: BLE001  # handed over to the caller's thread
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]
        return found[0]

    def readdress(self, before: str, after: str) -> None:
        """Another address takes the place of one, as when a laptop changes its network."""
        self._lab.move(before, after)
        _ip("-n", self.name, "address", "add", f"{after}/32", "dev", self._device)
        _ip("-n", self.name, "address", "del", f"{before}/32", "dev", self._device)
        _ip("-n", self.name, "route", "replace", "default", "dev", self._device)
        self.addresses = [after if one == before else one for one in self.addresses]


class Lab:
    """The namespaces of one process. Use as a context manager.

    Attributes:
        address: This machine as the namespaces see it.
        router: What stands between.

    Raises:
        Unavailable: There is no way to make namespaces, or to lose packets, here.
    """

    def __init__(self) -> None:
        number = os.getpid()
        self._prefix = f"rp{number}"
        self._block = f"10.{64 + number % 128}"
        self.address = f"{self._block}.0.1"
        self.router = Router()
        self._names: list[str] = []
        self._devices: dict[str, int] = {}
        self._hosts = 0

    def __enter__(self) -> Self:
        require_tools("ip")
        if os.geteuid() != 0:
            raise Unavailable(
                "network namespaces need root: run this as root, or in a container with NET_ADMIN"
            )
        try:
            device = f"{self._prefix}m"
            fd = self._device(device)
            _ip("address", "add", f"{self.address}/32", "dev", device)
            _ip("link", "set", device, "up")
            _ip("route", "add", f"{self._block}.0.0/16", "dev", device)
            self.router.place(self.address, fd)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def namespace(self, addresses: int = 1) -> Namespace:
        """A new namespace with so many addresses. All of them before `start`."""
        name, device = self._new_name()
        fd = self._device(device)
        _ip("link", "set", device, "netns", name)
        given = [self.free_address() for _ in range(addresses)]
        for address in given:
            _ip("-n", name, "address", "add", f"{address}/32", "dev", device)
            self.router.place(address, fd)
            self._devices[address] = fd
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "set", device, "up")
        _ip("-n", name, "route", "add", "default", "dev", device)
        return Namespace(self, name, device, given)

    def behind_nat(self, allowed_udp: tuple[str, int]) -> Namespace:
        """A namespace with a private address only, behind a router of its own that translates.

        UDP passes that router to one address and port, and nowhere else; TCP passes.

        Raises:
            Unavailable: nftables is missing.
        """
        require_tools("nft")
        outside = self.namespace()
        name, _ = self._new_name()
        inner, outer = f"{self._prefix}i{len(self._names)}", f"{self._prefix}o{len(self._names)}"
        _ip("link", "add", inner, "netns", name, "type", "veth", "peer", "name", outer,
            "netns", outside.name)  # fmt: skip
        for where, device, address in (
            (name, inner, "192.168.77.2/24"),
            (outside.name, outer, "192.168.77.1/24"),
        ):
            _ip("-n", where, "address", "add", address, "dev", device)
            _ip("-n", where, "link", "set", device, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "route", "add", "default", "via", "192.168.77.1")
        _run(*outside.command("sysctl", "-qw", "net.ipv4.ip_forward=1"))
        host, port = allowed_udp
        rules = f"""
            table ip home {{
                chain out {{
                    type nat hook postrouting priority 100;
                    oifname "{outside._device}" masquerade
                }}
                chain through {{
                    type filter hook forward priority 0;
                    ip daddr {host} udp dport {port} accept
                    ip saddr {host} udp sport {port} accept
                    meta l4proto udp drop
                }}
            }}"""
        _run(*outside.command("nft", "-f", "-"), given=rules)
        return Namespace(self, name, inner, ["192.168.77.2"])

    def start(self) -> None:
        """Begin to carry packets."""
        self.router.start()

    def free_address(self) -> str:
        """An address that nobody has yet."""
        self._hosts += 1
        return f"{self._block}.{1 + self._hosts // 250}.{1 + self._hosts % 250}"

    def move(self, before: str, after: str) -> None:
        """Packets for `after` go where `before` is, and `before` reaches nobody any more."""
        fd = self._devices[after] = self._devices[before]
        self.router.place(after, fd)
        self.router.set_weather(before, Weather(is_cut=True))

    def prove(self, namespace: Namespace) -> float:
        """Send datagrams through bad weather; the share that was lost.

        Raises:
            Unavailable: It is not the share that was asked for: nothing measured here would mean anything.
        """
        address = namespace.addresses[0]
        self.router.set_weather(address, Weather(loss=_PROBE_LOSS), seed=1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.bind((self.address, 0))
            ear.settimeout(0.5)
            target = ear.getsockname()
            came = 0
            for _ in range(_PROBES // 20):
                namespace.call(lambda: _send(target, 20))
                for _ in range(20):
                    try:
                        ear.recv(64)
                    except TimeoutError:
                        break
                    came += 1
                    ear.settimeout(0.05)
        self.router.set_weather(address, CALM, seed=0)
        lost = 1 - came / _PROBES
        if not _PROBE_LOSS / 2 < lost < _PROBE_LOSS * 1.5:
            raise Unavailable(
                f"this machine has no way to lose packets: of {_PROBES} datagrams {lost:.0%} were "
                f"lost where {_PROBE_LOSS:.0%} was asked for"
            )
        return lost

    def _new_name(self) -> tuple[str, str]:
        name = f"{self._prefix}-{len(self._names)}"
        _ip("netns", "add", name)
        self._names.append(name)
        return name, f"{self._prefix}n{len(self._names)}"

    def _device(self, name: str) -> int:
        fd = open_tun(name)
        self.router.attach(fd)
        return fd

    def _close(self) -> None:
        self.router.stop()
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        self._names.clear()


def enter(name: str) -> None:
    """Put the calling thread, and threads that it starts, into a namespace. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns to {name} failed")
    finally:
        os.close(fd)


def require_tools(*names: str) -> None:
    """Raise `Unavailable`, naming the Debian package, for a command that is not installed."""
    packages = {"ip": "iproute2", "nft": "nftables", "turnserver": "coturn"}
    for name in names:
        if shutil.which(name) is None:
            package = packages.get(name, name)
            raise Unavailable(f"`{name}` is missing: apt-get install {package}")


def _send(target: tuple[str, int], count: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        for _ in range(count):
            mouth.sendto(b"probe", target)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise Unavailable(f"`{' '.join(command)}` failed: {said[0] if said else done.returncode}")
