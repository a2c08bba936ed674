"""Mel bands of a stretch of sound, as the voice encoder was trained on them.

Forty bands of power (no logarithm): 25 ms Hann windows every 10 ms, centred on their time, the sound
padded with zeros at both ends; triangular filters on Slaney's mel scale (linear to 1 kHz, then
logarithmic, 27 bands per factor of 6.4), each of unit area. Formulas: Slaney, Auditory Toolbox
(1998), as librosa writes them (`librosa.filters.mel`, `librosa.feature.melspectrogram`).
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from proctor.domain.media import AUDIO_RATE_HZ, Samples

Floats = npt.NDArray[np.float32]

BANDS = 40
WINDOW = AUDIO_RATE_HZ * 25 // 1000
HOP = AUDIO_RATE_HZ * 10 // 1000

HZ_PER_MEL = 200.0 / 3
LINEAR_TO_HZ = 1000.0
LINEAR_TO_MEL = LINEAR_TO_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


def mel_bands(samples: Samples) -> Floats:
    """(1 + n // 160, 40) band powers of (n,) samples at 16 kHz; row k is centred on k * 10 ms."""
    padded = np.pad(samples.astype(np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands: Floats = power @ _filters().T
    return bands


@cache
def _window() -> Floats:
    """Periodic Hann window."""
    turn = 2 * np.pi * np.arange(WINDOW) / WINDOW
    return (0.5 - 0.5 * np.cos(turn)).astype(np.float32)


@cache
def _filters() -> Floats:
    """(40, 201): how much of each frequency of the spectrum each band takes."""
    spectrum_hz = np.fft.rfftfreq(WINDOW, 1 / AUDIO_RATE_HZ)
    edges_hz = _hz(np.linspace(0.0, _mel(AUDIO_RATE_HZ / 2), BANDS + 2))
    low, peak, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (spectrum_hz - low) / (peak - low)
    falling = (high - spectrum_hz) / (high - peak)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: Floats = (triangles * 2.0 / (high - low)).astype(np.float32)
    return filters


def _mel(hz: float) -> float:
    """Slaney's mel of a frequency above 1 kHz."""
    return float(LINEAR_TO_MEL + np.log(hz / LINEAR_TO_HZ) / LOG_STEP)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Frequencies of Slaney's mels."""
    above = LINEAR_TO_HZ * np.exp(LOG_STEP * (mel - LINEAR_TO_MEL))
    return np.where(mel < LINEAR_TO_MEL, mel * HZ_PER_MEL, above)
