"""Sound waits here for the voice detector. Unlike pictures it is never dropped for something newer.

Sound is kept in stretches without a hole; the voice detector's memory is reset between two. Its time
is counted in samples, so that stretches join exactly; the arrival of packets only corrects the count.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ, Samples

CHUNK = 512
LIMIT_MS = 10_000
PAUSE_MS = 1_000
EARLY_MS = 100
LATE_MS = 200
SETTLE_MS = 2_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Session time in which there is no sound to judge."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """A piece to judge.

    Attributes:
        start_ms: Session time of its first sample.
        samples: (n * 512,) float32, mono, 16 kHz.
        fresh: Nothing before it belongs to it: the voice detector starts anew.
    """

    start_ms: int
    samples: Samples
    fresh: bool

    @property
    def duration_ms(self) -> int:
        """Its length."""
        return len(self.samples) * 1000 // AUDIO_RATE_HZ


class _Stretch:
    """Sound without a hole. `start_ms` moves on as pieces are taken from the front."""

    def __init__(self, start_ms: float) -> None:
        self.start_ms = start_ms
        self.pieces: deque[Samples] = deque()
        self.length = 0
        self.fresh = True

    def add(self, samples: Samples) -> None:
        self.pieces.append(samples)
        self.length += len(samples)

    def take(self, count: int) -> Samples:
        joined = np.concatenate(self.pieces) if len(self.pieces) > 1 else self.pieces[0]
        self.pieces = deque([joined[count:]]) if len(joined) > count else deque()
        self.length -= count
        self.start_ms += count * 1000 / AUDIO_RATE_HZ
        return joined[:count]

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.length * 1000 / AUDIO_RATE_HZ


class SoundBuffer:
    """At most 10 s of sound of one session, oldest first."""

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()
        self._end_ms: float | None = None
        self._least_late: tuple[float, int] | None = None

    def add(self, samples: Samples, arrived_ms: int, gap_ms: int) -> list[Gap]:
        """Take a packet.

        Args:
            samples: (n,) float32, mono, 16 kHz.
            arrived_ms: Session time at which it had arrived; its last sample is no later.
            gap_ms: Sound that was lost just before it.

        Returns:
            Stretches of session time that are now lost for good.
        """
        gaps = []
        start_ms = arrived_ms - len(samples) * 1000 / AUDIO_RATE_HZ
        if self._end_ms is None:
            self._begin(start_ms)
        elif gap_ms > 0 or start_ms - self._end_ms > PAUSE_MS:
            resumed_ms = self._end_ms + gap_ms
            if not -EARLY_MS < start_ms - resumed_ms <= PAUSE_MS:
                resumed_ms = max(start_ms, self._end_ms)
            gaps.append(Gap(round(self._end_ms), round(resumed_ms)))
            self._begin(resumed_ms)
        self._keep_time(start_ms, arrived_ms)
        self._stretches[-1].add(samples)
        self._end_ms = self._stretches[-1].end_ms
        return gaps + self._bound()

    def take(self, least_ms: int, most_ms: int) -> Sound | None:
        """The oldest whole chunks, between `least_ms` and `most_ms` long; None when there is less.

        The rest of a stretch that is over (under 32 ms before a gap) is given up with the gap.
        """
        while self._stretches:
            oldest = self._stretches[0]
            is_over = len(self._stretches) > 1
            chunks = min(oldest.length, most_ms * AUDIO_RATE_HZ // 1000) // CHUNK
            wanted = 1 if is_over else max(1, -(-least_ms * AUDIO_RATE_HZ // 1000 // CHUNK))
            if chunks >= wanted:
                start_ms, fresh = round(oldest.start_ms), oldest.fresh
                oldest.fresh = False
                return Sound(start_ms=start_ms, samples=oldest.take(chunks * CHUNK), fresh=fresh)
            if not is_over:
                return None
            self._stretches.popleft()
        return None

    def put_back(self, sound: Sound) -> list[Gap]:
        """Return a piece that could not be judged to the front; see `add` for what comes back."""
        duration_ms = len(sound.samples) * 1000 / AUDIO_RATE_HZ
        oldest = self._stretches[0] if self._stretches else None
        if oldest is None or abs(oldest.start_ms - sound.start_ms - duration_ms) > LATE_MS:
            oldest = _Stretch(sound.start_ms + duration_ms)
            self._stretches.appendleft(oldest)
        oldest.pieces.appendleft(sound.samples)
        oldest.length += len(sound.samples)
        oldest.start_ms -= duration_ms
        oldest.fresh = sound.fresh
        return self._bound()

    def clear(self) -> None:
        """Give up everything that waits; the next packet begins a new stretch."""
        self._stretches.clear()
        self._end_ms = None
        self._least_late = None

    @property
    def held_ms(self) -> int:
        """How much sound waits."""
        return sum(stretch.length for stretch in self._stretches) * 1000 // AUDIO_RATE_HZ

    def _begin(self, start_ms: float) -> None:
        self._stretches.append(_Stretch(start_ms))
        self._end_ms = start_ms
        self._least_late = None

    def _keep_time(self, start_ms: float, arrived_ms: int) -> None:
        """Correct the count of samples by the arrival of packets.

        Packets come late in bursts, so only the least lateness of 2 s says that the sender's clock
        is slow; a packet that comes before its time says at once that it is fast.
        """
        newest = self._stretches[-1]
        late_ms = start_ms - newest.end_ms
        if late_ms < -EARLY_MS:
            newest.start_ms += late_ms
            self._least_late = None
        elif self._least_late is None:
            self._least_late = (late_ms, arrived_ms)
        else:
            least_ms, since_ms = min(self._least_late[0], late_ms), self._least_late[1]
            self._least_late = (least_ms, since_ms)
            if arrived_ms - since_ms >= SETTLE_MS:
                if least_ms > LATE_MS:
                    newest.start_ms += least_ms
                self._least_late = None

    def _bound(self) -> list[Gap]:
        gaps = []
        while (excess_ms := self.held_ms - LIMIT_MS) > 0:
            oldest = self._stretches[0]
            chunks = -(-excess_ms * AUDIO_RATE_HZ // 1000 // CHUNK)
            count = min(max(chunks, 1) * CHUNK, oldest.length)
            start_ms = oldest.start_ms
            oldest.take(count)
            oldest.fresh = True
            gaps.append(Gap(round(start_ms), round(oldest.start_ms)))
            if oldest.length == 0 and len(self._stretches) > 1:
                self._stretches.popleft()
        return gaps
