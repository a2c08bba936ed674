"""What the microphone hears: a quiet room, or somebody speaking in it. 48 kHz mono int16."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av import AudioFrame

Wave = npt.NDArray[np.int16]

RATE_HZ = 48_000
_ROOM_LOOP_S = 7
_ROOM_SIGMA = 40.0
"""Noise floor of a room: about -58 dBFS. Digital silence would mean a dead microphone."""


class Sound(Protocol):
    """A source of sound."""

    def samples(self, start: int, count: int) -> Wave:
        """`count` samples from sample `start` of the scene on."""
        ...


class QuietRoom:
    """Nobody speaks; the room's own noise, the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        noise = np.random.default_rng(seed).normal(0.0, _ROOM_SIGMA, _ROOM_LOOP_S * RATE_HZ)
        self._loop: Wave = noise.astype(np.int16)

    def samples(self, start: int, count: int) -> Wave:
        """See `Sound`."""
        return self._loop[np.arange(start, start + count) % len(self._loop)]


class Hiss:
    """The noise of a room that never comes again; the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def _second(self, number: int) -> Wave:
        noise = np.random.default_rng((self._seed, number)).normal(0.0, _ROOM_SIGMA, RATE_HZ)
        return noise.astype(np.int16)

    def samples(self, start: int, count: int) -> Wave:
        """See `Sound`."""
        first, last = start // RATE_HZ, (start + count - 1) // RATE_HZ
        whole = np.concatenate([self._second(number) for number in range(first, last + 1)])
        from_here: Wave = whole[start - first * RATE_HZ :][:count]
        return from_here


class Spoken:
    """A recording played in a quiet room: once, or in a loop."""

    def __init__(self, recording: Wave, seed: int = 0, loop: bool = False) -> None:
        if len(recording) == 0:
            raise ValueError("an empty recording says nothing")
        self._recording = recording
        self._room = QuietRoom(seed)
        self._loop = loop

    @property
    def length_s(self) -> float:
        """Length of the recording."""
        return len(self._recording) / RATE_HZ

    def samples(self, start: int, count: int) -> Wave:
        """See `Sound`."""
        at = np.arange(start, start + count)
        said = self._recording[at % len(self._recording)].astype(np.int32)
        if not self._loop:
            said[at >= len(self._recording)] = 0
        mixed = said + self._room.samples(start, count)
        said_in_room: Wave = np.clip(mixed, -32_768, 32_767).astype(np.int16)
        return said_in_room


def _flat(frame: "AudioFrame") -> Wave:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def load_wave(path: Path) -> Wave:
    """Any sound file (wav, flac ...) as 48 kHz mono int16."""
    import av

    pieces: list[Wave] = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [_flat(made) for made in resampler.resample(frame)]
    pieces += [_flat(made) for made in resampler.resample(None)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def from_first_word(wave: Wave) -> Wave:
    """A recording without the quiet before somebody speaks.

    Begins with the first tenth of a second that is louder than 15 % of the recording's loud parts
    (95th percentile of the root mean square).
    """
    window = RATE_HZ // 10
    count = len(wave) // window
    if count == 0:
        return wave
    pieces = wave[: count * window].reshape(count, window).astype(np.float64)
    loudness = np.sqrt((pieces**2).mean(axis=1))
    first = int(np.argmax(loudness > 0.15 * np.percentile(loudness, 95)))
    return wave[first * window :]
