"""What the camera shows without a model: measures of the pictures, and when to tell the shard.

The shard decides what is covered, dark or frozen; here it is only seen to that it hears of a change
at once: a picture is told at the policy's base rate, twice a second while the picture is out of the
ordinary and for two seconds after, and promptly when that begins or ends.
"""

from proctor.domain.media import Image, PictureOrigin
from proctor.domain.observations import Observation, PictureSeen
from proctor.sensing.limits import PictureLimits
from proctor.services.host.footage import Footage
from proctor.services.host.picture import (
    STILL_CHANGE,
    Luma,
    Measures,
    StillWatch,
    measure,
    small_luma,
)

MEASURE_EVERY_MS = 120
ODD_EVERY_MS = 500
ODD_FOR_MS = 2_000

Oddity = tuple[bool, bool, bool]


class Camera:
    """Measures the pictures of one connection. Times are session time."""

    def __init__(self, limits: PictureLimits, every_ms: int) -> None:
        self._limits = limits
        self._every_ms = every_ms
        self._still = StillWatch()
        self._footage = Footage()
        self.luma: Luma | None = None
        self._measured_ms: int | None = None
        self._told_ms: int | None = None
        self._odd: Oddity = (False, False, False)
        self._odd_until_ms = 0
        self._frozen = False
        self.repeats = False

    def look(
        self, image: Image, at_ms: int, origin: PictureOrigin | None = None
    ) -> list[Observation]:
        """Measure a picture; return what to tell of it and of the footage, if it is time.

        Pictures closer together than 120 ms are passed over: at a high rate each carries too little
        news to tell a stopped camera by. Afterwards `repeats` says whether this picture is one more
        of a still sender, and `luma` is the newest small picture.
        """
        self._footage.sent(image.shape[1], image.shape[0], origin)
        if self._measured_ms is not None and at_ms - self._measured_ms < MEASURE_EVERY_MS:
            return []
        luma = small_luma(image)
        measures = measure(luma, self.luma)
        self._footage.observe(luma, self.luma, measures.change, at_ms)
        self.luma, self._measured_ms = luma, at_ms
        dark, flat = self._is_dark(measures), self._is_flat(measures)
        still_ms = self._still.observe(None if dark or flat else measures.change, at_ms)
        self.repeats = (
            still_ms > 0 and measures.change is not None and measures.change <= STILL_CHANGE
        )
        footage = self._footage.told(at_ms)
        told: list[Observation] = [] if footage is None else [footage]
        if not self._is_time((dark, flat, still_ms >= self._limits.frozen_after_ms), at_ms):
            return told
        self._told_ms = at_ms
        seen = PictureSeen(
            observed_ms=at_ms,
            brightness=measures.brightness,
            contrast=measures.contrast,
            detail=measures.detail,
            change=measures.change,
            still_ms=still_ms,
        )
        return [seen, *told]

    def thawed(self) -> bool:
        """True once after a sender that had been frozen is live again."""
        was_frozen, self._frozen = self._frozen, self._odd[2]
        return was_frozen and not self._frozen

    def _is_time(self, odd: Oddity, at_ms: int) -> bool:
        is_news = odd != self._odd
        self._odd = odd
        if is_news or any(odd):
            self._odd_until_ms = at_ms + ODD_FOR_MS
        every_ms = (
            min(self._every_ms, ODD_EVERY_MS) if at_ms < self._odd_until_ms else self._every_ms
        )
        return is_news or self._told_ms is None or at_ms - self._told_ms >= every_ms

    def _is_dark(self, measures: Measures) -> bool:
        return measures.brightness < self._limits.dark_below

    def _is_flat(self, measures: Measures) -> bool:
        return (
            measures.contrast < self._limits.flat_contrast_below
            and measures.detail < self._limits.flat_detail_below
        )
