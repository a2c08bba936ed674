"""A candidate for tests: aiortc's own sender, moving pictures of numpy, a tone, on loopback."""

import asyncio
import fractions
from collections.abc import Awaitable, Callable

import aioice.ice
import numpy as np
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from av import AudioFrame, VideoFrame

VIDEO_CLOCK_HZ = 90_000
AUDIO_CLOCK_HZ = 48_000


class MovingPictures(VideoStreamTrack):
    """Picture k has a white bar at column 8 * k (mod width)."""

    def __init__(self, fps: float = 5.0, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self.fps = fps
        self.sent = 0
        self._size = (height, width)
        self._due = 0.0
        self.before_send: Callable[[int], Awaitable[None]] | None = None

    async def recv(self) -> VideoFrame:
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + 1 / self.fps, now)
        await asyncio.sleep(self._due - now)
        if self.before_send is not None:
            await self.before_send(self.sent)
        height, width = self._size
        frame = video_frame(self.sent, width, height, self.fps)
        self.sent += 1
        return frame


class Tone(AudioStreamTrack):
    """A sine of 440 Hz in 20 ms frames, 48 kHz mono."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self._due = 0.0

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + 0.02, now)
        await asyncio.sleep(self._due - now)
        frame = audio_frame(self.sent)
        self.sent += 1
        return frame


def video_frame(index: int, width: int = 320, height: int = 240, fps: float = 5.0) -> VideoFrame:
    """`picture(index)` with its time stamp."""
    frame = VideoFrame.from_ndarray(picture(index, height, width), format="rgb24")
    frame.pts = round(index * VIDEO_CLOCK_HZ / fps)
    frame.time_base = fractions.Fraction(1, VIDEO_CLOCK_HZ)
    return frame


def audio_frame(index: int) -> AudioFrame:
    """20 ms of a 440 Hz tone, 48 kHz mono."""
    at = np.arange(960) + index * 960
    wave = (8000 * np.sin(2 * np.pi * 440 * at / AUDIO_CLOCK_HZ)).astype(np.int16)
    frame = AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
    frame.sample_rate = AUDIO_CLOCK_HZ
    frame.pts = index * 960
    frame.time_base = fractions.Fraction(1, AUDIO_CLOCK_HZ)
    return frame


def picture(index: int, height: int = 240, width: int = 320) -> np.ndarray:
    """Grey with a white bar that moves 8 px a picture."""
    image = np.full((height, width, 3), 64, np.uint8)
    left = 8 * index % (width - 16)
    image[:, left : left + 16] = 230
    return image


class Sender:
    """Offers, and sends once answered."""

    def __init__(
        self, video: MovingPictures | None = None, audio: Tone | None = None, codec: str = "VP8"
    ) -> None:
        bind_loopback()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = video
        self.audio = audio
        if audio is not None:
            self.connection.addTrack(audio)
        if video is not None:
            self.connection.addTrack(video)
            capabilities = RTCRtpSender.getCapabilities("video").codecs
            chosen = [c for c in capabilities if c.name in (codec, "rtx")]
            for transceiver in self.connection.getTransceivers():
                if transceiver.kind == "video":
                    transceiver.setCodecPreferences(chosen)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        await self.connection.close()


def bind_loopback() -> None:
    """aioice binds every interface but this one."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
