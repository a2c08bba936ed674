"""Receivers at the seam where aiortc hands packets over: order, loss, repair, strangers, damage."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import RtcpRrPacket, RtcpSenderInfo, RtcpSrPacket, RtpPacket

from bench.network.weather import Line, Weather
from proctor.adapters.webrtc.audio import AudioReceiver
from proctor.adapters.webrtc.frames import PATIENCE_MS as HOLE_MS
from proctor.adapters.webrtc.receiver import MAX_FOREIGN_SOURCES, LeanReceiver
from proctor.adapters.webrtc.sounds import PATIENCE_MS
from proctor.adapters.webrtc.video import VideoReceiver
from proctor.domain.media import Image
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.sender import picture
from tests.proctor.adapters.webrtc.sink import RecordingSink
from tests.proctor.adapters.webrtc.wire import (
    AUDIO,
    OWN,
    SOURCE,
    VIDEO,
    Wire,
    pictures,
    retransmitted,
    sounds,
)


class Bench:
    """One receiver, by hand: packets in, a clock to move, everything it does kept."""

    def __init__(self, make: type[VideoReceiver] | type[AudioReceiver]) -> None:
        self.wire, self.sink = Wire(), RecordingSink()
        self.clock, self.metrics = FakeClock(), FakeMetrics()
        self.floods = 0
        self.receiver: LeanReceiver = make(
            self.wire, self.sink, self.clock, self.metrics, self.on_flood
        )
        self.receiver._set_rtcp_ssrc(OWN)

    def on_flood(self) -> None:
        self.floods += 1

    async def take(self, packets: Iterable[RtpPacket]) -> None:
        for packet in packets:
            await self.receiver._handle_rtp_packet(packet, arrival_time_ms=0)

    async def wait(self, milliseconds: int, step_ms: int = 50) -> None:
        """Time passes; the receiver's timer does what is due."""
        for _ in range(0, milliseconds, step_ms):
            await self.clock.advance(step_ms)
            await self.receiver._tick(self.clock.monotonic_ms())

    def dropped(self, reason: str) -> float:
        return self.metrics.counted("proctor_webrtc_packets_dropped_total", reason=reason)


@asynccontextmanager
async def bench(make: type[VideoReceiver] | type[AudioReceiver]) -> AsyncIterator[Bench]:
    made = Bench(make)
    codecs = VIDEO if make is VideoReceiver else AUDIO
    await made.receiver.receive(RTCRtpReceiveParameters(codecs=codecs))
    try:
        yield made
    finally:
        await made.receiver.stop()
        assert made.wire.receivers == []


def shown(images: list[Image]) -> list[int]:
    """Which of `picture`'s images these are."""
    return [
        min(range(40), key=lambda index: np.abs(image.astype(int) - picture(index)).mean())
        for image in images
    ]


async def test_every_frame_is_shown_at_its_last_packet() -> None:
    async with bench(VideoReceiver) as b:
        for index, packets in enumerate(pictures(6)):
            assert len(packets) > 2
            await b.take(packets[:-1])
            assert len(b.sink.pictures) == index
            await b.take(packets[-1:])
            assert len(b.sink.pictures) == index + 1
        assert shown(b.sink.pictures) == list(range(6))
        assert b.wire.sent == []


async def test_a_retransmission_closes_the_gap() -> None:
    async with bench(VideoReceiver) as b:
        frames = list(pictures(4))
        lost = frames[1].pop(1)
        for packets in frames[:3]:
            await b.take(packets)
        assert shown(b.sink.pictures) == [0]
        assert b.wire.asked() == [lost.sequence_number]
        await b.wait(200)
        assert b.wire.asked()[1:] == [lost.sequence_number] * 2
        await b.take([retransmitted(lost, 7)])
        assert shown(b.sink.pictures) == [0, 1, 2]
        await b.take(frames[3])
        assert shown(b.sink.pictures) == [0, 1, 2, 3]
        assert b.wire.key_requests() == 0


async def test_without_a_retransmission_a_key_frame_is_asked_for_and_waited_for() -> None:
    async with bench(VideoReceiver) as b:
        frames = list(pictures(14, keys=frozenset({11})))
        del frames[2][1]
        for packets in frames[:11]:
            await b.take(packets)
            await b.wait(200)
        assert shown(b.sink.pictures) == [0, 1]
        assert 1 <= b.wire.key_requests() <= 3  # limited to one per half second
        assert b.metrics.counted("proctor_webrtc_video_gaps_total") == 1
        for packets in frames[11:]:
            await b.take(packets)
        assert shown(b.sink.pictures) == [0, 1, 11, 12, 13]


async def test_damaged_data_leads_to_a_key_frame_and_never_to_an_error() -> None:
    async with bench(VideoReceiver) as b:
        frames = list(pictures(6, keys=frozenset({4})))
        await b.take(frames[0])
        first = frames[1][0]
        first.payload = first.payload[:4] + bytes(len(first.payload) - 4)
        for packet in frames[1][1:]:
            packet.payload = packet.payload[:1]  # a descriptor that is cut short
        await b.take(frames[1])
        assert b.dropped("payload") == len(frames[1]) - 1
        await b.take(frames[2])
        await b.wait(HOLE_MS + 100)
        assert b.wire.key_requests() >= 1
        for packets in frames[3:]:
            await b.take(packets)
        assert shown(b.sink.pictures)[-2:] == [4, 5]


async def test_a_frame_that_cannot_be_decoded_asks_for_a_key_frame_at_once() -> None:
    async with bench(VideoReceiver) as b:
        frames = list(pictures(4, keys=frozenset({2})))
        await b.take(frames[0])
        frames[1] = frames[1][-1:]
        frames[1][0].payload = b"\x10\x01"  # a delta frame of one byte
        frames[1][0].sequence_number = (frames[0][-1].sequence_number + 1) & 0xFFFF
        await b.take(frames[1])
        assert b.dropped("undecodable") == 1 and b.wire.key_requests() == 1
        for packets in frames[2:]:
            await b.take(packets)
        assert shown(b.sink.pictures)[-2:] == [2, 3]


async def test_a_picture_that_is_too_large_is_dropped_and_the_next_size_shown() -> None:
    async with bench(VideoReceiver) as b:
        for packets in pictures(2, size=(2_048, 128), first_seq=10):
            await b.take(packets)
        assert b.sink.pictures == [] and b.dropped("size") == 1
        assert b.wire.key_requests() == 0
        for packets in pictures(2, first_seq=10_000, first_timestamp=7):
            await b.take(packets)
        assert shown(b.sink.pictures) == [0, 1]


async def test_a_picture_that_claims_to_be_huge_is_never_decoded() -> None:
    async with bench(VideoReceiver) as b:
        (packets,) = pictures(1)
        descriptor, frame = packets[0].payload[:4], packets[0].payload[4:]
        huge = (16_383).to_bytes(2, "little") * 2
        packets[0].payload = descriptor + frame[:6] + huge + frame[10:]
        await b.take(packets)
        assert b.dropped("size") == 1 and b.sink.pictures == []


async def test_a_fast_sender_costs_no_more_than_16_pictures_a_second() -> None:
    async with bench(VideoReceiver) as b:
        for packets in pictures(30, fps=30):
            await b.take(packets)
        assert len(b.sink.pictures) == 15
        assert b.metrics.counted("proctor_webrtc_pictures_skipped_total") == 15


async def test_strangers_are_ignored_and_good_media_flow() -> None:
    async with bench(VideoReceiver) as b:
        frames = list(pictures(3))
        await b.take(frames[0])
        for ssrc in range(MAX_FOREIGN_SOURCES):
            stranger = RtpPacket(payload_type=96, ssrc=ssrc + 10_000, payload=b"\x10\x00junk")
            await b.take([stranger, RtpPacket(payload_type=50, ssrc=SOURCE, payload=b"x")])
        for packets in frames[1:]:
            await b.take(packets)
        assert shown(b.sink.pictures) == [0, 1, 2]
        assert b.dropped("source") == MAX_FOREIGN_SOURCES == b.dropped("codec")
        assert b.floods == 0
        await b.take([RtpPacket(payload_type=96, ssrc=9, payload=b"\x10\x00junk")])
        assert b.floods == 1


async def test_another_source_takes_over_once_the_first_is_silent() -> None:
    async with bench(VideoReceiver) as b:
        for packets in pictures(2):
            await b.take(packets)
        await b.wait(2_100, step_ms=700)
        for packets in pictures(2, first_seq=5):
            for packet in packets:
                packet.ssrc = 4_444
            await b.take(packets)
        assert shown(b.sink.pictures) == [0, 1, 0, 1]


async def test_repairs_of_nothing_are_ignored() -> None:
    async with bench(VideoReceiver) as b:
        (packets,) = pictures(1)
        await b.take([RtpPacket(payload_type=97, ssrc=5, payload=b"\x00\x01\x10\x00")])
        await b.take(packets)
        await b.take([RtpPacket(payload_type=97, ssrc=5, payload=b"\x00")])
        await b.take([RtpPacket(payload_type=97, ssrc=6, payload=b"\x00\x01\x10\x00")])
        assert shown(b.sink.pictures) == [0] and b.dropped("source") == 1


async def test_a_sink_that_fails_costs_one_picture(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(VideoReceiver) as b:

        def fail_first(index: int) -> None:
            if index == 0:
                raise RuntimeError("the host has a bug")

        b.sink.on_picture_hook = fail_first
        for packets in pictures(3):
            await b.take(packets)
        assert len(b.sink.pictures) == 3 and b.dropped("error") == 1
        assert "packet failed" in caplog.text


async def test_the_timer_sends_reports_and_asks_again(caplog: pytest.LogCaptureFixture) -> None:
    """With real time: the task that the receiver runs by itself."""
    from proctor.adapters.clock import SystemClock

    b = Bench(VideoReceiver)
    b.receiver._clock = SystemClock()
    await b.receiver.receive(RTCRtpReceiveParameters(codecs=VIDEO))
    frames = list(pictures(3))
    lost = frames[1].pop(0)
    for packets in frames[:2]:
        await b.take(packets)
    info = RtcpSenderInfo(
        ntp_timestamp=0x1234_5678_9ABC_DEF0, rtp_timestamp=0, packet_count=1, octet_count=1
    )
    await b.receiver._handle_rtcp_packet(RtcpSrPacket(ssrc=SOURCE, sender_info=info))

    def reports() -> list[RtcpRrPacket]:
        return [packet for packet in b.wire.sent if isinstance(packet, RtcpRrPacket)]

    await b.wire.until(lambda: bool(reports()) and b.wire.key_requests() > 0)
    await b.receiver.stop()
    assert b.wire.asked().count(lost.sequence_number) >= 5
    (report,) = reports()[0].reports
    assert reports()[0].ssrc == OWN and report.ssrc == SOURCE
    assert report.lsr == 0x5678_9ABC and 0 < report.dlsr < 2 * 65_536
    assert report.packets_lost == 1 and report.fraction_lost > 0
    assert caplog.text == ""


async def test_sound_in_order_has_no_gap_and_its_full_length() -> None:
    async with bench(AudioReceiver) as b:
        await b.take(sounds(50))
        assert b.sink.gap_ms == 0
        assert abs(b.sink.sound_ms - 1_000) < 5
        samples = b.sink.sounds[10][0]
        assert samples.dtype == np.float32 and not samples.flags.writeable and samples.ndim == 1


async def test_reordered_sound_is_put_in_order_and_lost_sound_is_told() -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(50)
        packets[10], packets[12] = packets[12], packets[10]
        lost = [packets.pop(30), packets.pop(30)]
        for packet in packets:
            await b.take([packet])
            await b.wait(20, step_ms=20)
        await b.wait(PATIENCE_MS)
        assert len(lost) * 20 == b.sink.gap_ms == 40
        assert abs(b.sink.sound_ms + b.sink.gap_ms - 1_000) < 5
        assert b.metrics.counted("proctor_webrtc_audio_gaps_total") == 1
        whole = np.concatenate([samples for samples, _ in b.sink.sounds])
        assert np.argmax(np.abs(np.fft.rfft(whole[1_600:8_000]))) == 440 * 6_400 // 16_000


async def test_sound_after_the_last_packet_is_not_held_for_ever() -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(6)
        await b.take(packets[:3] + packets[4:])
        assert len(b.sink.sounds) == 3
        await b.wait(PATIENCE_MS)
        assert len(b.sink.sounds) == 5 and b.sink.gap_ms == 20


async def over(
    line: Line, weather: Weather, b: Bench, packets: list[RtpPacket], every_ms: int
) -> int:
    """Send a packet each `every_ms` over a bad line; how many never came."""
    arriving: list[tuple[float, int, RtpPacket]] = []
    for index, packet in enumerate(packets):
        at = line.arrivals(len(packet.payload), index * every_ms, weather)
        arriving += [(ms, index, packet) for ms in at]
    now_ms = 0
    for at_ms, _, packet in sorted(arriving, key=lambda item: item[:2]):
        while now_ms + 20 <= at_ms:
            await b.wait(20, step_ms=20)
            now_ms += 20
        await b.take([packet])
    await b.wait(2 * PATIENCE_MS, step_ms=20)
    return len(packets) - len({index for _, index, _ in arriving})


@pytest.mark.parametrize("seed", range(5))
async def test_sound_that_is_late_by_300_ms_is_waited_for_and_nothing_is_missing(seed: int) -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(60)
        await b.take(packets[:1])
        assert await over(Line(seed), Weather(jitter_ms=300, doubled=0.1), b, packets[1:], 20) == 0
        assert b.sink.gap_ms == 0 and abs(b.sink.sound_ms - 1_200) < 5
        assert b.dropped("late") > 0  # the doubled ones


@pytest.mark.parametrize(("loss", "seed"), [(loss, s) for loss in (0.05, 0.2, 0.4) for s in (1, 2)])
async def test_lost_sound_is_a_gap_of_its_length_and_no_other_sound_is_dropped(
    loss: float, seed: int
) -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(150)
        await b.take(packets[:1])
        lost = await over(Line(seed), Weather(loss=loss, jitter_ms=100), b, packets[1:-1], 20)
        await b.take(packets[-1:])
        await b.wait(PATIENCE_MS)
        assert lost > 0 and b.dropped("late") == 0
        assert b.sink.gap_ms == lost * 20
        assert abs(b.sink.sound_ms + b.sink.gap_ms - 3_000) < 5


async def test_damaged_sound_is_told_as_a_gap() -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(20)
        two_equal_frames_of_10_ms = 0x01
        packets[5].payload = bytes([two_equal_frames_of_10_ms, 1, 2, 3])  # three bytes: not equal
        packets[6].payload = b""
        for packet in packets:
            await b.take([packet])
            await b.wait(20, step_ms=20)
        await b.wait(PATIENCE_MS)
        assert b.dropped("payload") == b.dropped("undecodable") == 1
        assert b.sink.gap_ms == 40
        assert abs(b.sink.sound_ms + b.sink.gap_ms - 400) < 5


async def test_a_pause_of_the_sender_is_heard_as_silence() -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(20)
        for packet in packets[10:]:
            packet.timestamp = (packet.timestamp + 48 * 300) & 0xFFFFFFFF
        await b.take(packets)
        assert b.sink.gap_ms == 0 and abs(b.sink.sound_ms - 700) < 5
        paused = b.sink.sounds[10][0]
        assert not paused[:4_800].any() and not paused.flags.writeable


async def test_another_source_of_sound_begins_anew() -> None:
    async with bench(AudioReceiver) as b:
        await b.take(sounds(10))
        await b.wait(2_100, step_ms=700)
        again = sounds(10, first_seq=9)
        for packet in again:
            packet.ssrc = 4_444
        await b.take(again)
        assert len(b.sink.sounds) == 20


async def test_a_clock_that_jumps_by_hours_is_no_gap_of_hours() -> None:
    async with bench(AudioReceiver) as b:
        packets = sounds(10)
        for packet in packets[5:]:
            packet.timestamp = (packet.timestamp + 48_000 * 7_200) & 0xFFFFFFFF
        await b.take(packets)
        assert 0 < b.sink.gap_ms <= 1_000


async def test_sound_that_nobody_wants_is_not_decoded() -> None:
    async with bench(AudioReceiver) as b:
        b.sink.wants_sound = False  # type: ignore[attr-defined]
        await b.take(sounds(10))
        assert b.sink.sounds == []
