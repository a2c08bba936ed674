"""Face detection with MediaPipe BlazeFace: short range first, full range when that finds nothing.

Both shrink the whole picture to 128 or 192 px, so a small face behind a near one is lost
(ACCURACY.md, Detection); `search_tiles` looks again in overlapping parts of the picture.
A box is not yet a person: the face mesh's presence score is the check.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from models.catalogue import Catalogue
from models.face.detected import DetectedFace, detected_faces
from models.face.interfaces import Look
from models.limits import DetectionLimits
from models.pictures import Floats, Region, as_input, crop, letterbox
from models.runtimes.litert import LitertModel
from models.ssd import anchor_centres, detections, weighted_suppression
from proctor.domain.media import Image

SHORT_LAYERS = ((8, 2), (16, 6))
FULL_LAYERS = ((4, 1),)
KEY_POINTS = 6
CENTRAL = 0.25
# Measured on 60 composed pictures each, recall of a second face of 24 / 32 / 48 px at 640x480: these six
# tiles 96 / 100 / 100 %, four tiles of 0.8 73 / 90 / 100 %, short range on twelve of 0.5 68 / 100 / 100 %.
TILE_SHARE = 0.6
TILE_OVERLAP = 0.2
# A picture larger than a session's (a group photo, an enrolment) gets more tiles, not larger ones. Solvay
# 1927 (3000x2171, 29 faces): tiles of 480 / 400 / 360 / 320 / 288 px find 28 / 29 / 29 / 27 / 25, six large
# ones 8; 0.5 s CPU at 400 px.
MOST_TILE_PX = 400


class BlazeFace:
    """One BlazeFace network with its anchors.

    Attributes:
        limits: Which boxes are told.
    """

    def __init__(
        self, model: LitertModel, layers: Sequence[tuple[int, int]], limits: DetectionLimits
    ) -> None:
        """`layers` are the (stride, anchors per cell) of this network: SHORT_LAYERS or FULL_LAYERS."""
        self.limits = limits
        self._model = model
        self._side = model.input_shape[1]
        self._anchors = anchor_centres(self._side, layers)

    def search(self, image: Image, region: Region) -> Floats:
        """Boxes in one upright square region, in pixels of the picture; (m, 17), see `detections`."""
        found = self._found(image, region)
        corner = np.array([region.x - region.width / 2, region.y - region.height / 2])
        placed = found.copy()
        placed[:, :4] *= region.width
        placed[:, 5:] *= region.width
        placed[:, :2] += corner
        placed[:, 5:] += np.tile(corner, KEY_POINTS)
        return placed

    def key_points(self, image: Image, region: Region) -> Floats | None:
        """Of the face in the middle of a square region, which may be turned.

        Returns:
            (6, 2) x and y in pixels of the picture: the person's right eye, left eye, nose, mouth, right
            and left ear; None when there is no face whose middle is in the region's middle half.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        found = self._found(image, region)
        middles = found[:, :2] + found[:, 2:4] / 2
        central = found[(np.abs(middles - 0.5) < CENTRAL).all(axis=1)]
        if not len(central):
            return None
        matrix = region.to_picture((1, 1))
        points = central[0, 5:].reshape(KEY_POINTS, 2)
        placed: Floats = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def _found(self, image: Image, region: Region) -> Floats:
        """(m, 17) in fractions of the region, see `detections`."""
        side = self._side
        raw, logits = self._model.run(as_input(crop(image, region, (side, side)), -1.0, 1.0))
        return detections(
            raw[0], logits[0, :, 0], self._anchors, side, self.limits.score, self.limits.overlap
        )


class BlazeFaceDetector:
    """Short range; full range when that confirms nobody; tiles when small faces are asked for."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the short-range and the full-range network. Raises `ModelFileError`."""
        self._short, self._full = files
        near, far = (DetectionLimits.of(catalogue, file) for file in files)
        self._near = short_range(catalogue.read(self._short), near, self._short)
        self._far = full_range(catalogue.read(self._full), far, self._full)

    def looks(self, *, search_small: bool) -> list[Look]:
        """See `FaceDetector`."""
        looks = [
            Look(self._short, partial(search_whole, self._near)),
            Look(self._full, partial(search_whole, self._far), only_when_nobody=True),
        ]
        if search_small:
            looks.append(Look(self._full, partial(search_tiles, self._far), only_confirmed=True))
        return looks


def short_range(
    content: bytes, limits: DetectionLimits, name: str = "face-detection-short"
) -> BlazeFace:
    """The short-range network: 128 px, faces from about 10 % of the picture's width."""
    return BlazeFace(LitertModel(name, content, [(1, 896, 16), (1, 896, 1)]), SHORT_LAYERS, limits)


def full_range(
    content: bytes, limits: DetectionLimits, name: str = "face-detection-full"
) -> BlazeFace:
    """The full-range network: 192 px, smaller faces, worse on very near ones."""
    return BlazeFace(LitertModel(name, content, [(1, 2304, 16), (1, 2304, 1)]), FULL_LAYERS, limits)


def search_whole(network: BlazeFace, image: Image) -> list[DetectedFace]:
    """Faces in the picture as a whole, best score first."""
    return detected_faces(network.search(image, letterbox(image)))


def search_tiles(network: BlazeFace, image: Image) -> list[DetectedFace]:
    """Faces in overlapping square tiles; a face found in two tiles is told once."""
    found = [network.search(image, tile) for tile in tiles(image.shape[1], image.shape[0])]
    return detected_faces(weighted_suppression(np.concatenate(found), network.limits.overlap))


def tiles(width: int, height: int) -> list[Region]:
    """Overlapping squares that cover the picture, of `TILE_SHARE` of its shorter side at most."""
    side = min(min(width, height) * TILE_SHARE, MOST_TILE_PX)
    return [Region(x, y, side, side) for y in _centres(height, side) for x in _centres(width, side)]


def _centres(length: float, side: float) -> list[float]:
    step = side * (1 - TILE_OVERLAP)
    count = 1 + int(np.ceil(max(length - side, 0) / step))
    return [float(at) for at in np.linspace(side / 2, length - side / 2, count)]
