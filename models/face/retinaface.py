"""Face detection with RetinaFace on MobileNet 0.25 (biubug6, MIT): priors and five points.

Priors, variances and decoding as in Pytorch_Retinaface's PriorBox, `decode` and `decode_landm`.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from models.face.search import STRIDES, GridModel, OneNetwork, blob, cells, finite
from models.pictures import Floats
from proctor.domain.media import Image

# Pixels of the priors of each stride, as the weights of Face-Detector-1MB-with-landmark were trained.
# Pytorch_Retinaface itself has 16 to 512; with those this file's boxes come out 1.6 to 2 times too large.
PRIOR_SIZES = ((10, 20), (32, 64), (128, 256))
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
MEAN_BGR = (104, 117, 123)
EYES = 4
# Longer sides in pixels. At 320 or at 640 alone one face in sixty of 80 % of the width is not found. At 640
# the parts of so near a face are told as faces, too; the mesh confirms one in 12 of 40 pictures, and the
# sensors count a face within a face once (proctor/sensing/presence.py): none was left over.
LONGEST = (160, 320)
LONGEST_FOR_SMALL = (160, 640)


class RetinaFace:
    """The network and its decoder. One instance serves all threads."""

    def __init__(self, content: bytes, name: str, least_score: float) -> None:
        """Load from verified bytes. Raises `ModelFileError`."""
        self._name = name
        self._least_score = least_score
        self._model = GridModel(name, content, 3)
        self.batch_limit = self._model.batch_limit

    def rows(self, canvases: Sequence[Image]) -> list[Floats]:
        """See `Network`."""
        of_canvas = priors(*canvases[0].shape[:2])
        shapes = [(len(of_canvas), columns) for columns in (4, 2, 10)]
        answers = self._model.run(blob(canvases, MEAN_BGR, 1, bgr=True), shapes)
        return [
            decoded(boxes, classes, points, of_canvas, self._least_score, self._name)
            for boxes, classes, points in zip(*answers, strict=True)
        ]


@lru_cache(maxsize=16)
def priors(height: int, width: int) -> Floats:
    """(n, 3) x and y of the centre and the side of each prior, in pixels, read-only."""
    found = []
    for stride, sizes in zip(STRIDES, PRIOR_SIZES, strict=True):
        centres = cells(height, width, stride, len(sizes)) + np.float32(stride / 2)
        found.append(np.column_stack([centres, np.resize(sizes, len(centres))]))
    made = np.concatenate(found).astype(np.float32)
    made.flags.writeable = False
    return made


def decoded(
    boxes: Floats,
    classes: Floats,
    points: Floats,
    of_canvas: Floats,
    least_score: float,
    name: str = "retinaface",
) -> Floats:
    """The rows whose score is high enough.

    Args:
        boxes: (n, 4) centre and logarithm of the size against the prior's, divided by the variances.
        classes: (n, 2) probabilities of background and face.
        points: (n, 10) five points against the prior's centre, likewise; both eyes first.
        of_canvas: (n, 3), see `priors`.
        least_score: Rows with less are dropped, 0..1.
        name: For messages.

    Raises:
        ModelOutputInvalid: A score or a box that is kept is not finite.
    """
    finite(name, classes)
    keep = np.flatnonzero(classes[:, 1] >= least_score)
    boxes, centres, side = boxes[keep], of_canvas[keep, :2], of_canvas[keep, 2:]
    with np.errstate(over="ignore"):  # what does not fit is infinite, and found out below
        size = np.exp(boxes[:, 2:] * np.float32(SIZE_VARIANCE)) * side
    centre = centres + boxes[:, :2] * np.float32(CENTRE_VARIANCE) * side
    eyes = np.tile(centres, 2) + points[keep, :EYES] * np.float32(CENTRE_VARIANCE) * side
    rows = np.column_stack([centre - size / 2, size, classes[keep, 1], eyes]).astype(np.float32)
    finite(name, rows)
    return rows


class RetinaFaceDetector(OneNetwork):
    """`FaceDetector` of RetinaFace."""

    network = RetinaFace
    longest = LONGEST
    longest_for_small = LONGEST_FOR_SMALL
