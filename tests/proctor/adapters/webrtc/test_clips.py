"""Clips of what was received: never encoded again, played from the start, whatever the network did."""

import io
import random

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import RtpPacket

from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.audio import AudioReceiver
from proctor.adapters.webrtc.clips import Remuxer
from proctor.adapters.webrtc.frames import PATIENCE_MS
from proctor.adapters.webrtc.payloads import unpack_h264
from proctor.adapters.webrtc.peer import LeanPeers
from proctor.adapters.webrtc.video import VideoReceiver
from proctor.domain.errors import InvalidInput
from proctor.domain.media import CodedPicture, Strip
from proctor.services.host.ring import KEY_EVERY_MS, MediaRing
from proctor.settings import WebRtcSettings
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.sender import MovingPictures, Sender, Tone, picture, video_frame
from tests.proctor.adapters.webrtc.sink import RecordingSink
from tests.proctor.adapters.webrtc.wire import AUDIO, OWN, VIDEO, Wire, pictures, sounds


class Listener:
    """Both receivers over one ring, by hand: packets in, a clock to move."""

    def __init__(self, with_sound: bool = True) -> None:
        self.clock, self.sink, self.wire = FakeClock(), RecordingSink(), Wire()
        self.ring = MediaRing(10_000_000, 120_000, 0, with_sound)
        self.sink.tap = self.ring
        made = (self.wire, self.sink, self.clock, FakeMetrics(), lambda: None)
        self.video, self.audio = VideoReceiver(*made), AudioReceiver(*made)  # type: ignore[arg-type]

    async def __aenter__(self) -> "Listener":
        for receiver, codecs in ((self.video, VIDEO), (self.audio, AUDIO)):
            receiver._set_rtcp_ssrc(OWN)
            await receiver.receive(RTCRtpReceiveParameters(codecs=codecs))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.video.stop()
        await self.audio.stop()

    async def see(self, packets: list[RtpPacket], then_ms: int = 200) -> None:
        for packet in packets:
            await self.video._handle_rtp_packet(packet, arrival_time_ms=0)
        await self.wait(then_ms)

    async def hear(self, packets: list[RtpPacket]) -> None:
        for packet in packets:
            await self.audio._handle_rtp_packet(packet, arrival_time_ms=0)

    async def wait(self, milliseconds: int) -> None:
        for _ in range(0, milliseconds, 50):
            await self.clock.advance(50)
            await self.video._tick(self.clock.monotonic_ms())
            await self.audio._tick(self.clock.monotonic_ms())

    def strips(self, from_ms: int = 0, with_sound: bool = True) -> list[Strip]:
        now_ms = self.clock.monotonic_ms()
        return self.ring.cut(from_ms, now_ms, now_ms, with_sound)


def played(content: bytes) -> tuple[list[int], list[np.ndarray], int]:
    """Times in ms and pictures of a file, and how many ms of sound it has. Decodes all of it."""
    with av.open(io.BytesIO(content)) as file:
        frames = list(file.decode(video=0))
    heard_ms = 0
    with av.open(io.BytesIO(content)) as file:
        if file.streams.audio:
            heard = list(file.decode(audio=0))
            assert [each.pts for each in heard] == sorted({each.pts for each in heard})
            heard_ms = sum(each.samples for each in heard) // 48
    times = [round(frame.time * 1000) for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames], heard_ms


def which(images: list[np.ndarray]) -> list[int]:
    return [
        min(range(40), key=lambda index: np.abs(image.astype(int) - picture(index)).mean())
        for image in images
    ]


async def test_what_was_received_is_played_as_it_came_across_the_wrap_of_its_numbers() -> None:
    async with Listener() as one:
        packets = sounds(200)
        for index, frame in enumerate(pictures(20)):  # numbers and timestamps wrap at once
            await one.hear(packets[index * 10 : index * 10 + 10])
            await one.see(frame)
        (strip,) = one.strips()
        media_type, content = Remuxer().write(strip)
        assert media_type == "video/webm"
        times, images, heard_ms = played(content)
        assert which(images) == list(range(20))
        assert times == list(range(0, 4_000, 200))
        assert 3_990 <= heard_ms <= 4_000  # a decoder of Opus skips its first 6.5 ms
        coded = b"".join(each.data for _, each in strip.pictures)
        with av.open(io.BytesIO(content)) as file:
            assert b"".join(bytes(each) for each in file.demux(video=0)) == coded
        assert (media_type, content) == Remuxer().write(strip)  # the same bytes, so the same digest


async def test_a_lossy_and_disordered_network_leaves_a_clip_that_plays() -> None:
    for seed in range(3):
        chance = random.Random(seed)
        async with Listener() as one:
            packets, overtaken = sounds(600), list[RtpPacket]()
            for index, frame in enumerate(pictures(60, keys=frozenset(range(0, 60, 12)))):
                here = [each for each in frame if chance.random() > 0.04] + overtaken
                overtaken = [here.pop()] if here and chance.random() < 0.2 else []
                chance.shuffle(here)
                heard = [
                    each for each in packets[index * 10 : index * 10 + 10] if chance.random() > 0.1
                ]
                chance.shuffle(heard)
                await one.hear(heard)
                await one.see(here)
            await one.wait(PATIENCE_MS + 100)
            (strip,) = one.strips()
            times, images, heard_ms = played(Remuxer().write(strip)[1])
            assert len(images) == len(strip.pictures) >= 10
            assert times == sorted(set(times)) and times[0] == 0
            assert 4_000 <= heard_ms <= 12_000
            for shown, image in zip(which(images), images, strict=True):
                assert np.abs(image.astype(int) - picture(shown)).mean() < 12  # none is damaged
            assert one.wire.key_requests() > 0


async def test_another_size_makes_another_clip_and_both_play() -> None:
    async with Listener() as one:
        for frame in pictures(10):
            await one.see(frame)
        for frame in pictures(
            10,
            size=(480, 360),
            first_seq=65_530 + 400,
            first_timestamp=(0xFFFFFFFF - 50_000 + 180_000) & 0xFFFFFFFF,
        ):
            await one.see(frame)
        clips = [played(Remuxer().write(strip)[1]) for strip in one.strips()]
        assert [images[0].shape[:2] for _, images, _ in clips] == [(240, 320), (360, 480)]
        assert [len(images) for _, images, _ in clips] == [10, 10]


async def test_h264_becomes_mp4() -> None:
    encoder, coded = H264Encoder(), []
    for index in range(15):
        payloads, ticks = encoder.encode(video_frame(index), force_keyframe=index in (0, 8))
        parts = [unpack_h264(payload) for payload in payloads]
        data = b"".join(part for part, _ in parts)
        coded.append((index * 200, CodedPicture("H264", data, parts[0][1], ticks, 320, 240)))
    media_type, content = Remuxer().write(Strip(tuple(coded)))
    times, images, heard_ms = played(content)
    assert media_type == "video/mp4" and heard_ms == 0
    assert which(images) == list(range(15)) and times == list(range(0, 3_000, 200))
    with av.open(io.BytesIO(content)) as file:
        extradata = file.streams.video[0].codec_context.extradata
        assert extradata is not None and extradata[0] == 1  # avcC: what browsers ask of an MP4


def test_what_cannot_be_played_from_its_beginning_is_refused() -> None:
    delta = CodedPicture("VP8", b"x", False, 0, 320, 240)
    with pytest.raises(InvalidInput):
        Remuxer().write(Strip(()))
    with pytest.raises(InvalidInput):
        Remuxer().write(Strip(((0, delta),)))


async def test_a_key_is_asked_of_the_sender_every_half_minute_and_not_without_a_tap() -> None:
    for has_tap in (True, False):
        async with Listener() as one:
            if not has_tap:
                one.sink.tap = None
            frames = list(pictures(3))
            await one.see(frames[0])
            assert one.wire.key_requests() == 0
            await one.wait(KEY_EVERY_MS)
            await one.see(frames[1])
            assert one.wire.key_requests() == int(has_tap)


async def test_sound_is_not_collected_where_it_may_not_be() -> None:
    async with Listener(with_sound=False) as one:
        for frame in pictures(3):
            await one.hear(sounds(10))
            await one.see(frame)
        assert one.sink.sounds
        (strip,) = one.strips()
        assert strip.sounds == () and played(Remuxer().write(strip)[1])[2] == 0


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_real_connection_leaves_a_clip_of_what_was_sent(codec: str) -> None:
    sink, clock = RecordingSink(), SystemClock()
    sink.tap = MediaRing(3_000_000, 60_000, -clock.monotonic_ms(), True)
    sender = Sender(MovingPictures(fps=10), Tone(), codec=codec)
    peer = LeanPeers(WebRtcSettings(), clock, FakeMetrics()).open(sink)
    await sender.accept(await peer.answer(await sender.offer()))
    await sink.until(lambda: len(sink.pictures) >= 20)
    (strip,) = sink.tap.cut(0, 60_000, 60_000, True)
    await peer.close()
    await sender.close()
    media_type, content = Remuxer().write(strip)
    times, images, heard_ms = played(content)
    assert media_type == {"VP8": "video/webm", "H264": "video/mp4"}[codec]
    assert len(images) >= 20 and which(images)[:20] == list(range(20))
    assert np.allclose(np.diff(times)[3:], 100, atol=40)  # a first that was late is made up for
    assert heard_ms >= 1_000
