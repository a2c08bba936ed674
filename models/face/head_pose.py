"""Head pose from the mesh alone: the frame that pairs of symmetric points span.

No canonical face and no camera constants are needed, and the pose is measured against the line of
sight, so a face at the picture's edge does not read as turned (MODELS.md 3). The mesh saturates
near 55 degrees of yaw and everybody's neutral differs by some degrees of pitch: judge relative to
the session's own baseline (ACCURACY.md, Head pose).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.face.mesh import FaceMesh, Points
from proctor.domain.geometry import HeadPose
from proctor.domain.media import Image

# (right, left) and (upper, lower) points of MediaPipe's mesh topology
ACROSS = np.array(
    [(33, 263), (133, 362), (127, 356), (234, 454), (93, 323), (132, 361), (58, 288), (61, 291)]
)
DOWN = np.array([(10, 152), (109, 148), (338, 377), (67, 176), (297, 400), (151, 175)])


def head_axes(points: Points) -> npt.NDArray[np.float64]:
    """(3, 3) rows: to the person's left, down, and out of the face towards where the nose points.

    Args:
        points: (468, 3) mesh, z away from the camera.
    """
    across = (points[ACROSS[:, 1]] - points[ACROSS[:, 0]]).mean(axis=0)
    down = (points[DOWN[:, 1]] - points[DOWN[:, 0]]).mean(axis=0)
    x = across / np.linalg.norm(across)
    y = down - x * (down @ x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(y, x)])


def head_pose(points: Points) -> HeadPose:
    """Where the nose points, in the camera's frame (signs: proctor/domain/geometry.py)."""
    across, _, out = head_axes(points)
    return HeadPose(
        yaw_deg=math.degrees(math.atan2(out[0], -out[2])),
        pitch_deg=math.degrees(math.asin(float(np.clip(out[1], -1, 1)))),
        roll_deg=math.degrees(math.atan2(across[1], across[0])),
    )


class PoseOfMesh:
    """`HeadPoseModel` without a network of its own."""

    producers: tuple[str, ...] = ()

    def __init__(self, _catalogue: Catalogue, _files: Sequence[str]) -> None:
        """There is nothing to load."""

    def estimate(self, _image: Image, mesh: FaceMesh) -> HeadPose:
        """From the mesh's points."""
        return head_pose(mesh.points)
