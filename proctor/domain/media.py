"""A picture and a piece of sound of one session. Arrays are read-only: write into a copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from proctor.domain.ids import SessionId

Image = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]

AUDIO_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoFrame:
    """A decoded picture.

    Attributes:
        session_id: Whose picture.
        epoch: Which connection of the session it came over (1, 2, ...).
        seq: Count within the epoch, without holes on our side.
        captured_ms: Session time.
        image: (height, width, 3) RGB uint8, read-only.
    """

    session_id: SessionId
    epoch: int
    seq: int
    captured_ms: int
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioChunk:
    """Decoded sound.

    Attributes:
        session_id: Whose sound.
        epoch: Which connection of the session it came over.
        seq: Count within the epoch.
        captured_ms: Session time of the first sample.
        samples: (n,) float32 in -1..1, mono, 16 kHz, read-only.
    """

    session_id: SessionId
    epoch: int
    seq: int
    captured_ms: int
    samples: Samples

    @property
    def duration_ms(self) -> int:
        """Length of the sound in ms."""
        return len(self.samples) * 1000 // AUDIO_RATE_HZ


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array marked read-only, as Ray hands it to a receiver (RAY: arrays arrive so)."""
    array.flags.writeable = False
    return array
