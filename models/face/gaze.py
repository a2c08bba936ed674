"""Where the eyes look, head and eyes together, from the mesh and both irises.

The eyeball's centre lies behind the middle of the eye's corners by `DEPTH` of the eye's width, the
iris rides on it at `RADIUS` of that width; so the iris' offset from the projected centre is
RADIUS * sin(angle) along each axis of the picture, whatever the head does. Noise is 3 to 5 degrees
per eye (MODELS.md 3): read it against the session's baseline, through a median.
"""

import math
from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.face.head_pose import head_axes, head_pose
from models.face.mesh import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    FaceMesh,
    Irises,
    Points,
)
from proctor.domain.geometry import Gaze
from proctor.domain.media import Image

# Shares of the width between the corners as the mesh places them (about 26 mm). Anatomy: the iris is
# about 10.5 mm before the eyeball's centre of rotation, that centre about 4.5 mm behind the corners.
RADIUS = 0.40
DEPTH = 0.17
CLOSED_BELOW = 0.15
NEARER_EYE_ABOVE_DEG = 35.0

RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)
INNER_LIPS, LIP_CORNERS = (13, 14), (78, 308)


def gaze(points: Points, irises: Irises) -> Gaze | None:
    """Gaze in the camera's frame, before any baseline; None when the eyes are (nearly) closed.

    Beyond 35 degrees of head yaw only the eye nearer to the camera is used: the other one gave
    50 to 60 degrees of nonsense (MODELS.md 3).

    Args:
        points: (468, 3) mesh.
        irises: Centres of both irises, pixels of the same picture.
    """
    yaw = head_pose(points).yaw_deg
    out = head_axes(points)[2]
    eyes = []
    if yaw > -NEARER_EYE_ABOVE_DEG:
        eyes.append((RIGHT_EYE_OUTER, RIGHT_EYE_INNER, RIGHT_LIDS, irises.right))
    if yaw < NEARER_EYE_ABOVE_DEG:
        eyes.append((LEFT_EYE_OUTER, LEFT_EYE_INNER, LEFT_LIDS, irises.left))
    angles = []
    for outer, inner, lids, iris in eyes:
        corners = points[[outer, inner]]
        width = float(np.linalg.norm(corners[1] - corners[0]))
        if _gap(points, lids) < CLOSED_BELOW * width:
            continue
        centre = corners.mean(axis=0)[:2] - DEPTH * width * out[:2]
        offset = (np.asarray(iris) - centre) / (RADIUS * width)
        angles.append(np.degrees(np.arcsin(np.clip(offset, -1, 1))))
    if not angles:
        return None
    mean = np.mean(angles, axis=0)
    return Gaze(float(mean[0]), float(mean[1]))


def eyes_open(points: Points) -> float:
    """Height over width of the eye openings, mean of both."""
    right = _gap(points, RIGHT_LIDS) / _gap(points, (RIGHT_EYE_OUTER, RIGHT_EYE_INNER))
    left = _gap(points, LEFT_LIDS) / _gap(points, (LEFT_EYE_OUTER, LEFT_EYE_INNER))
    return (right + left) / 2


def mouth_open(points: Points) -> float:
    """Height over width of the opening between the inner lips."""
    return _gap(points, INNER_LIPS) / _gap(points, LIP_CORNERS)


def _gap(points: Points, pair: tuple[int, int]) -> float:
    return max(math.dist(points[pair[0]], points[pair[1]]), 1e-6)


class GazeOfMesh:
    """`GazeModel` without a network of its own."""

    producers: tuple[str, ...] = ()

    def __init__(self, _catalogue: Catalogue, _files: Sequence[str]) -> None:
        """There is nothing to load."""

    def estimate(self, _image: Image, mesh: FaceMesh, irises: Irises) -> Gaze | None:
        """From the mesh's points and the irises."""
        return gaze(mesh.points, irises)
