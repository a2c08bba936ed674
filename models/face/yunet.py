"""Face detection with YuNet: 80 thousand parameters, no anchors, five points (libfacedetection.train).

Decoded as in OpenCV's FaceDetectorYN, whose own run of the same network costs three times as much
as ONNX Runtime's (ACCURACY.md).
"""

from collections.abc import Sequence

import numpy as np

from models.face.search import STRIDES, GridModel, OneNetwork, blob, cells, finite
from models.pictures import Floats
from proctor.domain.media import Image

EYES = 4
# Longer sides in pixels. Measured on composed pictures (manifest): at 320 a second face of 16 px of 320
# is found always, one of 12 px in 8 of 10; at 640 a face of 80 % of the width was missed in 3 of 100
# (ACCURACY.md), which the look at 160 costs half a millisecond to mend.
LONGEST = (320,)
LONGEST_FOR_SMALL = (160, 640)


class YuNet:
    """The network and its decoder. One instance serves all threads."""

    def __init__(self, content: bytes, name: str, least_score: float) -> None:
        """Load from verified bytes. Raises `ModelFileError`."""
        self._name = name
        self._least_score = least_score
        self._model = GridModel(name, content, 4 * len(STRIDES))
        self.batch_limit = self._model.batch_limit

    def rows(self, canvases: Sequence[Image]) -> list[Floats]:
        """See `Network`."""
        height, width = canvases[0].shape[:2]
        counts = [(height // stride) * (width // stride) for stride in STRIDES]
        shapes = [(count, columns) for columns in (1, 1, 4, 10) for count in counts]
        answers = self._model.run(blob(canvases, (0, 0, 0), 1, bgr=True), shapes)
        return [
            self._decoded([a[at] for a in answers], height, width) for at in range(len(canvases))
        ]

    def _decoded(self, answers: Sequence[Floats], height: int, width: int) -> Floats:
        found = []
        for at, stride in enumerate(STRIDES):
            faces, objects, boxes, points = answers[at :: len(STRIDES)]
            corners = cells(height, width, stride)
            found.append(
                decoded(
                    faces, objects, boxes, points, corners, stride, self._least_score, self._name
                )
            )
        return np.concatenate(found)


def decoded(
    faces: Floats,
    objects: Floats,
    boxes: Floats,
    points: Floats,
    corners: Floats,
    stride: int,
    least_score: float,
    name: str = "yunet",
) -> Floats:
    """The rows of one feature map whose score, the geometric mean of both, is high enough.

    Args:
        faces: (n, 1) how much it looks like a face.
        objects: (n, 1) how well the box fits.
        boxes: (n, 4) centre from the cell's corner and logarithm of the size, in strides.
        points: (n, 10) five points from the cell's corner, in strides; both eyes first.
        corners: (n, 2) of the cells, in pixels.
        stride: Pixels per cell.
        least_score: Rows with less are dropped, 0..1.
        name: For messages.

    Raises:
        ModelOutputInvalid: A score or a box that is kept is not finite.
    """
    finite(name, faces, objects)
    scores = np.sqrt(np.clip(faces[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    keep = np.flatnonzero(scores >= least_score)
    corners, boxes = corners[keep], boxes[keep]
    with np.errstate(over="ignore"):  # what does not fit is infinite, and found out below
        size = np.exp(boxes[:, 2:]) * np.float32(stride)
    centre = boxes[:, :2] * np.float32(stride) + corners
    eyes = points[keep, :EYES] * np.float32(stride) + np.tile(corners, 2)
    rows = np.column_stack([centre - size / 2, size, scores[keep], eyes]).astype(np.float32)
    finite(name, rows)
    return rows


class YuNetDetector(OneNetwork):
    """`FaceDetector` of YuNet."""

    network = YuNet
    longest = LONGEST
    longest_for_small = LONGEST_FOR_SMALL
