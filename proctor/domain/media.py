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


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A picture as it was received, before decoding: whole, and after all that it depends on.

    Attributes:
        codec: `VP8` or `H264` (Annex B).
        data: The codec's bytes.
        is_key: Whether decoding can begin here.
        ticks: The sender's own timestamp (RTP, 90 kHz, modulo 2**32).
        width: In pixels, as it was decoded.
        height: In pixels.
    """

    codec: str
    data: bytes
    is_key: bool
    ticks: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CodedSound:
    """A packet of Opus as it was received, in order.

    Attributes:
        data: Opus.
        ticks: The sender's own timestamp (RTP, 48 kHz, modulo 2**32).
        duration_ticks: Its length.
    """

    data: bytes
    ticks: int
    duration_ticks: int


@dataclass(frozen=True, slots=True)
class Strip:
    """Received media, placed in time: pictures of one codec and size, the first of them a key.

    Attributes:
        pictures: (session ms, picture), each later than the one before.
        sounds: (session ms, packet), each later than the one before.
    """

    pictures: tuple[tuple[int, CodedPicture], ...]
    sounds: tuple[tuple[int, CodedSound], ...] = ()


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array marked read-only, as Ray hands it to a receiver (RAY: arrays arrive so)."""
    array.flags.writeable = False
    return array
