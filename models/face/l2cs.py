"""Gaze by L2CS-Net (Abdelrahman et al. 2022): each angle as 90 bins of 4 degrees, and their mean.

Crop, scaling and bins are those of the public code (Ahmednull/L2CS-Net): the face's box squeezed
into 224 px and enlarged to 448, ImageNet's mean and deviation. The network's first output is the
horizontal angle and its second the vertical one, whatever a file calls them: the public pipeline
unpacks them as pitch and yaw, yet draws the first one across. Positive is to the picture's left
and up (`gazeto3d` there), so both change their sign here.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.alignment import imagenet_input, square
from models.face.gaze import CLOSED_BELOW, eyes_open
from models.face.mesh import FaceMesh, Irises
from models.face.network import PictureNetwork, checked
from models.pictures import Floats, Region
from proctor.domain.geometry import Gaze
from proctor.domain.media import Image

SEEN_PX, SIDE_PX = 224, 448
BINS, BIN_DEG, FIRST_BIN_DEG = 90, 4, -180


def angle_deg(logits: Floats) -> float:
    """The expected angle of (90,) logits: sum of softmax times bin, times 4, less 180."""
    shifted = np.exp(logits.astype(np.float64) - float(logits.max()))
    share = shifted / shifted.sum()
    return float(share @ np.arange(BINS)) * BIN_DEG + FIRST_BIN_DEG


def gaze_of(answers: Sequence[Floats]) -> Gaze:
    """Our signs from the network's two answers, across and up, each (1, 90) logits.

    Raises:
        ModelOutputInvalid: Another shape, or numbers that are not finite.
    """
    shapes = [answer.shape for answer in answers]
    if shapes != [(1, BINS)] * 2:
        raise ModelOutputInvalid(f"gaze in shapes {shapes}, not twice (1, {BINS})")
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ModelOutputInvalid("gaze in numbers that are not finite")
    across, up = (angle_deg(answer[0]) for answer in answers)
    return Gaze(yaw_deg=-across, pitch_deg=-up)


def network_input(image: Image, mesh: FaceMesh) -> Floats:
    """(1, 3, 448, 448): the box around the mesh."""
    height, width = image.shape[:2]
    box = mesh.box(width, height)
    x, y = box.centre
    region = Region(x * width, y * height, box.width * width, box.height * height)
    small = square(image, region, SEEN_PX)  # what the network was trained on
    large = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return imagenet_input(np.asarray(large, dtype=np.uint8))


class L2csGaze:
    """`GazeModel` of an L2CS-Net file."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one network.

        Raises:
            ModelFileError: It is missing, not accepted, no ONNX model, or another network.
        """
        (name,) = files
        self.producers: tuple[str, ...] = (name,)
        self._network = PictureNetwork(name, catalogue.read(name), SIDE_PX)
        try:
            gaze_of(self._network.answers([np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32)])[0])
        except ModelOutputInvalid as error:
            raise ModelFileError(f"{name} is not this network: {error.detail}") from error

    def estimate(self, image: Image, mesh: FaceMesh, irises: Irises) -> Gaze | None:
        """From the face; None when the eyes are (nearly) closed.

        Raises:
            ModelOutputInvalid: The network's answer is not finite or of another shape.
        """
        (answer,) = self.estimate_all([(image, mesh, irises)])
        if isinstance(answer, ModelOutputInvalid):
            raise answer
        return answer

    def estimate_all(
        self, faces: Sequence[tuple[Image, FaceMesh, Irises]]
    ) -> list[Gaze | ModelOutputInvalid | None]:
        """As `estimate`, in order; what is wrong with one is in its place."""
        looking = [eyes_open(mesh.points) >= CLOSED_BELOW for _, mesh, _ in faces]
        pictures = [
            network_input(image, mesh)
            for (image, mesh, _), is_open in zip(faces, looking, strict=True)
            if is_open
        ]
        answers = iter(self._network.answers(pictures))
        return [checked(gaze_of, next(answers)) if is_open else None for is_open in looking]
