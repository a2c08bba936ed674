"""Carries packets between the machine and its network namespaces, and does to them what a `Weather` says.

A kernel may have no netem (TRUST.md D9), and netem knows no seed. Here every namespace hangs on a TUN
device whose packets pass this thread; a few thousand a second cost it a tenth of a core.
"""

import heapq
import ipaddress
import os
import select
import struct
import threading
import time
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path
from typing import NoReturn

from bench.network.weather import CALM, Line, Weather
from proctor.domain.errors import Unavailable

TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000
_MOST_BYTES = 65_536


def open_tun(name: str) -> int:
    """A new TUN device and the file that its packets are read from and written to.

    Raises `Unavailable` when this machine makes none.
    """
    try:
        fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        _no_tun(error)
    try:
        ioctl(fd, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN_NO_PI))
    except OSError as error:
        os.close(fd)
        _no_tun(error)
    return fd


def _no_tun(error: OSError) -> NoReturn:
    raise Unavailable(
        f"this machine has no way to lose packets: {TUN} cannot be used ({error.strerror}); "
        "run as root in a container with NET_ADMIN and that device"
    ) from error


class Router:
    """A thread between TUN devices. An address is behind one of them; everything else is dropped."""

    def __init__(self) -> None:
        self._ports: list[int] = []
        self._behind: dict[bytes, int] = {}
        self._weather: dict[bytes, Weather] = {}
        self._seeds: dict[bytes, int] = {}
        self._lines: dict[tuple[bytes, bool], Line] = {}
        self._late: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="router", daemon=True)

    def attach(self, fd: int) -> None:
        """Take a device in. Before `start`."""
        self._ports.append(fd)

    def place(self, address: str, fd: int) -> None:
        """From now on this address is reached through that device."""
        self._behind[_packed(address)] = fd

    def set_weather(self, address: str, weather: Weather, seed: int | None = None) -> None:
        """From now on this happens to what the address sends and is sent; `seed` begins chance anew."""
        key = _packed(address)
        if seed is not None:
            self._seeds[key] = seed
            for outbound in (True, False):
                self._lines.pop((key, outbound), None)
        self._weather = {**self._weather, key: weather}

    def counts(self, address: str) -> Mapping[str, int]:
        """How many packets of the address passed and were lost, both directions together."""
        lines = [line for (key, _), line in self._lines.items() if key == _packed(address)]
        return {
            "passed": sum(line.passed for line in lines),
            "lost": sum(line.lost for line in lines),
        }

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self) -> None:
        """End, and close every device: its interface is gone with it."""
        os.write(self._stop_write, b"x")
        if self._thread.is_alive():
            self._thread.join()
        for fd in (*self._ports, self._stop_read, self._stop_write):
            os.close(fd)

    def _run(self) -> None:
        while True:
            wait_s = max(0.0, (self._late[0][0] - _now_ms()) / 1000) if self._late else None
            ready, _, _ = select.select([*self._ports, self._stop_read], [], [], wait_s)
            if self._stop_read in ready:
                return
            for fd in ready:
                self._take_all(fd)
            self._deliver(_now_ms())

    def _take_all(self, fd: int) -> None:
        for _ in range(64):
            try:
                packet = os.read(fd, _MOST_BYTES)
            except OSError:
                return
            if packet[0] >> 4 == 4:
                self._take(packet)

    def _take(self, packet: bytes) -> None:
        source, target = packet[12:16], packet[16:20]
        out = self._behind.get(target)
        if out is None:
            return
        now_ms = _now_ms()
        arrivals = [now_ms]
        for key, outbound in ((source, True), (target, False)):
            weather = self._weather.get(key, CALM)
            if weather is not CALM:
                line = self._line(key, outbound)
                arrivals = [t for at in arrivals for t in line.arrivals(len(packet), at, weather)]
        for at_ms in arrivals:
            self._count += 1
            heapq.heappush(self._late, (at_ms, self._count, out, packet))

    def _line(self, key: bytes, outbound: bool) -> Line:
        if (key, outbound) not in self._lines:
            self._lines[key, outbound] = Line(2 * self._seeds.get(key, 0) + outbound)
        return self._lines[key, outbound]

    def _deliver(self, now_ms: float) -> None:
        while self._late and self._late[0][0] <= now_ms:
            _, _, fd, packet = heapq.heappop(self._late)
            try:
                os.write(fd, packet)
            except OSError:
                continue  # its interface is down, or its queue full: lost like any other


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed


def _now_ms() -> float:
    return time.monotonic() * 1000
