"""Head pose by FSA-Net (Yang et al. 2019): the mean of two small networks on a tight crop.

Both networks end in the paper's soft stagewise regression inside the graph, so a file's output is
already yaw, pitch and roll in degrees, with the signs of 300W-LP (yaw > 0 to the picture's left,
pitch > 0 up). Crop and scaling are those of the public port (omasaht/headpose-fsanet-pytorch).
"""

from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.face.alignment import square
from models.face.mesh import FaceMesh
from models.face.network import PictureNetwork
from models.pictures import Floats, Region
from proctor.domain.geometry import Box, HeadPose
from proctor.domain.media import Image

SIDE_PX = 64
MARGIN = 0.2


def tight_region(box: Box, width: int, height: int) -> Region:
    """The square around the box's longer side with a fifth of it as margin on each side.

    Args:
        box: The mesh's upright rectangle.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
    """
    x, y = box.centre
    side = max(box.width * width, box.height * height) * (1 + 2 * MARGIN)
    return Region(x * width, y * height, side, side)


def network_input(image: Image, region: Region) -> Floats:
    """(1, 3, 64, 64) float32 BGR, (x - 127.5) / 128."""
    chip = square(image, region, SIDE_PX)
    bgr = (chip[..., ::-1].astype(np.float32) - np.float32(127.5)) / np.float32(128)
    return np.ascontiguousarray(bgr.transpose(2, 0, 1))[np.newaxis]


def pose_of(answers: Sequence[Floats]) -> HeadPose:
    """The mean of (1, 3) answers, yaw, pitch, roll in 300W-LP's signs, in ours.

    Raises:
        ModelOutputInvalid: Another shape, or numbers that are not finite.
    """
    shapes = [answer.shape for answer in answers]
    if not shapes or any(shape != (1, 3) for shape in shapes):
        raise ModelOutputInvalid(f"head pose in shapes {shapes}, not (1, 3)")
    yaw, pitch, roll = (float(each) for each in np.concatenate(answers).mean(0, dtype=np.float64))
    if not np.isfinite([yaw, pitch, roll]).all():
        raise ModelOutputInvalid("head pose in numbers that are not finite")
    return HeadPose(yaw_deg=-yaw, pitch_deg=-pitch, roll_deg=roll)


class FsaNetPose:
    """`HeadPoseModel` of one or more FSA-Net files, whose mean is the answer."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """Load every file. Raises `ModelFileError`."""
        self.producers: tuple[str, ...] = tuple(files)
        self._networks = [PictureNetwork(name, catalogue.read(name), SIDE_PX) for name in files]

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        """From a tight crop around the mesh.

        Raises:
            ModelOutputInvalid: A network's answer is not finite or of another shape.
        """
        height, width = image.shape[:2]
        region = tight_region(mesh.box(width, height), width, height)
        pictures = [network_input(image, region)]
        return pose_of([answer for each in self._networks for answer in each.answers(pictures)[0]])
