"""Films over the product's own receive path: from one pump, without an encoder, and asked again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bench.candidate.film import PICTURE_MS, Cue, Film, Library, Spool, Strip
from bench.candidate.pictures import Covered, Moved
from bench.candidate.projector import Projector
from bench.candidate.pump import KEPT, Pump, Stream, Wire
from bench.candidate.reels import encode_pictures, encode_sound
from bench.candidate.sender import Playback, Sender
from bench.candidate.sounds import RATE_HZ, Hiss
from bench.candidate.stills import empty_room
from tests.bench.test_sender import WHIP, Door, brightness, loopback  # noqa: F401  # a fixture

PTIME_MS = 60


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("strips")
    for name, source in {"light": Moved(empty_room(1), 1), "dark": Covered(2)}.items():
        shown = ((source.at(n), n == 0) for n in range(40))
        Strip.of(list(encode_pictures(shown, 250))).save(folder / name)
    block = RATE_HZ * PTIME_MS // 1000
    heard = (Hiss(1).samples(n * block, block) for n in range(200))
    Strip.of(list(encode_sound(heard, PTIME_MS))).save(folder / "quiet")
    return Library(folder, {name: name for name in ("light", "dark", "quiet")})


def film(length_s: float = 9.0) -> Film:
    return Film(
        video=(Cue(0, "light"), Cue(1800, "dark")),
        audio=(Cue(0, "quiet"),),
        length_s=length_s,
        ptime_ms=PTIME_MS,
    )


@contextlib.asynccontextmanager
async def projector(library: Library) -> AsyncIterator[Projector]:
    pump = Pump()
    pumping = asyncio.create_task(pump.run())
    yield Projector(library, pump)
    pumping.cancel()
    await asyncio.wait([pumping])


async def test_a_film_arrives_at_its_times_with_sound(library: Library) -> None:
    door, states = Door(), []
    async with door.client() as client, projector(library) as shows:
        playback = Playback(film())
        sender = Sender(playback, states.append, shows.attach)
        await sender.open(client, WHIP)
        got = door.received[0]
        await got.until(lambda: len(got.pictures) >= 12)
        assert playback.position_s >= 11 * PICTURE_MS / 1000
        assert [value > 50 for value in brightness(got)[:12]] == [True] * 9 + [False] * 3
        assert got.sound_ms >= playback.position_s * 1000 - 500
        await sender.leave(client)
        assert door.left == [f"{WHIP}/1"]
    assert states[-1] == "closed"


async def test_a_second_connection_shows_what_is_on_now(library: Library) -> None:
    door = Door()
    async with door.client() as client, projector(library) as shows:
        playback = Playback(film(30))
        first = Sender(playback, lambda _state: None, shows.attach)
        await first.open(client, WHIP)
        await door.received[0].until(lambda: len(door.received[0].pictures) >= 2)
        await first.close()
        await asyncio.sleep(max(0.0, 2.0 - playback.position_s))
        second = Sender(playback, lambda _state: None, shows.attach)
        await second.open(client, WHIP)
        await door.received[1].until(lambda: len(door.received[1].pictures) >= 2)
        assert max(brightness(door.received[1])) < 15
        await second.close()


class Outlet:
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.reports: list[bytes] = []

    def wire(self, rtx: int | None = 97) -> Wire:
        return Wire(
            send_rtp=self.packets.append,
            send_rtcp=self.reports.append,
            ssrc=7,
            payload_type=96,
            rtx_ssrc=8,
            rtx_payload_type=rtx,
            cname="me",
        )


def stream(library: Library, outlet: Outlet, at: list[float], rtx: int | None = 97) -> Stream:
    spool = Spool(film(6.0).video, library, PICTURE_MS, 6.0)
    return Stream("video", spool, outlet.wire(rtx), lambda: at[0])


def number_of(packet: bytes) -> int:
    return int.from_bytes(packet[2:4])


def test_packets_carry_on_in_number_and_mark_the_end_of_a_picture(library: Library) -> None:
    at, outlet = [0.0], Outlet()
    shown = stream(library, outlet, at)
    for number in range(6):
        at[0] = number * 0.2
        shown.step(at[0])
    numbers = [number_of(packet) for packet in outlet.packets]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    assert sum(packet[1] >> 7 for packet in outlet.packets) == 6
    pictures = {packet[4:8]: bytearray() for packet in outlet.packets}
    for packet in outlet.packets:
        pictures[packet[4:8]] += packet[16:]
    assert [bytes(data) for data in pictures.values()] == list(library["light"].units[:6])
    assert [report[1] for report in outlet.reports] == [200]  # one a second


def test_a_lost_packet_is_sent_again_in_the_repair_stream(library: Library) -> None:
    at, outlet = [0.0], Outlet()
    shown = stream(library, outlet, at)
    shown.step(0.0)
    lost = outlet.packets[0]
    shown.again(number_of(lost))
    again = outlet.packets[-1]
    assert again[1] & 0x7F == 97 and again[8:12] == (8).to_bytes(4)
    assert again[12:14] == lost[2:4] and again[14:] == lost[12:]
    count = len(outlet.packets)
    shown.again((number_of(lost) - KEPT) & 0xFFFF)
    assert len(outlet.packets) == count
    plain = Outlet()
    without = stream(library, plain, at, None)
    without.step(0.0)
    without.again(number_of(plain.packets[0]))
    assert plain.packets[-1] == plain.packets[0]


def test_a_wish_for_a_key_frame_is_granted_with_the_next_picture(library: Library) -> None:
    at, outlet = [1.0], Outlet()
    shown = stream(library, outlet, at)
    shown.step(1.0)
    at[0] = 1.2
    shown.wish_for_key()
    outlet.packets.clear()
    shown.step(1.2)
    light = library["light"]
    assert b"".join(packet[16:] for packet in outlet.packets) in {
        light.units[k] for k in light.keys
    }


def test_a_stream_that_fell_behind_goes_on_where_life_is(library: Library) -> None:
    at, outlet = [0.0], Outlet()
    shown = stream(library, outlet, at)
    shown.step(0.0)
    at[0] = 4.0
    outlet.packets.clear()
    shown.step(4.0)
    dark = library["dark"]
    assert b"".join(packet[16:] for packet in outlet.packets) in {dark.units[k] for k in dark.keys}
    assert shown.due_s() == pytest.approx(0.2)
    at[0] = 9.0
    shown.step(9.0)
    assert shown.due_s() is None
