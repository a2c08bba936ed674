"""Face recognisers of ArcFace's kind: a 112 px face at five points in, a vector compared by angle out.

Alignment and scaling are those of the public ArcFace code (insightface `face_align`, Deng et al.
2019): eyes, tip of the nose and corners of the mouth on a fixed template, RGB, (x - 127.5) / 127.5.
Which network it is, how long its vector is and whether its batch is fixed is the file's affair.
No mirror image is added: see the manifest's figures for what it would bring.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.alignment import aligned
from models.face.mesh import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    Points,
)
from models.face.network import PictureNetwork
from models.pictures import Floats
from proctor.domain.media import Image
from proctor.domain.perception import Embedding

CHIP_PX = 112
# the person's right eye, left eye, tip of the nose, right and left corner of the mouth, in pixels of
# the chip (insightface's arcface_dst)
TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT = 1, 61, 291
SHORTEST_VECTOR = 1e-6


def five_points(points: Points) -> npt.NDArray[np.float64]:
    """(5, 2) the template's points of a (468, 3) mesh; an eye's centre is between its corners."""
    right = points[[RIGHT_EYE_OUTER, RIGHT_EYE_INNER], :2].mean(axis=0)
    left = points[[LEFT_EYE_INNER, LEFT_EYE_OUTER], :2].mean(axis=0)
    return np.stack([right, left, *points[[NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT], :2]])


class ArcFaceEmbedder:
    """`FaceEmbedder` of any ONNX file with input (n, 3, 112, 112) and output (n, d)."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one network. Raises `ModelFileError`."""
        (name,) = files
        self.producers: tuple[str, ...] = (name,)
        self._model = ArcFaceModel(catalogue.read(name), name)

    def chip(self, image: Image, points: Points) -> Image:
        """(112, 112, 3) RGB."""
        return aligned(image, five_points(points), TEMPLATE, CHIP_PX)

    def embed(self, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
        """(d,) float32 of unit length."""
        return self._model.embed(chips)


class ArcFaceModel:
    """The network. One instance is shared by all threads."""

    def __init__(self, content: bytes, name: str = "arcface-file") -> None:
        """Load from verified bytes.

        Raises:
            ModelFileError: It is no ONNX model, or not one of this kind.
        """
        self._network = PictureNetwork(name, content, CHIP_PX)
        try:
            (vector,) = self.embed([np.zeros((CHIP_PX, CHIP_PX, 3), np.uint8)])
            if isinstance(vector, ModelOutputInvalid):
                raise vector
        except ModelOutputInvalid as error:
            raise ModelFileError(f"no recogniser of faces: {error.detail}") from error

    def embed(self, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
        """One (d,) float32 vector of unit length per chip.

        An answer that is not finite, or has no direction, is returned as the error, in its place.

        Raises:
            ModelOutputInvalid: The network was refused, or answered in another shape.
        """
        return [
            self._of_unit_length(answers)
            for answers in self._network.answers([_input(chip) for chip in chips])
        ]

    def _of_unit_length(self, answers: Sequence[Embedding]) -> Embedding | ModelOutputInvalid:
        if len(answers) != 1 or answers[0].ndim != 2:
            shapes = [answer.shape for answer in answers]
            raise ModelOutputInvalid(
                f"{self._network.name} answers a face with {shapes}, not (1, d)"
            )
        row = answers[0][0]
        if not np.isfinite(row).all():
            return ModelOutputInvalid(
                f"{self._network.name} answers in numbers that are not finite"
            )
        length = float(np.linalg.norm(row.astype(np.float64)))
        if length < SHORTEST_VECTOR:
            return ModelOutputInvalid(f"{self._network.name} answers with a vector of no length")
        return np.asarray(row / length, dtype=np.float32)


def _input(chip: Image) -> Floats:
    """(1, 3, 112, 112) float32 RGB, (x - 127.5) / 127.5."""
    scaled = (chip.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))[np.newaxis]
