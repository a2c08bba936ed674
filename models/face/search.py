"""What the convolutional detectors share: a picture at a network's size, its cells, one list of faces.

Large faces are found in a small picture and small ones in a large picture, so a detector may look at
several sizes and suppress over all of them. Rows are (m, 9) float32: left, top, width, height, score,
the person's right eye x and y, left eye x and y.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import ClassVar, Protocol

import cv2
import numpy as np

from models.catalogue import Catalogue
from models.convert.free_size import with_free_size
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.detected import DetectedFace, detected_faces
from models.face.interfaces import Look
from models.limits import DetectionLimits
from models.pictures import Floats
from models.runtimes.onnx import OnnxModel
from models.ssd import overlaps
from proctor.domain.media import Image

STRIDES = (8, 16, 32)
"""Pixels per cell of the three feature maps that all of these networks have."""
TRIAL_PX = 128
PLACES = [0, 1, 2, 3, 5, 6, 7, 8]
"""Columns of a row that are pixels."""


class Network(Protocol):
    """A detector's network with its decoder.

    Attributes:
        batch_limit: Most pictures of one run.
    """

    batch_limit: int

    def rows(self, canvases: Sequence[Image]) -> list[Floats]:
        """Boxes above the least score in each of (h, w, 3) RGB, all of one size whose sides 32 divides.

        Raises:
            ModelOutputInvalid: An answer is not finite or has another shape.
        """
        ...


class LoadedNetwork(Network, Protocol):
    """A network that is made from a file."""

    def __init__(self, content: bytes, name: str, least_score: float) -> None:
        """Load from verified bytes; `name` is for messages. Raises `ModelFileError`."""
        ...


def look(producer: str, network: Network, longest: Sequence[int], overlap: float) -> Look:
    """A detector's only way of searching a picture, or many in one run; see `search_all`."""
    return Look(
        producer,
        partial(search, network, longest, overlap),
        search_all=partial(search_all, network, longest, overlap),
    )


def search(
    network: Network, longest: Sequence[int], overlap: float, image: Image
) -> list[DetectedFace]:
    """Faces in one picture; see `search_all`."""
    return search_all(network, longest, overlap, [image])[0]


def search_all(
    network: Network, longest: Sequence[int], overlap: float, images: Sequence[Image]
) -> list[list[DetectedFace]]:
    """Faces in each picture at all sizes, best score first. Pictures of one size are one run.

    Args:
        network: What finds them.
        longest: Longer side of the picture, in pixels, at each size; no picture is enlarged.
        overlap: Of two boxes that overlap by more (IoU), the worse one is dropped.
        images: (h, w, 3) RGB.

    Raises:
        ModelOutputInvalid: One of the answers is not finite or has another shape.
    """
    found: list[list[Floats]] = [[] for _ in images]
    of_size: dict[tuple[int, ...], list[tuple[int, float, Image]]] = {}
    for at, image in enumerate(images):
        own = max(image.shape[:2])
        for side in dict.fromkeys(min(side, own) for side in longest):
            canvas = fitted(image, side / own)
            of_size.setdefault(canvas.shape, []).append((at, side / own, canvas))
    for same in of_size.values():
        for start in range(0, len(same), network.batch_limit):
            some = same[start : start + network.batch_limit]
            told = network.rows([canvas for _, _, canvas in some])
            for (at, scale, _), rows in zip(some, told, strict=True):
                rows[:, PLACES] /= np.float32(scale)
                found[at].append(rows)
    return [detected_faces(suppressed(np.concatenate(each), overlap)) for each in found]


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


def blob(
    canvases: Sequence[Image], mean: tuple[float, float, float], scale: float, *, bgr: bool
) -> Floats:
    """(n, 3, h, w) of `(canvas - mean) * scale`; `mean` in the order in which the channels come out."""
    made = cv2.dnn.blobFromImages(list(canvases), scale, mean=mean, swapRB=bgr)
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


class OneNetwork:
    """`FaceDetector` of one network that searches a picture at several sizes.

    Attributes:
        network: The class of the network: made from its verified bytes, its manifest id and the least
            score that the manifest states.
        longest: Longer sides at which a picture is searched.
        longest_for_small: The same when a small second face must not be missed.
    """

    network: ClassVar[type[LoadedNetwork]]
    longest: ClassVar[Sequence[int]]
    longest_for_small: ClassVar[Sequence[int]]

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one network. A black picture is tried at once. Raises `ModelFileError`."""
        (self._file,) = files
        limits = DetectionLimits.of(catalogue, self._file)
        self._network = self.network(catalogue.read(self._file), self._file, limits.score)
        self._overlap = limits.overlap
        try:
            self._network.rows([np.zeros((TRIAL_PX, TRIAL_PX, 3), np.uint8)])
        except ModelOutputInvalid as error:
            raise ModelFileError(f"{self._file} is not this detector: {error.detail}") from error

    def looks(self, *, search_small: bool) -> list[Look]:
        """See `FaceDetector`."""
        longest = self.longest_for_small if search_small else self.longest
        return [look(self._file, self._network, longest, self._overlap)]


class GridModel:
    """An ONNX network that answers with rows of numbers per cell, its answers checked.

    Attributes:
        batch_limit: Most pictures of one run.
    """

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
        self.batch_limit = self._model.batch_limit

    def run(self, images: Floats, shapes: Sequence[tuple[int, int]]) -> list[Floats]:
        """Run once on (n, 3, h, w) float32; the outputs in the file's order, (n, rows, columns) each.

        Args:
            images: The pictures.
            shapes: (rows, columns) of each output.

        Raises:
            ModelOutputInvalid: An output has another shape.
        """
        batch = len(images)
        answers = list(self._model.run({self._input: images}, finite=False, borrow=True).values())
        for answer, shape in zip(answers, shapes, strict=True):
            alone = batch == 1 and answer.shape == shape  # insightface's packs have no batch
            if answer.shape != (batch, *shape) and not alone:
                raise ModelOutputInvalid(
                    f"{self._name} answered in shape {answer.shape}, not {(batch, *shape)}"
                )
        return [
            answer.reshape(batch, *shape) for answer, shape in zip(answers, shapes, strict=True)
        ]


def finite(name: str, *answers: Floats) -> None:
    """Raise `ModelOutputInvalid` when one of the numbers is NaN or infinite."""
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ModelOutputInvalid(f"{name} answered with numbers that are not finite")
