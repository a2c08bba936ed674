"""Connections that go wrong: bad offers, strangers, wrong certificates. Nothing stays open."""

import asyncio
import gc
import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proctor.adapters.clock import SystemClock
from proctor.adapters.metric_names import METRICS, plain
from proctor.adapters.webrtc import peer as peer_module
from proctor.adapters.webrtc.candidates import MAX_CANDIDATES, BadFragment
from proctor.adapters.webrtc.ice import bound_socket
from proctor.adapters.webrtc.offers import BadOffer, NoVideo
from proctor.adapters.webrtc.peer import LeanPeer, LeanPeers
from proctor.domain.errors import Conflict, InvalidInput, NoCapacity
from proctor.settings import WebRtcSettings
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.samples import BAD, CHROMIUM, NO_VIDEO
from tests.proctor.adapters.webrtc.sender import MovingPictures, Sender, Tone
from tests.proctor.adapters.webrtc.sink import RecordingSink


class Door:
    """A peer with its sink and counters."""

    def __init__(self, **settings: object) -> None:
        self.sink, self.metrics = RecordingSink(), FakeMetrics()
        self.peer: LeanPeer = LeanPeers(
            WebRtcSettings.model_validate(settings), SystemClock(), self.metrics
        ).open(self.sink)

    def dropped(self, what: str, reason: str) -> float:
        return self.metrics.counted(f"proctor_webrtc_{what}_dropped_total", reason=reason)


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """The test leaves no file and no task behind."""
    warm = Door()
    await warm.peer.answer(CHROMIUM)
    await warm.peer.close()
    gc.collect()
    files, tasks = os.listdir("/proc/self/fd"), asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() - tasks - {asyncio.current_task()} == set()
    assert len(os.listdir("/proc/self/fd")) == len(files)


@pytest.mark.parametrize("name", sorted(BAD))
async def test_a_bad_offer_opens_nothing(name: str, nothing_left: None) -> None:
    door = Door()
    with pytest.raises(BadOffer) as caught:
        await door.peer.answer(BAD[name])
    assert (caught.value.code, caught.value.status) == ("webrtc/bad-sdp", 422)


@pytest.mark.parametrize("name", sorted(NO_VIDEO))
async def test_an_offer_without_video_opens_nothing(name: str, nothing_left: None) -> None:
    door = Door()
    with pytest.raises(NoVideo) as caught:
        await door.peer.answer(NO_VIDEO[name])
    assert (caught.value.code, caught.value.status) == ("webrtc/no-video", 422)


async def test_an_offer_that_names_no_direction_sends_and_receives(nothing_left: None) -> None:
    door = Door()
    answer = await door.peer.answer(CHROMIUM.replace("a=sendonly\r\n", ""))
    await door.peer.close()
    assert answer.count("a=recvonly") == 2


async def test_a_connection_that_does_not_close_in_order_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("an inner state that nobody foresaw")

    door = Door()
    await door.peer.answer(CHROMIUM)
    monkeypatch.setattr("aiortc.rtcdtlstransport.RTCDtlsTransport.stop", broken)
    for _ in range(2):
        async with asyncio.timeout(5):
            await door.peer.close()
    assert door.sink.states[-1] == "closed"


async def test_a_browsers_offer_is_answered_as_we_want_it(nothing_left: None) -> None:
    door = Door(advertised_address="198.51.100.4", udp_port_min=0)
    answer = await door.peer.answer(CHROMIUM)
    await door.peer.close()
    assert re.findall(r"(?m)^m=(\w+) \d+ \S+ (.*?)\r?$", answer) == [
        ("audio", "111"),
        ("video", "96 97"),
    ]
    assert answer.count("a=recvonly") == 2 and "a=setup:active" in answer
    assert len(re.findall(r"a=candidate:\S+ 1 udp \d+ 198\.51\.100\.4 \d+ typ host", answer)) == 2
    assert "127.0.0.1" not in answer
    for unwanted in ("extmap", "goog-remb", "G722"):
        assert unwanted not in answer
    assert "a=ptime:60" in answer and "b=AS:250" in answer


async def test_video_may_come_first_in_the_bundle(nothing_left: None) -> None:
    door = Door()
    answer = await door.peer.answer(CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 1 0"))
    assert re.findall(r"(?m)^m=(\w+)", answer) == ["audio", "video"]
    assert len(set(re.findall(r"a=ice-ufrag:(\S+)", answer))) == 1
    await door.peer.close()


async def test_a_peer_serves_one_offer(nothing_left: None) -> None:
    door = Door()
    with pytest.raises(Conflict):
        await door.peer.trickle("a=end-of-candidates\r\n")
    await door.peer.answer(CHROMIUM)
    with pytest.raises(Conflict):
        await door.peer.answer(CHROMIUM)
    await door.peer.close()
    await door.peer.trickle("a=end-of-candidates\r\n")
    with pytest.raises(Conflict):
        await Door().peer.trickle("a=end-of-candidates\r\n")


async def test_candidates_are_added_by_policy_and_counted(nothing_left: None) -> None:
    door = Door()
    await door.peer.answer(CHROMIUM)
    lines = [
        "a=ice-ufrag:3fqN",
        "a=candidate:1 1 udp 1 169.254.169.254 80 typ host",
        "a=candidate:1 1 udp 1 0b1c2d3e.local 5000 typ host",
        *(f"a=candidate:1 1 udp 1 10.0.0.{n} 5000 typ host" for n in range(1, 61)),
        "a=end-of-candidates",
    ]
    await door.peer.trickle("\r\n".join(lines))
    assert door.dropped("candidates", "address") == 1
    assert door.dropped("candidates", "mdns") == 1
    assert door.dropped("candidates", "too_many") == 1 + 60 - MAX_CANDIDATES  # the offer had one
    with pytest.raises(BadFragment):
        await door.peer.trickle("a=ice-ufrag:other\r\na=end-of-candidates\r\n")
    await door.peer.close()


async def test_no_free_port_is_no_capacity_and_no_leak(nothing_left: None) -> None:
    with bound_socket("127.0.0.1", range(1)) as sock:
        port = sock.getsockname()[1]
        door = Door(udp_port_min=port, udp_port_max=port)
        with pytest.raises(NoCapacity):
            await door.peer.answer(CHROMIUM)
    assert door.sink.states == ["closed"]


async def test_an_answer_that_is_given_up_leaves_nothing(nothing_left: None) -> None:
    silent = bound_socket("127.0.0.1", range(1))
    url = f"stun:127.0.0.1:{silent.getsockname()[1]}"
    door = Door(stun_urls=[url], host_gathers=True)
    answering = asyncio.create_task(door.peer.answer(CHROMIUM))
    await asyncio.sleep(0.2)  # it waits for the STUN server
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    silent.close()


async def test_nobody_there_is_failed_in_time(
    nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "CONNECT_WITHIN_S", 0.1)
    door = Door()
    await door.peer.answer(CHROMIUM)
    await door.sink.until(lambda: bool(door.sink.states))
    assert door.sink.states == ["failed"]
    await door.peer.close()
    assert door.sink.states == ["failed"]


async def test_a_certificate_that_was_not_offered_fails_the_connection(nothing_left: None) -> None:
    door = Door()
    sender = Sender(MovingPictures(), Tone())
    offer = await sender.offer()
    other = re.sub(r"(a=fingerprint:sha-256 )..:", r"\g<1>00:", offer)
    await sender.accept(await door.peer.answer(other))
    await door.sink.until(lambda: "failed" in door.sink.states)
    await sender.close()
    await door.peer.close()
    assert door.sink.states == ["failed"] and door.sink.pictures == []


async def test_forged_datagrams_during_connect_and_after_harm_nobody(nothing_left: None) -> None:
    """TRUST D4: a forged plaintext DTLS alert from a third socket; an empty datagram ends stock aiortc."""
    door = Door()
    sender = Sender(MovingPictures(), Tone())
    answer = await door.peer.answer(await sender.offer())
    port = int(re.search(r"127\.0\.0\.1 (\d+) typ host", answer)[1])
    forged = [b"", b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28", os.urandom(200), b"\x80" * 60]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

        async def flood() -> None:
            while True:
                for datagram in forged:
                    stranger.sendto(datagram, ("127.0.0.1", port))
                await asyncio.sleep(0.001)

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(0.02)
        await sender.accept(answer)
        await door.sink.until(lambda: len(door.sink.pictures) >= 5)
        flooding.cancel()
        await asyncio.wait([flooding])
    assert door.dropped("datagrams", "source") > 100
    assert door.sink.states == ["connected"]
    await sender.close()
    await door.peer.close()


async def test_a_flood_of_sources_ends_the_connection(nothing_left: None) -> None:
    door = Door()
    sender = Sender(MovingPictures(), Tone())
    await sender.accept(await door.peer.answer(await sender.offer()))
    await door.sink.until(lambda: len(door.sink.pictures) >= 1)
    door.peer._on_flood()
    await door.peer.close()
    await sender.close()
    assert door.sink.states == ["connected", "failed"]


async def test_a_sender_that_leaves_is_told_as_closed(nothing_left: None) -> None:
    door = Door()
    sender = Sender(MovingPictures(), Tone())
    await sender.accept(await door.peer.answer(await sender.offer()))
    await door.sink.until(lambda: len(door.sink.pictures) >= 1)
    await sender.close()
    await door.sink.until(lambda: "closed" in door.sink.states)
    await door.peer.close()
    assert door.sink.states == ["connected", "closed"]


async def test_a_sink_that_fails_does_not_keep_a_socket(nothing_left: None) -> None:
    door = Door()

    def fail(state: str) -> None:
        raise RuntimeError(state)

    door.sink.on_connection = fail  # type: ignore[method-assign]
    await door.peer.answer(CHROMIUM)
    await door.peer.close()


async def test_problems_of_the_media_path_are_the_products_own() -> None:
    for problem in (BadOffer("x"), NoVideo("x"), BadFragment("x")):
        assert isinstance(problem, InvalidInput) and problem.code.startswith("webrtc/")


def test_every_metric_of_the_media_path_is_declared_with_its_labels() -> None:
    said: dict[str, set[str]] = {}
    for source in Path(peer_module.__file__).parent.glob("*.py"):
        text = source.read_text()
        for call in re.finditer(r'count\(\s*"(proctor_webrtc_\w+)"([^)]*)\)', text):
            said.setdefault(plain(call[1]), set()).update(re.findall(r"(\w+)=", call[2]))
        for call in re.finditer(r'_dropper\(\s*"(proctor_webrtc_\w+)"', text):
            said.setdefault(plain(call[1]), set()).add("reason")
    declared = {name: set(m.labels) for name, m in METRICS.items() if name.startswith("webrtc_")}
    assert said == declared
