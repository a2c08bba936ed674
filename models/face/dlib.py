"""Face embedding with dlib's ResNet (CC0) in ONNX: 128 numbers, compared by L2 distance.

The face is brought to dlib's five-point pose by a least-squares similarity on mesh points; the mean
of the picture's and its mirror image's embedding lowers the error by a fifth (ACCURACY.md).
The vectors are not of unit length.
"""

from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.face.alignment import aligned
from models.face.mesh import Points
from models.runtimes.onnx import OnnxModel
from proctor.domain.media import Image
from proctor.domain.perception import Embedding

CHIP_PX = 150
DIMENSIONS = 128
# dlib's five points (outer and inner corner of the left eye, of the right eye, under the nose) as
# shares of a chip without margin, from dlib's get_face_chip_details, and the mesh points for them
TEMPLATE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
MESH_POINTS = [263, 362, 33, 133, 2]
MARGIN = 0.25


def face_chip(image: Image, points: Points) -> Image:
    """The face as dlib's network expects it: (150, 150, 3) RGB uint8.

    Args:
        image: The picture.
        points: (468, 3) mesh in its pixels.
    """
    target = (TEMPLATE + MARGIN) / (1 + 2 * MARGIN) * CHIP_PX
    return aligned(image, points[MESH_POINTS, :2], target, CHIP_PX)


class DlibEmbedder:
    """`FaceEmbedder` of dlib's ResNet."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one network. Raises `ModelFileError`."""
        (name,) = files
        self.producers: tuple[str, ...] = (name,)
        self._model = EmbeddingModel(catalogue.read(name), name)

    def chip(self, image: Image, points: Points) -> Image:
        """(150, 150, 3) RGB."""
        return face_chip(image, points)

    def embed(self, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
        """(128,) float32, not of unit length."""
        return self._model.embed(chips)


class EmbeddingModel:
    """The network. One instance is shared by all threads."""

    def __init__(self, content: bytes, name: str = "face-embedding") -> None:
        """Load from verified bytes. Raises `ModelFileError`."""
        self._name = name
        self._model = OnnxModel(name, content)
        pair = np.zeros((2, 3, CHIP_PX, CHIP_PX), np.float32)
        self._model.require({"images": pair}, {"embeddings": (2, DIMENSIONS)})

    def embed(self, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
        """One (128,) float32 vector per chip, the mean over it and its mirror image.

        An answer that is not finite is returned as the error, in its place: the others stand.
        """
        answers: list[Embedding | ModelOutputInvalid] = []
        pair_limit = self._model.batch_limit // 2
        for start in range(0, len(chips), pair_limit):
            some = np.stack(chips[start : start + pair_limit])
            both = np.concatenate([some, some[:, :, ::-1]]).transpose(0, 3, 1, 2)
            images = np.ascontiguousarray(both, dtype=np.float32)
            vectors = self._model.run({"images": images}, finite=False)["embeddings"]
            if vectors.shape != (2 * len(some), DIMENSIONS):
                raise ModelOutputInvalid(f"{self._name} answered in shape {vectors.shape}")
            mean = vectors.reshape(2, len(some), DIMENSIONS).mean(axis=0, dtype=np.float32)
            answers.extend(self._checked(row) for row in mean)
        return answers

    def _checked(self, row: Embedding) -> Embedding | ModelOutputInvalid:
        if np.isfinite(row).all():
            return row
        return ModelOutputInvalid(f"{self._name} answered with numbers that are not finite")
