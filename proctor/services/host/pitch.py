"""Whether a piece of speech has a pitch: whispered speech has none. Plain signal processing, no model.

Boersma (1993): the autocorrelation of a windowed piece, divided by that of the window, has a peak near 1
at the period of a voiced sound. Only what lies under 1 kHz is asked, where the harmonics are strong.

Measured (2026-11-22): in 380 stretches of 4 s with at least 1.5 s of speech (LibriSpeech clean, at 15
and 6 dB above noise and through a telephone's band, AMI far-field, one more recording) at least 31 % of
the speech has a pitch by this measure; in 86 whispered ones at most 9 %. Those whispers are synthetic:
real utterances whose LPC filter is excited by noise. Real whispers, breathing and voices through a
cheap headset were not measured.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from proctor.domain.media import AUDIO_RATE_HZ, Samples

CHUNK = 512
WINDOW = 1024
SIZE = 2048
PITCHED_FROM = 0.7
LOWEST_HZ, HIGHEST_HZ = 70, 400
BAND_HZ = (60.0, 1000.0)
SILENT = 1e-9

_LAGS = slice(AUDIO_RATE_HZ // HIGHEST_HZ, AUDIO_RATE_HZ // LOWEST_HZ + 2)
_HANN = np.hanning(WINDOW + 1)[:WINDOW]
_OF_WINDOW = np.fft.irfft(np.abs(np.fft.rfft(_HANN, SIZE)) ** 2)[: _LAGS.stop]
_OF_WINDOW = _OF_WINDOW / _OF_WINDOW[0]
_HZ = np.arange(SIZE // 2 + 1) * AUDIO_RATE_HZ / SIZE
_BAND = np.logical_and(np.greater(_HZ, BAND_HZ[0]), np.less(_HZ, BAND_HZ[1]))


def periodicity(pieces: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How periodic each piece is between 70 and 400 Hz.

    Args:
        pieces: (n, 1024) at 16 kHz.

    Returns:
        (n,): the highest peak of the normalised autocorrelation, 0 (noise, silence) to about 1.
    """
    level = pieces - pieces.mean(axis=1, keepdims=True)  # a cheap input's offset is no sound
    power = np.abs(np.fft.rfft(level * _HANN, SIZE, axis=1)) ** 2 * _BAND
    raw = np.fft.irfft(power, axis=1)[:, : _LAGS.stop]
    curve = (raw / np.maximum(raw[:, :1], SILENT) / _OF_WINDOW)[:, _LAGS]
    middle = curve[:, 1:-1]
    is_peak = (middle > curve[:, :-2]) & (middle >= curve[:, 2:])
    peaks: npt.NDArray[np.float64] = np.where(is_peak, middle, 0.0).max(axis=1)
    return peaks


def count_pitched(samples: Samples, wanted: Sequence[bool]) -> int:
    """How many of the wanted chunks have a pitch.

    Args:
        samples: (n * 512,) at 16 kHz, n at least 2.
        wanted: One per chunk. A chunk is judged with the half of the chunk on either side.
    """
    at = np.flatnonzero(wanted)
    if not len(at) or len(samples) < WINDOW:
        return 0
    starts = np.clip(at * CHUNK - CHUNK // 2, 0, len(samples) - WINDOW)
    pieces = np.stack([samples[start : start + WINDOW] for start in starts])
    return int((periodicity(pieces) >= PITCHED_FROM).sum())
