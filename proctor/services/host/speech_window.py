"""Speech waits here for the speakers group: the newest of it, pauses left out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.services.host.sound import CHUNK, Sound

MOST_MS = 10_000
OLD_AFTER_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Speech without a pause: where it began in session time, and (n,) samples."""

    start_ms: int
    samples: Samples

    @property
    def end_ms(self) -> int:
        """Session time of its end."""
        return self.start_ms + len(self.samples) * 1000 // AUDIO_RATE_HZ


class SpeechWindow:
    """The newest 10 s of speech, pauses left out, none of it older than a minute."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque()
        self._is_open = False

    def add(self, sound: Sound, voiced: Sequence[bool]) -> None:
        """Keep what counts as speech; `voiced` has one entry per chunk of the sound."""
        if sound.fresh:
            self._is_open = False
        edges = np.flatnonzero(np.diff([0, *map(int, voiced), 0])).tolist()
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            piece = sound.samples[first * CHUNK : last * CHUNK]
            if first == 0 and self._is_open and self._stretches:
                before = self._stretches.pop()
                piece = np.concatenate([before.samples, piece])
                self._stretches.append(Stretch(before.start_ms, piece))
            else:
                start_ms = sound.start_ms + first * CHUNK * 1000 // AUDIO_RATE_HZ
                self._stretches.append(Stretch(start_ms, piece))
        self._is_open = bool(len(voiced)) and voiced[-1]
        self._bound(sound.start_ms + sound.duration_ms)

    @property
    def held_ms(self) -> int:
        """How much speech waits."""
        return sum(len(each.samples) for each in self._stretches) * 1000 // AUDIO_RATE_HZ

    def take(self) -> list[Stretch]:
        """All of it; the window is empty afterwards."""
        taken, self._is_open = list(self._stretches), False
        self._stretches.clear()
        return taken

    def put_back(self, stretches: Sequence[Stretch], now_ms: int) -> None:
        """What nobody listened to comes first again, as far as there is room."""
        self._stretches.extendleft(reversed(stretches))
        self._bound(now_ms)

    def expire(self, now_ms: int) -> None:
        """Give up what is older than a minute."""
        while self._stretches and self._stretches[0].end_ms < now_ms - OLD_AFTER_MS:
            self._stretches.popleft()

    def _bound(self, now_ms: int) -> None:
        self.expire(now_ms)
        excess = sum(len(each.samples) for each in self._stretches) - (
            MOST_MS * AUDIO_RATE_HZ // 1000
        )
        while excess > 0:
            oldest = self._stretches.popleft()
            cut = min(excess, len(oldest.samples))
            if cut < len(oldest.samples):
                start_ms = oldest.start_ms + cut * 1000 // AUDIO_RATE_HZ
                self._stretches.appendleft(Stretch(start_ms, oldest.samples[cut:]))
            excess -= cut
