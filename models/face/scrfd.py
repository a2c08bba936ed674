"""Face detection with SCRFD (insightface): two anchors per cell, five points.

Reads the files of insightface's model packs (`det_10g.onnx`, `det_500m.onnx`) and exports of the same
networks at one size. Decoded as in insightface.model_zoo.scrfd 2.1.
"""

from collections.abc import Sequence

import numpy as np

from models.face.search import STRIDES, GridModel, OneNetwork, blob, cells, finite
from models.pictures import Floats
from proctor.domain.media import Image

ANCHORS = 2
EYES = 4
# Longer sides in pixels: at 640 alone a face of 60 % of the width is never found (ACCURACY.md), at 128
# always. insightface 2.1 itself looks at 128 and 640.
LONGEST = (128, 320)
LONGEST_FOR_SMALL = (128, 640)


class Scrfd:
    """The network and its decoder. One instance serves all threads."""

    def __init__(self, content: bytes, name: str, least_score: float) -> None:
        """Load from verified bytes. Raises `ModelFileError`."""
        self._name = name
        self._least_score = least_score
        self._model = GridModel(name, content, 3 * len(STRIDES))
        self.batch_limit = self._model.batch_limit

    def rows(self, canvases: Sequence[Image]) -> list[Floats]:
        """See `Network`."""
        height, width = canvases[0].shape[:2]
        counts = [ANCHORS * (height // stride) * (width // stride) for stride in STRIDES]
        shapes = [(count, columns) for columns in (1, 4, 10) for count in counts]
        answers = self._model.run(blob(canvases, (127.5, 127.5, 127.5), 1 / 128, bgr=False), shapes)
        return [
            self._decoded([a[at] for a in answers], height, width) for at in range(len(canvases))
        ]

    def _decoded(self, answers: Sequence[Floats], height: int, width: int) -> Floats:
        found = []
        for at, stride in enumerate(STRIDES):
            scores, edges, points = answers[at :: len(STRIDES)]
            corners = cells(height, width, stride, ANCHORS)
            found.append(
                decoded(scores, edges, points, corners, stride, self._least_score, self._name)
            )
        return np.concatenate(found)


def decoded(
    scores: Floats,
    edges: Floats,
    points: Floats,
    corners: Floats,
    stride: int,
    least_score: float,
    name: str = "scrfd",
) -> Floats:
    """The rows of one feature map whose score is high enough.

    Args:
        scores: (n, 1) 0..1.
        edges: (n, 4) distances to the left, upper, right and lower edge, in strides.
        points: (n, 10) five points from the cell's corner, in strides; both eyes first.
        corners: (n, 2) of the cells, in pixels.
        stride: Pixels per cell.
        least_score: Rows with less are dropped, 0..1.
        name: For messages.

    Raises:
        ModelOutputInvalid: A score or a box that is kept is not finite.
    """
    finite(name, scores)
    keep = np.flatnonzero(scores[:, 0] >= least_score)
    corners, far = corners[keep], edges[keep] * np.float32(stride)
    eyes = points[keep, :EYES] * np.float32(stride) + np.tile(corners, 2)
    rows = np.column_stack(
        [corners - far[:, :2], far[:, :2] + far[:, 2:], scores[keep, 0], eyes]
    ).astype(np.float32)
    finite(name, rows)
    return rows


class ScrfdDetector(OneNetwork):
    """`FaceDetector` of SCRFD."""

    network = Scrfd
    longest = LONGEST
    longest_for_small = LONGEST_FOR_SMALL
