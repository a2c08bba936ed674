"""Connections without a network: a test pushes pictures and sound into the sink itself."""

import asyncio

import numpy as np
import numpy.typing as npt

from proctor.domain.errors import InvalidInput
from proctor.domain.media import AUDIO_RATE_HZ, Image, Samples, frozen
from proctor.ports import MediaSink

BAD_OFFER = "not an offer"


class FakePeer:
    """One connection. `BAD_OFFER` is refused as a real peer would."""

    def __init__(self, sink: MediaSink, gathering: asyncio.Event) -> None:
        self.sink = sink
        self.fragments: list[str] = []
        self.closed = False
        self.breaks_at_close = False
        self._gathering = gathering

    async def answer(self, offer_sdp: str) -> str:
        await self._gathering.wait()
        if offer_sdp == BAD_OFFER:
            raise InvalidInput("the offer is no SDP", "webrtc/bad-sdp")
        return f"answer to {offer_sdp}"

    async def trickle(self, fragment: str) -> None:
        self.fragments.append(fragment)

    async def close(self) -> None:
        self.closed = True
        if self.breaks_at_close:
            raise ConnectionError("the socket was gone already")


class FakeMediaPeers:
    """`MediaPeers` that remembers what it opened. Answers wait while `gathering` is cleared."""

    def __init__(self) -> None:
        self.opened: list[FakePeer] = []
        self.gathering = asyncio.Event()
        self.gathering.set()

    def open(self, sink: MediaSink) -> FakePeer:
        peer = FakePeer(sink, self.gathering)
        self.opened.append(peer)
        return peer

    @property
    def open_now(self) -> list[FakePeer]:
        """Connections that have not been closed."""
        return [peer for peer in self.opened if not peer.closed]


class Lens:
    """A camera before a room: every picture of it has its own sensor noise.

    Args:
        brightness: Mean grey level, 0..255.
        contrast: Half of the difference between the light and the dark parts of the room.
        noise: Sensor noise in grey levels; 0 for a stopped camera that repeats one picture.
        width: Of the picture.
        height: Of the picture.
        variety: How many pictures it takes before they come again.
    """

    def __init__(
        self,
        brightness: float = 120,
        contrast: float = 80,
        noise: float = 2.0,
        width: int = 320,
        height: int = 240,
        variety: int = 7,
    ) -> None:
        self._random = np.random.default_rng(7)
        squares = np.indices((height, width)).sum(axis=0) // 24 % 2
        room = (brightness + contrast * (2.0 * squares - 1.0))[..., None].repeat(3, axis=2)
        self._pictures = [self._expose(room, noise) for _ in range(variety if noise else 1)]
        self._taken = 0

    def picture(self) -> Image:
        """The next picture, read-only as a decoder would give it."""
        self._taken += 1
        return self._pictures[self._taken % len(self._pictures)]

    def _expose(self, room: npt.NDArray[np.float64], noise: float) -> Image:
        seen = room + self._random.normal(0, noise, room.shape) if noise else room
        return np.asarray(frozen(np.clip(seen, 0, 255).astype(np.uint8)))


COVERED = Lens(brightness=3, contrast=0, noise=0.3)
ROOM = Lens()


class Microphone:
    """Sound of a given level; `amplitude=0` is a muted microphone (digital zero).

    Args:
        amplitude: Its largest sample.
        pitch_hz: Of a voice; None for noise, which a whisper is, too.
    """

    def __init__(self, amplitude: float = 0.002, pitch_hz: float | None = None) -> None:
        self._random = np.random.default_rng(11)
        self._amplitude = amplitude
        self._pitch_hz = pitch_hz
        self._taken = 0

    def sound(self, milliseconds: int) -> Samples:
        """The next stretch, read-only."""
        count = milliseconds * AUDIO_RATE_HZ // 1000
        sound = self._random.uniform(-1, 1, count)
        if self._pitch_hz is not None:
            phase = (self._taken + np.arange(count)) * self._pitch_hz / AUDIO_RATE_HZ
            sound = 0.9 * (2 * (phase % 1) - 1) + 0.1 * sound
        self._taken += count
        return np.asarray(frozen((sound * self._amplitude).astype(np.float32)))


QUIET = Microphone()
SPEAKING = Microphone(0.3, pitch_hz=120)
WHISPERING = Microphone(0.1)
MUTED = Microphone(0)
