"""What the convolutional detectors share: a picture at a network's size, its cells, one list of faces.

Large faces are found in a small picture and small ones in a large picture, so a detector may look at
several sizes and suppress over all of them. Rows are (m, 9) float32: left, top, width, height, score,
the person's right eye x and y, left eye x and y.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

from models.convert.free_size import with_free_size
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.detected import DetectedFace
from models.pictures import Floats
from models.runtimes.onnx import OnnxModel
from models.ssd import overlaps
from proctor.domain.media import Image

STRIDES = (8, 16, 32)
"""Pixels per cell of the three feature maps that all of these networks have."""


class Network(Protocol):
    """A detector's network with its decoder."""

    def rows(self, canvas: Image) -> Floats:
        """Boxes above the least score in (h, w, 3) RGB whose sides 32 divides; not suppressed.

        Raises:
            ModelOutputInvalid: The answer is not finite or has another shape.
        """
        ...


def search(
    network: Network, longest: Sequence[int], overlap: float, image: Image
) -> list[DetectedFace]:
    """Faces in the picture at all sizes, best score first.

    Args:
        network: What finds them.
        longest: Longer side of the picture, in pixels, at each size; no picture is enlarged.
        overlap: Of two boxes that overlap by more (IoU), the worse one is dropped.
        image: (h, w, 3) RGB.
    """
    found = []
    own = max(image.shape[:2])
    for side in dict.fromkeys(min(side, own) for side in longest):
        scale = side / own
        rows = network.rows(fitted(image, scale))
        rows[:, [0, 1, 2, 3, 5, 6, 7, 8]] /= np.float32(scale)
        found.append(rows)
    return [
        DetectedFace(
            left=float(row[0]),
            top=float(row[1]),
            width=float(row[2]),
            height=float(row[3]),
            score=float(row[4]),
            right_eye=(float(row[5]), float(row[6])),
            left_eye=(float(row[7]), float(row[8])),
        )
        for row in suppressed(np.concatenate(found), overlap)
    ]


def fitted(image: Image, scale: float) -> Image:
    """The picture at this scale, black to the right and below up to a multiple of 32 pixels."""
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    if scale != 1:
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=way), dtype=np.uint8)
    right, below = -size[0] % STRIDES[-1], -size[1] % STRIDES[-1]
    if right or below:
        bordered = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT)
        image = np.asarray(bordered, dtype=np.uint8)
    return image


def blob(canvas: Image, mean: tuple[float, float, float], scale: float, *, bgr: bool) -> Floats:
    """(1, 3, h, w) of `(canvas - mean) * scale`; `mean` in the order in which the channels come out."""
    made = cv2.dnn.blobFromImage(canvas, scale, mean=mean, swapRB=bgr)
    return np.asarray(made, dtype=np.float32)


def suppressed(rows: Floats, overlap: float) -> Floats:
    """The rows, best score first, without those that overlap a better one by more than `overlap`."""
    left = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[1:][overlaps(left[0], left[1:]) <= overlap]
    return np.stack(kept) if kept else rows[:0]


@lru_cache(maxsize=64)
def cells(height: int, width: int, stride: int, anchors: int = 1) -> Floats:
    """(n, 2) x and y of the upper left corner of each cell in pixels, `anchors` times each, read-only."""
    y, x = np.mgrid[0:height:stride, 0:width:stride]
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    corners = np.repeat(corners, anchors, axis=0)
    corners.flags.writeable = False
    return corners


class GridModel:
    """An ONNX network that answers with rows of numbers per cell, its answers checked."""

    def __init__(self, name: str, content: bytes, outputs: int) -> None:
        """Load from verified bytes; a network of fixed size is made to take any.

        Args:
            name: Manifest id, for messages.
            content: The file.
            outputs: How many outputs it must have.

        Raises:
            ModelFileError: It is no ONNX file, or one with other inputs or outputs.
        """
        self._name = name
        self._model = OnnxModel(name, with_free_size(name, content))
        self._input = next(iter(self._model.inputs))
        if len(self._model.inputs) != 1 or len(self._model.outputs) != outputs:
            raise ModelFileError(
                f"{name} has {len(self._model.inputs)} inputs and {len(self._model.outputs)} "
                f"outputs where this detector has 1 and {outputs}: add the file of this detector"
            )

    def run(self, image: Floats, shapes: Sequence[tuple[int, int]]) -> list[Floats]:
        """Run once on (1, 3, h, w) float32; the outputs in the file's order, without the batch.

        Args:
            image: The picture.
            shapes: (rows, columns) of each output.

        Raises:
            ModelOutputInvalid: An output has another shape.
        """
        answers = list(self._model.run({self._input: image}, finite=False, borrow=True).values())
        for answer, shape in zip(answers, shapes, strict=True):
            if answer.shape not in (shape, (1, *shape)):
                raise ModelOutputInvalid(
                    f"{self._name} answered in shape {answer.shape}, not {(1, *shape)}"
                )
        return [answer.reshape(shape) for answer, shape in zip(answers, shapes, strict=True)]


def finite(name: str, *answers: Floats) -> None:
    """Raise `ModelOutputInvalid` when one of the numbers is NaN or infinite."""
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ModelOutputInvalid(f"{name} answered with numbers that are not finite")
