"""Whether the microphone can be said to hear anything: long stillness is coverage, never evidence."""

import math

import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.sensing.sound_limits import MicrophoneLimits

LEVEL_SAMPLES = AUDIO_RATE_HZ // 10


class StillWatch:
    """Whether nothing has stood out of the sound for so long that nobody can say it hears anything.

    A muted input or a dead microphone gives stationary noise: its loudest and quietest tenth of a
    second stay within 2 dB. A room with somebody in it does not, within seconds.
    """

    def __init__(self, limits: MicrophoneLimits) -> None:
        self._limits = limits
        self._pieces: list[Samples] = []
        self._held = 0
        self._since_ms: int | None = None
        self._quietest_db = math.inf
        self._loudest_db = -math.inf

    def hear(self, samples: Samples, at_ms: int) -> None:
        """Take sound whose last sample came at `at_ms`."""
        self._pieces.append(samples)
        self._held += len(samples)
        if self._held < LEVEL_SAMPLES:
            return
        sound = np.concatenate(self._pieces)
        level_db = 10 * math.log10(float(np.dot(sound, sound)) / len(sound) + 1e-12)
        self._pieces, self._held = [], 0
        self._quietest_db = min(self._quietest_db, level_db)
        self._loudest_db = max(self._loudest_db, level_db)
        stands_out = self._loudest_db - self._quietest_db > self._limits.stands_out_db
        if self._since_ms is None or stands_out or level_db > self._limits.below_dbfs:
            self._since_ms = at_ms
            self._quietest_db = self._loudest_db = level_db

    def still_since_ms(self, now_ms: int) -> int | None:
        """When it began, once it has lasted; else None."""
        if self._since_ms is None or now_ms - self._since_ms < self._limits.still_after_ms:
            return None
        return self._since_ms
