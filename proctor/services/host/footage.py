"""Whether the pictures follow one another as a camera's do: plain arithmetic, no model, no verdict.

Four watches, each over small measures of pictures that are decoded anyway:
- the same stretch of pictures comes again (`RepeatWatch`);
- pictures are sent twice with new timestamps (`DoubleWatch`);
- what does not move shows no sensor noise (`NoiseWatch`);
- the sender's own clock beats without any jitter (`BeatWatch`).
A picture that stands still altogether is `StillWatch`'s (picture.py).

Where the limits come from: 26 s of two webcam clips, a moved photograph, an empty room and a drawn
puppet at 5 fps, 100 to 250 kbit/s, libvpx VP8 and x264, decoded again; the figures stand with each
constant. All of it together costs about 0.2 ms a picture and keeps 20 kB a session.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from proctor.domain.media import PictureOrigin
from proctor.domain.observations import FootageSeen
from proctor.services.host.picture import Luma

Cells = npt.NDArray[np.float32]
Track = npt.NDArray[np.float64]

CELLS = (4, 3)
HISTORY = 600
"""Pictures that are remembered: two minutes at 5 fps."""
STEP_MS = 250
FINE_STEP_MS = 25
WINDOW_MS = 12_000
LEAST_PERIOD_MS = 3_000
SEARCH_EVERY_MS = 1_000
LARGEST_GAP_MS = 1_000
ALIKE_BELOW = 0.4
SAME_BELOW = 0.06
"""Difference between two stretches, by the motion within one. Played again through a codec, from other
pictures of the loop and with 20 ms of jitter, 0.00 to 0.04; two stretches of a live person never under
0.98; a photograph moved by five sines, which nearly come again, 0.11 at the least."""
QUIET_SAME_BELOW = 1.0
"""The same from picture to picture without the quarter that moved most: again 0.03 to 0.7; a lamp that
blinks on somebody who sits still 1.6 and more (noise against noise is 2)."""
LEAST_MOTION = 1.0
"""Variance of a cell's mean within a stretch, grey levels squared. A person who sits still makes 2 to 10,
an empty room with sensor noise under 0.01: of a room in which nothing moves nothing can be said."""
LEAST_CELLS = 2.0
"""Over how many cells that is spread, at least: a fan in a corner is no repeated stretch."""

DOUBLE_BELOW = 0.2
"""Change of a picture by that of its calmer neighbour. Of live clips none of 128 pictures has less (60 to
250 kbit/s); with every picture sent twice 13 to 48 % of them do, with every fourth 6 to 20 %."""
DOUBLE_MOVED = 1e-3
RECENT_PICTURES = 50
BLOCK_PX = 10
NOISELESS_FROM = 0.6
"""Share of pictures in which a block is exactly as before. A drawing without noise 0.88 and more; live
clips at most 0.32 (x264 at 100 kbit/s), sensor noise of 0.7 grey levels at most 0.15."""
LEAST_TEXTURE = 2.0
DARKEST, BRIGHTEST = 20.0, 235.0
LEAST_BLOCKS = 8

CLOCK_HZ = 90_000
BEAT_TICKS = 9
"""Intervals of the sender's clock that differ by no more than 0.1 ms are one beat."""
LEAST_BEAT = CLOCK_HZ // 120
"""120 pictures a second. Of a shorter beat every interval is soon a multiple: one of 18 ticks or less fits
all, of this one 2.5 % of those of a clock that jitters."""
TELL_EVERY_MS = 5_000


class RepeatWatch:
    """Finds a stretch of the last two minutes that is being shown again.

    A picture is 4 x 3 means of luma. Once a second the newest 12 s are held against every earlier
    stretch that began at least 3 s before, first on a common beat of 250 ms, then, when that looks
    alike, finely: a loop need not begin at a picture, nor last a whole number of them.

    Attributes:
        repeated_ms: For how long pictures have been coming that had come before; 0 for none.
        period_ms: How long before; 0 for none.
    """

    def __init__(self) -> None:
        self.repeated_ms = 0
        self.period_ms = 0
        self._times = np.zeros(HISTORY, np.int64)
        self._cells = np.zeros((HISTORY, CELLS[0] * CELLS[1]), np.float16)
        self._count = 0
        self._last_ms = 0
        self._searched_ms = 0
        self._since_ms: int | None = None

    def observe(self, luma: Luma, at_ms: int) -> None:
        """Take the next picture's small luma. `at_ms` is ours: the sender's clock is the sender's word."""
        import cv2

        if self._count and not 0 < at_ms - self._last_ms <= LARGEST_GAP_MS:
            self._count = 0
            self._over()
        small = cv2.resize(luma.astype(np.float32), CELLS, interpolation=cv2.INTER_AREA)
        at = self._count % HISTORY
        self._times[at], self._cells[at] = at_ms, np.asarray(small).ravel()
        if not self._count:
            self._searched_ms = at_ms
        self._count, self._last_ms = self._count + 1, at_ms
        if at_ms - self._searched_ms >= SEARCH_EVERY_MS:
            self._searched_ms = at_ms
            self._search(at_ms)

    def _over(self) -> None:
        self._since_ms, self.repeated_ms, self.period_ms = None, 0, 0

    def _search(self, at_ms: int) -> None:
        order = np.arange(max(0, self._count - HISTORY), self._count) % HISTORY
        period_ms = _period(self._times[order], self._cells[order].astype(np.float64))
        if period_ms is None:
            self._over()
            return
        if self._since_ms is None:
            self._since_ms = at_ms - WINDOW_MS
        self.repeated_ms, self.period_ms = at_ms - self._since_ms, period_ms


def _period(times: npt.NDArray[np.int64], cells: Track) -> int | None:
    """How long before the newest 12 s the same ones came, in ms; None when they did not.

    Args:
        times: (n,) when the pictures were taken, rising, in ms.
        cells: (n, 12) means of luma.
    """
    if times[-1] - times[0] < WINDOW_MS + LEAST_PERIOD_MS + 2 * STEP_MS:
        return None
    newest = int(np.searchsorted(times, times[-1] - WINDOW_MS))
    own = cells[newest:] - cells[newest:].mean(axis=0)
    places = np.square(own).mean(axis=0)
    if places.mean() < LEAST_MOTION or places.sum() ** 2 < LEAST_CELLS * np.square(places).sum():
        return None
    coarse_ms = _coarse_period(times, cells)
    if coarse_ms is None:
        return None
    return _fine_period(times, cells, newest, coarse_ms)


def _coarse_period(times: npt.NDArray[np.int64], cells: Track) -> int | None:
    """On a beat of 250 ms: |a - b|^2 = |a|^2 + |b|^2 - 2ab for every earlier stretch b at once."""
    beat = np.arange(times[-1], times[0], -STEP_MS)[::-1]
    track = np.stack([np.interp(beat, times, cell) for cell in cells.T], axis=1)
    window, least = WINDOW_MS // STEP_MS, LEAST_PERIOD_MS // STEP_MS
    track -= track[-window:].mean(axis=0)
    newest = track[-window:]
    own = float(np.square(newest).sum())
    together = np.zeros(len(track) - window + 1)
    for cell in range(track.shape[1]):
        together += np.correlate(track[:, cell], newest[:, cell], "valid")
    total = np.concatenate([[0.0], np.cumsum(np.square(track).sum(axis=1))])
    apart = (own + total[window:] - total[:-window] - 2 * together)[: len(together) - least]
    best = int(apart.argmin())
    return (len(together) - 1 - best) * STEP_MS if apart[best] <= ALIKE_BELOW * own else None


def _fine_period(
    times: npt.NDArray[np.int64], cells: Track, newest: int, coarse_ms: int
) -> int | None:
    """Around a coarse period, with earlier pictures interpolated to the newest ones' moments.

    The quieter three quarters of the window must agree as well, by what changes from one picture to
    the next: a lamp switched twice in the same rhythm is no repeated stretch.
    """
    periods = np.arange(coarse_ms - STEP_MS, coarse_ms + STEP_MS + 1, FINE_STEP_MS)
    wanted = (times[newest:] - periods[:, None]).ravel()
    earlier = np.stack([np.interp(wanted, times, cell) for cell in cells.T], axis=1)
    stretches = earlier.reshape(len(periods), len(times) - newest, cells.shape[1])
    own = cells[newest:]
    apart = np.square(stretches - own).sum(axis=(1, 2))
    best = int(apart.argmin())
    if apart[best] > SAME_BELOW * np.square(own - own.mean(axis=0)).sum():
        return None
    now, then = np.diff(own, axis=0), np.diff(stretches[best], axis=0)
    energy_now, energy_then = (np.square(steps).sum(axis=1) for steps in (now, then))
    quiet = np.argsort(np.maximum(energy_now, energy_then))[: len(now) * 3 // 4]
    moved = (energy_now[quiet].sum() + energy_then[quiet].sum()) / 2
    if np.square(now - then)[quiet].sum() > QUIET_SAME_BELOW * moved:
        return None
    return int(periods[best])


class DoubleWatch:
    """Finds pictures that are sent twice: one that hardly differs between two that do.

    Attributes:
        share: Of the last fifty pictures or so; 0 for none.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._changes: tuple[float, float] | None = None

    def observe(self, change: float | None) -> bool:
        """Take the change of the next picture; True when the picture BEFORE it was one sent twice."""
        if change is None:
            self._changes = None
            return False
        before = self._changes or (0.0, 0.0)
        self._changes = (before[1], change)
        is_double = (
            before[0] >= DOUBLE_MOVED
            and change >= DOUBLE_MOVED
            and before[1] < DOUBLE_BELOW * min(before[0], change)
        )
        self.share += (is_double - self.share) / RECENT_PICTURES
        return is_double


class NoiseWatch:
    """Finds pictures whose unmoved parts are exactly the same each time: no sensor made them.

    Attributes:
        noiseless: Share of the blocks with something in them that stand without noise; None while too
            few pictures or blocks were seen, or nothing moved at all.
    """

    def __init__(self) -> None:
        self.noiseless: float | None = None
        self._same: Cells | None = None
        self._seen = 0

    def observe(self, luma: Luma, before: Luma | None, change: float | None) -> None:
        """Take the next picture's small luma, the one before, and how much it changed.

        Pictures that hardly changed are passed over: one sent twice says nothing of its source, and
        one that stands still is frozen.
        """
        import cv2

        if before is None or before.shape != luma.shape or change is None:
            self._same, self._seen, self.noiseless = None, 0, None
            return
        if change < DOUBLE_MOVED:
            return
        rows, columns = luma.shape[0] // BLOCK_PX, luma.shape[1] // BLOCK_PX
        if rows == 0:
            return
        size, part = (columns, rows), np.s_[: rows * BLOCK_PX, : columns * BLOCK_PX]
        moved = cv2.absdiff(luma, before)[part].astype(np.float32)
        is_same = (cv2.resize(moved, size, interpolation=cv2.INTER_AREA) < 1e-6).astype(np.float32)
        if self._same is None or self._same.shape != is_same.shape:
            self._same, self._seen = is_same, 0
        self._seen += 1
        self._same += (is_same - self._same) / min(self._seen, RECENT_PICTURES)
        if self._seen >= RECENT_PICTURES:
            self.noiseless = self._share(luma[part].astype(np.float32), size)

    def _share(self, luma: Cells, size: tuple[int, int]) -> float | None:
        import cv2

        mean = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        square = cv2.resize(luma * luma, size, interpolation=cv2.INTER_AREA)
        deviation = np.sqrt(np.maximum(square - mean * mean, 0))
        counts = (deviation > LEAST_TEXTURE) & (mean > DARKEST) & (mean < BRIGHTEST)
        if counts.sum() < LEAST_BLOCKS or self._same is None:
            return None
        return float((self._same[counts] >= NOISELESS_FROM).mean())


class BeatWatch:
    """Finds a sender whose clock never jitters: a camera's clock and the computer's drift apart.

    Attributes:
        steady_ms: For how long all intervals were the same, or a multiple of it (pictures get lost).
            Intervals under `LEAST_BEAT` are none.
        interval_ms: That interval; 0 before there is one.
    """

    def __init__(self) -> None:
        self.steady_ms = 0
        self.interval_ms = 0.0
        self._last: int | None = None
        self._beat = 0
        self._steady_ticks = 0

    def observe(self, ticks: int | None) -> None:
        """Take the sender's timestamp of the next picture (RTP, 90 kHz, wraps); None when unknown."""
        last, self._last = self._last, ticks
        if last is None or ticks is None:
            self._beat = self._steady_ticks = 0
        else:
            passed = (ticks - last) & 0xFFFFFFFF
            times = round(passed / self._beat) if self._beat else 0
            if times and abs(passed - times * self._beat) <= BEAT_TICKS:
                self._steady_ticks += passed
            else:
                self._beat, self._steady_ticks = passed if passed >= LEAST_BEAT else 0, 0
        self.steady_ms = self._steady_ticks * 1000 // CLOCK_HZ
        self.interval_ms = self._beat * 1000 / CLOCK_HZ


@dataclass(frozen=True, slots=True)
class _Source:
    """What the pictures are made of."""

    width: int
    height: int
    codec: str


class Footage:
    """All watches over the pictures of one connection. Times are session time."""

    def __init__(self) -> None:
        self._repeats = RepeatWatch()
        self._doubles = DoubleWatch()
        self._noise = NoiseWatch()
        self._beat = BeatWatch()
        self._source: _Source | None = None
        self._told: _Source | None = None
        self._told_ms: int | None = None

    def sent(self, width: int, height: int, origin: PictureOrigin | None) -> None:
        """Note of every picture how it was sent."""
        self._source = _Source(width, height, origin.codec if origin else "")
        self._beat.observe(origin.ticks if origin else None)

    def observe(self, luma: Luma, before: Luma | None, change: float | None, at_ms: int) -> None:
        """Take a measured picture: its small luma, the one before, and how much it changed."""
        self._doubles.observe(change)
        self._noise.observe(luma, before, change)
        self._repeats.observe(luma, at_ms)

    def told(self, at_ms: int) -> FootageSeen | None:
        """What to tell, if it is time: every five seconds, and at once when the source changed."""
        source = self._source
        if source is None:
            return None
        is_news = source != self._told
        if not is_news and self._told_ms is not None and at_ms - self._told_ms < TELL_EVERY_MS:
            return None
        self._told, self._told_ms = source, at_ms
        return FootageSeen(
            observed_ms=at_ms,
            repeated_ms=self._repeats.repeated_ms,
            period_ms=self._repeats.period_ms,
            double_share=self._doubles.share,
            noiseless_share=self._noise.noiseless,
            steady_ms=self._beat.steady_ms,
            interval_ms=self._beat.interval_ms,
            width_px=source.width,
            height_px=source.height,
            codec=source.codec,
        )
