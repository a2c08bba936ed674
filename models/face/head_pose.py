"""Head pose from the mesh: the frame that pairs of symmetric points span, and what the mesh leaves out.

No canonical face and no camera constants are needed. Everybody's neutral differs by some degrees of
pitch: judge relative to the session's own baseline.

The mesh itself is not exact: it bends nods too far and hardly turns beyond 45 to 55 degrees of yaw.
`straightened` turns its frame by what is missing; for a face that is turned it also looks at the six key
points of BlazeFace, whose ears and nose do not stop there. The weights are fitted, see
docs/decisions/0006-head-pose-of-the-mesh.md for how, on what and what came of it.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.face.blazeface import short_range
from models.face.mesh import FaceMesh, Points
from models.limits import DetectionLimits
from models.pictures import Region
from proctor.domain.geometry import HeadPose
from proctor.domain.media import Image

Numbers = npt.NDArray[np.float64]
Rotation = Numbers

# (right, left) and (upper, lower) points of MediaPipe's mesh topology
ACROSS = np.array(
    [(33, 263), (133, 362), (127, 356), (234, 454), (93, 323), (132, 361), (58, 288), (61, 291)]
)
DOWN = np.array([(10, 152), (109, 148), (338, 377), (67, 176), (297, 400), (151, 175)])

TURNED_DEG = 20.0
"""Nearer to the front the key points add nothing (LFW: yaw 1.6 degrees from FSA-Net either way)."""

KEY_POINT_SCALE = 1.6
"""How much larger than the mesh's region: of 1.3 and 1.6 the one that read the labelled heads better."""

UNIT = math.radians(30)

# Degrees about the head's own axes (left, down, back) for each feature. A mirrored face nods alike and
# turns and tilts the other way, hence two lists of features: see `_features` and `_turned`.
NOD = np.array([-0.06, -6.93, -0.54])
TURN = np.array([-1.57, -2.37, -1.00])
TILT = np.array([0.08, 1.96, -1.32])
TURN_BY_KEY_POINTS = np.array([6.74, -2.40, -7.82, -1.00, -5.84, 9.33, 19.40])


def head_axes(points: Points) -> Rotation:
    """(3, 3) rows: to the person's left, down, and out of the face towards where the nose points.

    Args:
        points: (468, 3) mesh, z away from the camera.
    """
    across = (points[ACROSS[:, 1]] - points[ACROSS[:, 0]]).mean(axis=0)
    down = (points[DOWN[:, 1]] - points[DOWN[:, 0]]).mean(axis=0)
    x = across / np.linalg.norm(across)
    y = down - x * (down @ x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, y[[1, 2, 0]] * x[[2, 0, 1]] - y[[2, 0, 1]] * x[[1, 2, 0]]])  # y cross x


def head_pose(points: Points) -> HeadPose:
    """Where the nose points by the mesh as it is (angles: proctor/domain/geometry.py)."""
    return angles_of(head_axes(points))


def angles_of(axes: Rotation) -> HeadPose:
    """The angles of a head whose left, down and out of the face are these rows."""
    across, down, out = axes
    return HeadPose(
        yaw_deg=math.degrees(math.asin(float(np.clip(out[0], -1, 1)))),
        pitch_deg=math.degrees(math.atan2(out[1], -out[2])),
        roll_deg=math.degrees(math.atan2(-down[0], across[0])),
    )


def straightened(axes: Rotation, key_points: npt.NDArray[np.floating] | None = None) -> HeadPose:
    """What a head did whose mesh has these axes.

    Args:
        axes: (3, 3), see `head_axes`.
        key_points: (6, 2), see `BlazeFace.key_points`; None where they are not known.
    """
    seen = angles_of(axes)
    even, odd = _features(seen)
    turn = odd @ TURN
    if key_points is not None:
        turn = _turned(seen, odd, key_points) @ TURN_BY_KEY_POINTS
    # head_axes' rows are the columns of the head's rotation, the last one turned about
    head = np.stack([axes[0], axes[1], -axes[2]], axis=1)
    head = head @ _rotation(np.radians([even @ NOD, turn, odd @ TILT]))
    return angles_of(np.stack([head[:, 0], head[:, 1], -head[:, 2]]))


def _features(seen: HeadPose) -> tuple[Numbers, Numbers]:
    """What the mesh shows: alike for a mirrored face, and the other way for a mirrored face."""
    yaw, pitch = math.radians(seen.yaw_deg) / UNIT, math.radians(seen.pitch_deg) / UNIT
    return np.array([1.0, pitch, yaw * yaw]), np.array([yaw, yaw * abs(yaw), yaw * pitch])


def _turned(seen: HeadPose, odd: Numbers, key_points: npt.NDArray[np.floating]) -> Numbers:
    """What also the key points say of a turn, rolled upright and brought to one size.

    How far the nose is before the ears, over how far these are apart, is the tangent of a turn.
    """
    yaw, bent, both = odd
    pitch, roll = math.radians(seen.pitch_deg) / UNIT, math.radians(seen.roll_deg)
    upright = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    placed = (key_points - key_points.mean(axis=0)) @ upright.T
    placed /= np.linalg.norm(placed)
    _, _, nose, _, right, left = placed
    before = nose[0] - (right[0] + left[0]) / 2
    turned = math.atan2(before, math.dist(left, right)) / UNIT
    slope = left[1] - right[1]
    return np.array([yaw, bent, turned, turned * abs(turned), both, turned * pitch, slope])


def _rotation(vector: Numbers) -> Rotation:
    """The rotation about a vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle if angle > 0 else vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Rotation = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turned


class PoseOfMesh:
    """`HeadPoseModel` of the mesh, and of BlazeFace's key points where a face is turned."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is BlazeFace's short-range network. Raises `ModelFileError`."""
        (name,) = files
        self.producers: tuple[str, ...] = (name,)
        self._network = short_range(catalogue.read(name), DetectionLimits.of(catalogue, name), name)

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        """From the mesh's points, straightened.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        axes = head_axes(mesh.points)
        if abs(angles_of(axes).yaw_deg) < TURNED_DEG:
            return straightened(axes)
        near = mesh.region()
        side = near.width * KEY_POINT_SCALE
        around = Region(near.x, near.y, side, side, near.angle_rad)
        return straightened(axes, self._network.key_points(image, around))
