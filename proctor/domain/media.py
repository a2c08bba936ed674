"""A picture and a piece of sound, as arrays. They are read-only: write into a copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(height, width, 3) RGB."""

Samples = npt.NDArray[np.float32]
"""(n,) in -1..1, mono, 16 kHz."""

AUDIO_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class PictureOrigin:
    """How a picture was sent.

    Attributes:
        codec: `VP8` or `H264`.
        ticks: The sender's own timestamp (RTP, 90 kHz, modulo 2**32).
    """

    codec: str
    ticks: int


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array marked read-only, as Ray hands it to a receiver (RAY: arrays arrive so)."""
    array.flags.writeable = False
    return array
