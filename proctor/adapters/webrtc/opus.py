"""Opus to mono 16 kHz by libopus itself, which decodes to any of its rates: no resampler, no mixer.

PyAV decodes Opus at 48 kHz only; bringing that down cost as much again as decoding (docs/performance.md).
The library is the one inside PyAV's wheel, already loaded by it, else the system's.
"""

import ctypes
import ctypes.util
import weakref
from functools import cache
from pathlib import Path

import av
import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ, Samples, frozen

MOST_SAMPLES = AUDIO_RATE_HZ * 120 // 1000
"""A packet holds at most 120 ms (RFC 6716 3.2.5)."""

_FULL_SCALE = np.float32(1 / 32768)


class OpusError(Exception):
    """The packet cannot be decoded."""


@cache
def library() -> ctypes.CDLL:
    """Libopus with the signatures that are used here (opus.h, stable since 1.0).

    Raises:
        RuntimeError: There is none.
    """
    beside_pyav = sorted(Path(av.__file__).parents[1].glob("av.libs/libopus-*.so*"))
    found = str(beside_pyav[0]) if beside_pyav else ctypes.util.find_library("opus")
    if found is None:
        raise RuntimeError("no libopus: install PyAV's wheel (make setup) or Debian's libopus0")
    opus = ctypes.CDLL(found)
    opus.opus_decoder_create.restype = ctypes.c_void_p
    opus.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.c_void_p]
    opus.opus_decoder_destroy.restype = None
    opus.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
    opus.opus_decode.restype = ctypes.c_int
    opus.opus_decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    return opus


class SoundDecoder:
    """Decodes one Opus stream to mono 16 kHz (stereo is mixed by libopus)."""

    def __init__(self) -> None:
        opus = library()
        self._decode = opus.opus_decode
        self._decoder = opus.opus_decoder_create(AUDIO_RATE_HZ, 1, None)
        if not self._decoder:
            raise MemoryError("libopus gave no decoder")
        weakref.finalize(self, opus.opus_decoder_destroy, self._decoder)

    def decode(self, payload: bytes) -> Samples:
        """(n,) float32 in -1..1, read-only. Raises `OpusError` for damaged or empty data."""
        if not payload:  # to libopus it would mean: make up what was lost
            raise OpusError("an empty packet")
        pcm = np.empty(MOST_SAMPLES, np.int16)
        count = self._decode(self._decoder, payload, len(payload), pcm.ctypes.data, MOST_SAMPLES, 0)
        if count < 0:
            raise OpusError(f"libopus answered {count}")
        return frozen(pcm[:count] * _FULL_SCALE)
