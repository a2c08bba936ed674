"""Plain measures of a picture, and the one set of bytes that is judged.

Every measure is taken on a luma picture 80 px wide: cheap enough for every picture of every session,
coarse enough that sensor noise does not drown what matters.

Where the limits come from: libvpx VP8 at 320x240, 5 fps, 60-200 kbit/s, decoded again, 200 pictures
each. A photograph without noise (a stopped camera) changes by 1e-5 at the median, with four pictures
of up to 5e-3 every 127 when the codec refreshes. The same photograph with sensor noise of half a
grey level and more changes by at least 1e-4 in 95 % of the pictures, and never had more than three in
a row under 8e-5. A person who sits still changes it by 2e-3 and more. A flat grey or black picture
loses its noise in the encoder altogether, so nothing can be said of it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from proctor.domain.media import Image, frozen

Luma = npt.NDArray[np.uint8]

LUMA_WIDTH_PX = 80
JUDGED_WIDTH_PX = 640
JPEG_QUALITY = 90

STILL_CHANGE = 8e-5
STILL_PICTURES = 5
STILL_AFTER_MS = 1_000
MOVED_CHANGE = 8e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What can be said of a picture without a model.

    Attributes:
        brightness: Mean luma, 0..1.
        contrast: Standard deviation of luma, 0..1.
        detail: Variance of the Laplacian of the luma (0..1 scale, squared).
        change: Mean absolute luma difference to the picture measured before, 0..1; None for the first.
    """

    brightness: float
    contrast: float
    detail: float
    change: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPicture:
    """The exact bytes that the models receive, and their sha256.

    Attributes:
        jpeg: The picture, at most 640 px wide.
        digest: sha256 of `jpeg`, in hex.
        captured_ms: Session time at which the picture was captured.
    """

    jpeg: bytes
    digest: str
    captured_ms: int


def small_luma(image: Image) -> Luma:
    """The picture's luma at 80 px width, (h, 80) uint8; `image` is (h, w, 3) RGB."""
    import cv2

    height, width = image.shape[:2]
    size = (LUMA_WIDTH_PX, max(1, round(height * LUMA_WIDTH_PX / width)))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(frozen(cv2.resize(grey, size, interpolation=cv2.INTER_AREA)), np.uint8)


def measure(luma: Luma, before: Luma | None) -> Measures:
    """Measure a small luma picture against the one before; another size counts as no picture before."""
    import cv2

    mean, deviation = cv2.meanStdDev(luma)
    edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
    change = None
    if before is not None and before.shape == luma.shape:
        change = float(cv2.norm(luma, before, cv2.NORM_L1)) / luma.size / 255
    return Measures(
        brightness=float(mean[0, 0]) / 255,
        contrast=float(deviation[0, 0]) / 255,
        detail=(float(edges[0, 0]) / 255) ** 2,
        change=change,
    )


def judged(image: Image, captured_ms: int) -> JudgedPicture:
    """Encode a picture for the models: JPEG, quality 90, no wider than 640 px.

    A wider picture is brought down first, so that encoding stays under a millisecond and a batch of
    16 under the message limit.
    """
    import cv2

    height, width = image.shape[:2]
    if width > JUDGED_WIDTH_PX:
        size = (JUDGED_WIDTH_PX, max(1, round(height * JUDGED_WIDTH_PX / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise ValueError(f"a picture of {width}x{height} could not be encoded as JPEG")
    jpeg = encoded.tobytes()
    return JudgedPicture(
        jpeg=jpeg, digest=hashlib.sha256(jpeg).hexdigest(), captured_ms=captured_ms
    )


class StillWatch:
    """Tells a stopped camera from a quiet room: the one repeats itself, the other has sensor noise.

    A picture repeats the one before when it changed by no more than `STILL_CHANGE`. The sender is
    called still after `STILL_PICTURES` repeats in a row that span `STILL_AFTER_MS`, from the first of
    them on. It is live again at once when something moved, else after as many pictures that differ
    (the codec's own refresh makes four).
    """

    def __init__(self) -> None:
        self._repeats = 0
        self._differing = 0
        self._since_ms: int | None = None

    def observe(self, change: float | None, at_ms: int) -> int:
        """Take the change of the next picture; return for how long the sender is still, 0 if live.

        None: nothing can be said (the first picture, or one without anything in it).
        """
        if change is None:
            self._forget()
        elif change <= STILL_CHANGE:
            self._repeats += 1
            self._differing = 0
            if self._since_ms is None:
                self._since_ms = at_ms
        else:
            self._differing += 1
            is_still = self.still_ms(at_ms) > 0
            if not is_still or change > MOVED_CHANGE or self._differing >= STILL_PICTURES:
                self._forget()
        return self.still_ms(at_ms)

    def still_ms(self, at_ms: int) -> int:
        """For how long the sender has been repeating one picture; 0 while it is live."""
        if self._since_ms is None or self._repeats < STILL_PICTURES:
            return 0
        lasted_ms = at_ms - self._since_ms
        return lasted_ms if lasted_ms >= STILL_AFTER_MS else 0

    def _forget(self) -> None:
        self._repeats = 0
        self._differing = 0
        self._since_ms = None
