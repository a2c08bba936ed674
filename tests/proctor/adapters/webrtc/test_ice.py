"""ICE bound where we say, deaf to strangers. Regression of the forged alert (TRUST D4)."""

import asyncio
import base64
import hashlib
import hmac
import random
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aioice import Candidate, stun
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.adapters.webrtc.ice import (
    MAX_PAIRS,
    MAX_QUEUED,
    GuardedConnection,
    GuardedProtocol,
    bound_socket,
)
from proctor.adapters.webrtc.turn import turn_credentials
from proctor.domain.errors import NoCapacity

PEER, STRANGER = ("127.0.0.1", 40_000), ("127.0.0.1", 40_001)
DTLS, SRTP = b"\x16\xfe\xfd" + bytes(20), b"\x80\x60" + bytes(30)
FORGED_ALERT = b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28"


class Guard:
    """A connection on loopback whose drops are counted."""

    def __init__(self, **arguments: Any) -> None:
        self.dropped: Counter[str] = Counter()
        defaults: dict[str, Any] = {
            "bind_address": "127.0.0.1",
            "is_advertised": False,
            "port_min": 0,
            "port_max": 0,
            "ice_servers": {},
        }
        self.connection = GuardedConnection(
            **(defaults | arguments), on_drop=lambda reason: self.dropped.update([reason])
        )

    async def bound(self) -> GuardedProtocol:
        await self.connection.gather_candidates()
        protocol = self.connection._protocols[0]
        assert isinstance(protocol, GuardedProtocol)
        return protocol

    def queued(self) -> list[bytes]:
        waiting: list[bytes] = []
        while not self.connection._queue.empty():
            item = self.connection._queue.get_nowait()
            if item is not None:
                waiting.append(item[0])
        return waiting


async def offered(guard: Guard, address: tuple[str, int]) -> None:
    line = f"1 1 udp 1 {address[0]} {address[1]} typ host"
    await guard.connection.add_remote_candidate(Candidate.from_sdp(line))


async def checked(guard: Guard, protocol: GuardedProtocol, address: tuple[str, int]) -> None:
    """The peer's authenticated check comes from there: a datagram, as a client sends it."""
    connection = guard.connection
    connection.remote_username, connection.remote_password = "them", "x" * 22
    connection._early_checks_done = True  # as once `connect` has begun
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{connection.local_username}:them"
    request.attributes["PRIORITY"] = 1
    request.add_message_integrity(connection.local_password.encode())
    protocol.datagram_received(bytes(request), address)


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        yield


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that nobody has."""
    for first in range(42_000, 60_000, count):
        try:
            for port in range(first, first + count):
                bound_socket("127.0.0.1", range(port, port + 1)).close()
        except NoCapacity:
            continue
        return first
    raise AssertionError("no free ports on this machine")


async def test_media_pass_only_from_addresses_that_ice_has_validated() -> None:
    guard = Guard()
    protocol = await guard.bound()
    for datagram in (DTLS, SRTP, FORGED_ALERT):
        protocol.datagram_received(datagram, PEER)
    assert guard.queued() == [] and guard.dropped == {"source": 3}
    await checked(guard, protocol, PEER)
    protocol.datagram_received(DTLS, PEER)
    protocol.datagram_received(SRTP, (*PEER, 0, 0))  # as IPv6 sockets give it
    protocol.datagram_received(FORGED_ALERT, STRANGER)
    assert guard.queued() == [DTLS, SRTP] and guard.dropped == {"source": 4}
    await guard.connection.close()


async def test_an_address_that_was_only_offered_is_a_stranger() -> None:
    guard = Guard()
    protocol = await guard.bound()
    await offered(guard, PEER)
    protocol.datagram_received(FORGED_ALERT, PEER)
    assert guard.queued() == [] and guard.dropped == {"source": 1}
    await guard.connection.close()


async def test_a_check_with_another_password_validates_nobody() -> None:
    guard = Guard()
    protocol = await guard.bound()
    guard.connection.remote_username, guard.connection.remote_password = "them", "x" * 22
    guard.connection._early_checks_done = True
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{guard.connection.local_username}:them"
    request.attributes["PRIORITY"] = 1
    request.add_message_integrity(b"guessed")
    protocol.datagram_received(bytes(request), STRANGER)
    protocol.datagram_received(DTLS, STRANGER)
    assert guard.queued() == [] and guard.dropped == {"source": 1}
    await guard.connection.close()


async def test_ten_thousand_random_datagrams_reach_nobody() -> None:
    rng = random.Random(19)
    guard = Guard()
    protocol = await guard.bound()
    await offered(guard, PEER)
    protocol.datagram_received(b"", STRANGER)
    for number in range(10_000):
        data = rng.randbytes(rng.randrange(0, 200))
        if number % 3 == 0:  # STUN in its outside
            data = bytes([0, rng.randrange(2)]) + data[:2] + b"\x21\x12\xa4\x42" + data[2:]
        if number % 9 == 0 and len(data) >= 20:
            data = data[:2] + (len(data) - 20).to_bytes(2) + data[4:]
        protocol.datagram_received(data, STRANGER)
    assert guard.queued() == []
    assert guard.dropped["source"] > 1_000 and guard.dropped["unknown"] > 1_000
    assert guard.dropped["stun"] > 1_000
    await guard.connection.close()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_no_datagram_of_the_peer_itself_raises(tail: bytes) -> None:
    async def receive() -> None:
        guard = Guard()
        protocol = await guard.bound()
        await checked(guard, protocol, PEER)
        for data in (tail, b"\x00\x01" + len(tail).to_bytes(2) + b"\x21\x12\xa4\x42" + tail):
            protocol.datagram_received(data, PEER)
        assert all(data and data[0] > 19 for data in guard.queued())
        await guard.connection.close()

    asyncio.run(receive())


async def test_waiting_datagrams_are_bounded() -> None:
    guard = Guard()
    protocol = await guard.bound()
    await checked(guard, protocol, PEER)
    for _ in range(MAX_QUEUED + 7):
        protocol.datagram_received(SRTP, PEER)
    assert guard.dropped == {"queue": 7} and len(guard.queued()) == MAX_QUEUED
    await guard.connection.close()


async def test_the_check_list_is_bounded() -> None:
    guard = Guard()
    protocol = await guard.bound()
    guard.connection.remote_username, guard.connection.remote_password = "them", "x" * 22

    def check(port: int) -> None:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["PRIORITY"] = 1
        guard.connection.check_incoming(message, ("127.0.0.1", port), protocol)

    for port in range(50_000, 50_000 + MAX_PAIRS + 5):
        check(port)
    assert len(guard.connection._check_list) == MAX_PAIRS and guard.dropped == {"pairs": 5}
    check(50_000)
    assert guard.dropped == {"pairs": 5}
    await guard.connection.close()


async def test_sockets_are_bound_in_the_range_until_it_is_full() -> None:
    first = free_ports(3)
    with taken(first + 1):
        guards = [Guard(port_min=first, port_max=first + 2) for _ in range(2)]
        for guard in guards:
            await guard.bound()
        ports = {guard.connection.local_candidates[0].port for guard in guards}
        assert ports == {first, first + 2}
        full = Guard(port_min=first, port_max=first + 2)
        with pytest.raises(NoCapacity, match=f"{first}-{first + 2}"):
            await full.connection.gather_candidates()
        for guard in [*guards, full]:
            await guard.connection.close()


async def test_an_address_that_is_not_ours_is_an_error_without_a_leak() -> None:
    guard = Guard(bind_address="203.0.113.1")
    with pytest.raises(OSError, match="assign"):
        await guard.connection.gather_candidates()
    await guard.connection.close()


async def test_every_interface_is_bound_unless_an_address_is_advertised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = ["127.0.0.1", "127.0.0.2"]
    monkeypatch.setattr("proctor.adapters.webrtc.ice.get_host_addresses", lambda **_: both)
    everywhere = Guard(bind_address="0.0.0.0")
    await everywhere.bound()
    assert [c.host for c in everywhere.connection.local_candidates] == both
    natted = Guard(bind_address="0.0.0.0", is_advertised=True)
    await natted.bound()
    assert [c.host for c in natted.connection.local_candidates] == ["0.0.0.0"]
    await everywhere.connection.close()
    await natted.connection.close()


class StunServer(asyncio.DatagramProtocol):
    """Answers binding requests as if everybody came from 198.51.100.4."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        request = stun.parse_message(data)
        answer = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=request.transaction_id
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("198.51.100.4", addr[1])
        self._transport.sendto(bytes(answer), addr)


async def test_a_stun_server_tells_our_public_address() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, local_addr=("127.0.0.1", 0))
    server = ("localhost", transport.get_extra_info("sockname")[1])
    guard = Guard(ice_servers={"stun_server": server})
    await guard.bound()
    host, public = guard.connection.local_candidates
    assert (public.type, public.host, public.port) == ("srflx", "198.51.100.4", host.port)
    transport.close()
    await guard.connection.close()


async def test_a_stun_server_that_is_silent_costs_two_seconds_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proctor.adapters.webrtc.ice.SERVER_TIMEOUT_S", 0.05)
    silent = bound_socket("127.0.0.1", range(1))
    guard = Guard(ice_servers={"stun_server": ("127.0.0.1", silent.getsockname()[1])})
    await guard.bound()
    assert [c.type for c in guard.connection.local_candidates] == ["host"]
    assert guard.dropped == {"stun_server": 1}
    silent.close()
    await guard.connection.close()


class TurnServer(asyncio.DatagramProtocol):
    """Gives out one relayed address to whoever knows the short-lived credentials (RFC 8656)."""

    RELAYED = ("198.51.100.9", 49_999)

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.allocated = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        request = stun.parse_message(data)
        key = self._key(request)
        answer = stun.Message(
            request.message_method,
            stun.Class.RESPONSE if key else stun.Class.ERROR,
            transaction_id=request.transaction_id,
        )
        if key is None:
            answer.attributes["ERROR-CODE"] = (401, "Unauthorized")
            answer.attributes["REALM"] = "exam"
            answer.attributes["NONCE"] = b"once"
        else:
            lifetime = int(request.attributes["LIFETIME"])
            self.allocated += 1 if lifetime else -1
            answer.attributes["LIFETIME"] = lifetime
            answer.attributes["XOR-MAPPED-ADDRESS"] = (addr[0], addr[1])
            answer.attributes["XOR-RELAYED-ADDRESS"] = self.RELAYED
            answer.add_message_integrity(key)
        self._transport.sendto(bytes(answer), addr)

    def _key(self, request: stun.Message) -> bytes | None:
        """The long-term key of RFC 8489 9.2.2, with the password that the username implies."""
        if "USERNAME" not in request.attributes:
            return None
        username = str(request.attributes["USERNAME"])
        digest = hmac.digest(self._secret.encode(), username.encode(), "sha1")
        password = base64.b64encode(digest).decode()
        key = hashlib.md5(f"{username}:exam:{password}".encode()).digest()
        return key if request.check_message_integrity(key) else None


@pytest.mark.parametrize(("known", "relayed"), [("north", True), ("south", False)])
async def test_a_turn_server_relays_for_who_knows_the_secret(known: str, relayed: bool) -> None:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: TurnServer(known), local_addr=("127.0.0.1", 0)
    )
    username, password = turn_credentials("north", "host", 60, datetime(2026, 1, 1, tzinfo=UTC))
    guard = Guard(
        ice_servers={
            "turn_server": ("127.0.0.1", transport.get_extra_info("sockname")[1]),
            "turn_username": username,
            "turn_password": password,
        }
    )
    await guard.bound()
    found = [(c.host, c.port) for c in guard.connection.local_candidates if c.type == "relay"]
    assert found == ([TurnServer.RELAYED] if relayed else [])
    assert guard.dropped == ({} if relayed else {"turn_server": 1})
    assert server.allocated == int(relayed)
    assert all(isinstance(p, GuardedProtocol) for p in guard.connection._protocols)
    await guard.connection.close()
    assert server.allocated == 0
    transport.close()
