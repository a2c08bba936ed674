"""What a candidate's page is asked to send."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaWish:
    """A picture's size and rate: what is analysed, and no more.

    Attributes:
        width: Pixels.
        height: Pixels.
        fps: Pictures a second.
        max_kbps: Most kbit/s of video.
    """

    width: int = 320
    height: int = 240
    fps: int = 5
    max_kbps: int = 250
