"""Head pose by 6DRepNet (Hempel et al. 2022): two columns of a rotation matrix, hence no jumps.

Crop, scaling and angles are those of the public code (thohemp/6DRepNet): a fifth of the face as
margin, the square in its middle at 224 px, ImageNet's mean and deviation; the matrix turns about
x, y, z by pitch, yaw and roll with the signs of 300W-LP (yaw > 0 to the picture's left, pitch > 0
up). A file may end in the six numbers (our conversion) or in the matrix (the public network).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.alignment import imagenet_input, square
from models.face.mesh import FaceMesh
from models.face.network import PictureNetwork, checked
from models.pictures import Floats, Region
from proctor.domain.geometry import Box, HeadPose
from proctor.domain.media import Image

SIDE_PX = 224
MARGIN = 0.2
SHORTEST = 1e-6
UPRIGHT_BELOW = 1e-6


def loose_region(box: Box, width: int, height: int) -> Region:
    """The square in the middle of a box with a fifth of its other side as margin on each side."""
    x, y = box.centre
    across, down = box.width * width, box.height * height
    side = min(across + 2 * MARGIN * down, down + 2 * MARGIN * across)
    return Region(x * width, y * height, side, side)


def network_input(image: Image, mesh: FaceMesh) -> Floats:
    """(1, 3, 224, 224) float32."""
    height, width = image.shape[:2]
    region = loose_region(mesh.box(width, height), width, height)
    return imagenet_input(square(image, region, SIDE_PX))


def matrix_of(six: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3) rotation of six numbers: the first column, and one in the plane of first and second.

    Gram and Schmidt in the order of the public code (Zhou et al. 2019).

    Raises:
        ModelOutputInvalid: The columns are too short or point the same way.
    """
    first, second = six[:3], six[3:]
    x = _of_unit_length(first)
    z = _of_unit_length(np.cross(x, second))
    return np.column_stack([x, np.cross(z, x), z])


def _of_unit_length(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    if length < SHORTEST:
        raise ModelOutputInvalid("head pose without a direction")
    return vector / length


def pose_of_matrix(matrix: npt.NDArray[np.float64]) -> HeadPose:
    """Pitch about x, then yaw about y, then roll about z; 300W-LP's signs become ours."""
    cos_yaw = math.hypot(matrix[0, 0], matrix[1, 0])
    yaw = math.atan2(-matrix[2, 0], cos_yaw)
    if cos_yaw < UPRIGHT_BELOW:  # looking along the picture: only the sum of the others is known
        pitch, roll = math.atan2(-matrix[1, 2], matrix[1, 1]), 0.0
    else:
        pitch = math.atan2(matrix[2, 1], matrix[2, 2])
        roll = math.atan2(matrix[1, 0], matrix[0, 0])
    return HeadPose(
        yaw_deg=-math.degrees(yaw), pitch_deg=-math.degrees(pitch), roll_deg=math.degrees(roll)
    )


def pose_of(answers: Sequence[Floats]) -> HeadPose:
    """Of one face, from one answer (1, 6) or (1, 3, 3).

    Raises:
        ModelOutputInvalid: Another shape, numbers that are not finite, or no rotation.
    """
    shapes = [answer.shape for answer in answers]
    if shapes not in ([(1, 6)], [(1, 3, 3)]):
        raise ModelOutputInvalid(f"head pose in shapes {shapes}, not (1, 6) or (1, 3, 3)")
    if not np.isfinite(answers[0]).all():
        raise ModelOutputInvalid("head pose in numbers that are not finite")
    exact = answers[0][0].astype(np.float64)
    six = exact if exact.ndim == 1 else exact.T[:2].reshape(6)
    return pose_of_matrix(matrix_of(six))


class SixDRepNetPose:
    """`HeadPoseModel` of a 6DRepNet file."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one network.

        Raises:
            ModelFileError: It is missing, not accepted, no ONNX model, or another network.
        """
        (name,) = files
        self.producers: tuple[str, ...] = (name,)
        self._network = PictureNetwork(name, catalogue.read(name), SIDE_PX)
        try:
            pose_of(self._network.answers([np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32)])[0])
        except ModelOutputInvalid as error:
            raise ModelFileError(f"{name} is not this network: {error.detail}") from error

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        """From a loose crop around the mesh.

        Raises:
            ModelOutputInvalid: The network's answer is no rotation.
        """
        return pose_of(self._network.answers([network_input(image, mesh)])[0])

    def estimate_all(
        self, faces: Sequence[tuple[Image, FaceMesh]]
    ) -> list[HeadPose | ModelOutputInvalid]:
        """As `estimate`, in order; what is wrong with one is in its place."""
        pictures = [network_input(image, mesh) for image, mesh in faces]
        return [checked(pose_of, answers) for answers in self._network.answers(pictures)]
