"""Whether anything around the candidate has changed since the picture was last searched for others.

A search for small faces costs eight looks at a known one, and in a room in which nothing moves it finds
what it found before. So the candidate's face is followed while its surroundings stand still, and a change
in them is searched at once (sampling.py says when not).

Plain arithmetic over the small luma picture (picture.py): blocks of a tenth of the picture's width, those
left out that the candidate's head and shoulders may cover. Measured on composed
rooms (plain and pictured walls, a moving candidate, light that drifts by 2 %, sensor noise of 2.2, VP8 at
200 kbit/s): a room in which only the candidate moves changes by at most 3.8 in 480 pictures; somebody else
whose face is 24 px wide at 640x480 by 10 at the least, of 48 px by 35.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from proctor.domain.geometry import Box
from proctor.services.host.picture import Luma

BLOCKS_ACROSS, BLOCKS_DOWN = 10, 8
CHANGED_FROM = 6.0
"""Grey levels by which a block's pixels differ on average, the change of light of the whole picture
taken off."""
LEAST_BLOCKS = 16
"""With fewer blocks of the 80 left beside the candidate nothing can be said."""
LEAST_LIGHT = 50.0
"""Grey level under which differences are too small to be told from noise: nothing is said of a dim room."""
HEAD_WIDTHS, ABOVE_HEADS, SHOULDER_WIDTHS = 1.8, 0.5, 3.2
"""What a candidate covers, in widths and heights of the face: the head and, from the chin down, the
shoulders."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    luma: Luma
    around: Mask


class Surroundings:
    """Remembers the small picture that was searched last, with the candidate's place in it."""

    def __init__(self) -> None:
        self._searched: _Searched | None = None

    def searched(self, luma: Luma, candidate: Box) -> None:
        """A picture was searched and the candidate alone was found, there."""
        self._searched = _Searched(luma, around(candidate))

    def forget(self) -> None:
        """What was seen is no longer known: nobody was found, or somebody else was."""
        self._searched = None

    def stand_still(self, luma: Luma, candidate: Box) -> bool | None:
        """Whether nothing but the candidate, who is now there, changed since the search.

        None when that cannot be said: nothing was searched, the picture has another size, or the
        candidate fills it.
        """
        before = self._searched
        if before is None or before.luma.shape != luma.shape:
            return None
        outside = before.around & around(candidate)
        if int(outside.sum()) < LEAST_BLOCKS or float(luma.mean()) < LEAST_LIGHT:
            return None
        return float(changes(before.luma, luma, outside).max()) < CHANGED_FROM


def around(candidate: Box) -> Mask:
    """(8, 10) which blocks the candidate does not cover."""
    x, _ = candidate.centre
    outside = np.ones((BLOCKS_DOWN, BLOCKS_ACROSS), np.bool_)
    for top, widths in (
        (candidate.top - ABOVE_HEADS * candidate.height, HEAD_WIDTHS),
        (candidate.top + candidate.height, SHOULDER_WIDTHS),
    ):
        half = candidate.width * widths / 2
        first_row = max(0, math.floor(top * BLOCKS_DOWN))
        first, last = (x - half) * BLOCKS_ACROSS, (x + half) * BLOCKS_ACROSS
        outside[first_row:, max(0, math.floor(first)) : max(0, math.ceil(last))] = False
    return outside


def changes(before: Luma, now: Luma, outside: Mask) -> npt.NDArray[np.float32]:
    """(n,) mean absolute difference of each block of `outside` in grey levels, common light taken off.

    The common light is the median of the blocks' mean differences.
    """
    import cv2

    difference = cv2.subtract(now, before, dtype=cv2.CV_32F)
    sized = (BLOCKS_ACROSS, BLOCKS_DOWN)
    means = cv2.resize(difference, sized, interpolation=cv2.INTER_AREA)[outside]
    light = float(np.sort(means)[len(means) // 2])
    blocks = cv2.resize(np.abs(difference - np.float32(light)), sized, interpolation=cv2.INTER_AREA)
    return np.asarray(blocks[outside], np.float32)
