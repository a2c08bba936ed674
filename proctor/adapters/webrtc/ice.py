"""ICE on an address and port range of our choosing, deaf to strangers.

aioice 0.13 binds every interface but loopback, takes any port, and hands datagrams of any source to
DTLS: a forged alert from a third address ended 6 of 10 sessions in the making (TRUST D4), and
an empty datagram ends a session at any time. Here a datagram that is not STUN must come from an address
that ICE has validated: an authenticated check came from there, or one of ours was answered from there. That
an offer names an address is not enough, for whoever can read the offer may forge its source.
"""

import asyncio
import errno
import ipaddress
import random
import socket
from collections.abc import Callable, Sequence
from typing import Any

from aioice import Candidate, Connection, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import (
    CandidatePair,
    StunProtocol,
    get_host_addresses,
    relayed_candidate,
    server_reflexive_candidate,
)

from proctor.domain.errors import NoCapacity

MAX_QUEUED = 1_024
"""Datagrams that wait for the DTLS transport; more are dropped. Two seconds of a 5 Mbit/s video."""

MAX_PAIRS = 100
"""Longest ICE check list (RFC 8445 section 6.1.2.5)."""

SERVER_TIMEOUT_S = 2.0
"""A STUN or TURN server that has not answered by then is done without: a candidate's offer waits."""

_BUFFER_BYTES = 1 << 20
_MAGIC_COOKIE = b"\x21\x12\xa4\x42"


class GuardedProtocol(StunProtocol):
    """A UDP socket that lets through STUN, and media from addresses that ICE has validated."""

    def __init__(self, receiver: "GuardedConnection") -> None:
        super().__init__(receiver)
        self._connection = receiver

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Tell STUN, DTLS and SRTP apart by the first byte (RFC 7983); nothing raises from here.

        An exception would close the socket under uvloop.
        """
        assert isinstance(data, bytes)
        first = data[0] if data else 255
        if 19 < first < 64 or 127 < first < 192:
            source = (addr[0], addr[1])
            if self._connection.trusts(source):
                self._connection.data_received(data, self.local_candidate.component)
            else:
                self._connection.on_drop("source")
        elif first < 4 and data[4:8] == _MAGIC_COOKIE:
            try:
                stun.parse_message(data)
                super().datagram_received(data, addr)
            except Exception:  # noqa: BLE001  # the socket's border: strangers' bytes, only counted
                self._connection.on_drop("stun")
        else:
            self._connection.on_drop("unknown")


class GuardedConnection(Connection):
    """One ICE agent, bound where the settings say.

    Args:
        bind_address: Local address; unspecified (0.0.0.0) with `is_advertised` binds as it is,
            without it binds every interface.
        is_advertised: Whether the answer will name another address than the bound one.
        port_min: First UDP port; 0 lets the system choose.
        port_max: Last UDP port.
        on_drop: Told the reason of each dropped datagram.
        ice_servers: aioice's own arguments for a STUN and a TURN server of this process.
    """

    def __init__(
        self,
        *,
        bind_address: str,
        is_advertised: bool,
        port_min: int,
        port_max: int,
        on_drop: Callable[[str], None],
        ice_servers: dict[str, Any],
    ) -> None:
        super().__init__(ice_controlling=False, **ice_servers)
        self._bind_address = bind_address
        self._is_advertised = is_advertised
        self._ports = range(port_min, max(port_min, port_max) + 1)
        self._trusted: set[tuple[str, int]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.on_drop = on_drop

    def trusts(self, source: tuple[str, int]) -> bool:
        """Whether ICE has validated this address."""
        if source in self._trusted:
            return True
        if any(
            pair.remote_addr == source and pair.state is CandidatePair.State.SUCCEEDED
            for pair in self._check_list
        ):
            self._trusted.add(source)
            return True
        return False

    def data_received(self, data: bytes, component: int) -> None:
        """Queue a datagram for DTLS and SRTP; bounded."""
        if self._queue.qsize() >= MAX_QUEUED:
            self.on_drop("queue")
        else:
            super().data_received(data, component)

    def check_incoming(
        self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol
    ) -> None:
        """An authenticated check; one from yet another address is ignored once the list is full."""
        if len(self._check_list) < MAX_PAIRS or self._is_listed(addr, protocol):
            self._trusted.add((addr[0], addr[1]))
            super().check_incoming(message, addr, protocol)
        else:
            self.on_drop("pairs")

    async def connect(self) -> None:
        """As aioice's, remembering that it runs, so that `settled` can wait for it."""
        self._idle.clear()
        try:
            await super().connect()
        finally:
            self._idle.set()

    async def settled(self) -> None:
        """Return once `connect` is not running: after `close` within 20 ms."""
        await self._idle.wait()

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Bind sockets and name their candidates. `addresses` is aioice's own choice: not used.

        Raises `NoCapacity` when no port of the range is free.
        """
        protocols = [await self._bind(address, component) for address in self._addresses()]
        candidates = [protocol.local_candidate for protocol in protocols]
        if self.stun_server is not None:
            candidates += await self._reflexive(protocols, self.stun_server)
        if self.turn_server is not None:
            candidates += await self._relayed(component, self.turn_server)
        return candidates

    def _addresses(self) -> list[str]:
        if ipaddress.ip_address(self._bind_address).is_unspecified and not self._is_advertised:
            return get_host_addresses(use_ipv4=True, use_ipv6=":" in self._bind_address)
        return [self._bind_address]

    async def _bind(self, address: str, component: int) -> GuardedProtocol:
        sock = bound_socket(address, self._ports)
        try:
            _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: GuardedProtocol(self), sock=sock
            )
        except BaseException:
            sock.close()
            raise
        self._protocols.append(protocol)
        host, port = sock.getsockname()[:2]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=host,
            port=port,
            type="host",
        )
        return protocol

    async def _reflexive(
        self, protocols: Sequence[GuardedProtocol], server: tuple[str, int]
    ) -> list[Candidate]:
        """Addresses under which a STUN server sees us; none when it does not answer in time."""
        found: list[Candidate] = []
        for protocol in protocols:
            if ":" in protocol.local_candidate.host:
                continue
            try:
                async with asyncio.timeout(SERVER_TIMEOUT_S):
                    candidate, _ = await server_reflexive_candidate(protocol, server)
            except (TimeoutError, OSError, stun.TransactionError):
                self.on_drop("stun_server")
                continue
            found.append(candidate)
        return found

    async def _relayed(self, component: int, server: tuple[str, int]) -> list[Candidate]:
        """An address at a TURN server that sends on to us; none when it does not answer in time."""
        try:
            async with asyncio.timeout(SERVER_TIMEOUT_S):
                candidate, protocol = await relayed_candidate(
                    component=component,
                    hide_related_address=False,
                    protocol_factory=lambda: GuardedProtocol(self),
                    turn_server=server,
                    turn_username=self.turn_username,
                    turn_password=self.turn_password,
                    turn_ssl=self.turn_ssl,
                    turn_transport=self.turn_transport,
                )
        except (TimeoutError, OSError, stun.TransactionError):
            self.on_drop("turn_server")
            return []
        self._protocols.append(protocol)
        return [candidate]

    def _is_listed(self, addr: tuple[str, int], protocol: StunProtocol) -> bool:
        return any(_joins(pair, addr, protocol) for pair in self._check_list)


def _joins(pair: CandidatePair, addr: tuple[str, int], protocol: StunProtocol) -> bool:
    return pair.protocol is protocol and pair.remote_addr == addr


def bound_socket(address: str, ports: range) -> socket.socket:
    """A non-blocking UDP socket on a free port of `ports`, tried from a random one on.

    Raises `NoCapacity` when none is free, `OSError` when the address is not ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        start = random.randrange(len(ports))
        for step in range(len(ports)):
            try:
                sock.bind((address, ports[(start + step) % len(ports)]))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return sock
        raise NoCapacity(f"no UDP port of {ports.start}-{ports.stop - 1} is free; widen the range")
    except BaseException:
        sock.close()
        raise
