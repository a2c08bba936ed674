"""The MediaPipe face mesh: 468 points in three dimensions and a presence score, and the irises.

Written after MediaPipe's FaceLandmark and IrisLandmark graphs. Points are pixels of the picture;
z grows away from the camera and has the scale of x (weak perspective).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.face.detected import DetectedFace
from models.pictures import Region, as_input, crop
from models.runtimes.litert import LitertModel
from proctor.domain.geometry import Box, FaceRegion
from proctor.domain.media import Image
from proctor.domain.observations import CONFIRMED_FROM

Points = npt.NDArray[np.float64]

MESH_POINTS = 468
MESH_PX = 192
IRIS_PX = 64
REGION_SCALE = 1.5
# With 1.35 a fit on a fit's own region stays where it is, so a tracked face reads as a found one;
# with 1.5 the mesh grows a little each time and the gaze drifts by 3 to 8 degrees.
AGAIN_SCALE = 1.35
IRIS_REGION_SCALE = 2.3
NEARLY_SHARE = 0.06
NEARLY_RAD = math.radians(2.0)
RIGHT_EYE_OUTER, RIGHT_EYE_INNER = 33, 133
LEFT_EYE_INNER, LEFT_EYE_OUTER = 362, 263


@dataclass(frozen=True, slots=True, eq=False)
class FaceMesh:
    """The mesh of one face.

    Attributes:
        points: (468, 3) x, y, z in pixels of the picture.
        presence: 0..1; below `CONFIRMED_FROM` there is no (near-frontal) face.
    """

    points: Points
    presence: float

    @property
    def is_face(self) -> bool:
        """Whether the network takes what it fitted for a face."""
        return self.presence >= CONFIRMED_FROM

    def box(self, width: int, height: int) -> Box:
        """The upright rectangle around the points, in fractions of a picture of this size."""
        low, high = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        size = high - low
        return Box(*(float(v) for v in (*(low / (width, height)), *(size / (width, height)))))

    def region(self) -> Region:
        """Where to look for the same face again: turned with the eyes, a third as large again."""
        x, y = self.points[LEFT_EYE_OUTER, :2] - self.points[RIGHT_EYE_OUTER, :2]
        angle = math.atan2(y, x)
        cos, sin = math.cos(angle), math.sin(angle)
        back = np.array([[cos, sin], [-sin, cos]])
        upright = self.points[:, :2] @ back.T
        low, high = upright.min(axis=0), upright.max(axis=0)
        centre = back.T @ ((low + high) / 2)
        side = float((high - low).max()) * AGAIN_SCALE
        return Region(float(centre[0]), float(centre[1]), side, side, angle)


@dataclass(frozen=True, slots=True, eq=False)
class Irises:
    """Centres of both irises in pixels of the picture, the person's right one first."""

    right: tuple[float, float]
    left: tuple[float, float]


def region_of_detection(face: DetectedFace) -> Region:
    """The mesh's region from a detector's box and the line between its eyes."""
    angle = math.atan2(face.left_eye[1] - face.right_eye[1], face.left_eye[0] - face.right_eye[0])
    side = max(face.width, face.height) * REGION_SCALE
    return Region(face.left + face.width / 2, face.top + face.height / 2, side, side, angle)


def region_of_track(track: FaceRegion, width: int, height: int) -> Region:
    """The mesh's region in a picture of this size, from where the face was a moment ago."""
    side = track.side * width
    return Region(track.x * width, track.y * height, side, side, track.angle_rad)


def track_of_region(region: Region, width: int, height: int) -> FaceRegion:
    """The other way round: what the next picture's ask carries."""
    return FaceRegion(region.x / width, region.y / height, region.width / width, region.angle_rad)


def is_nearly(region: Region, other: Region) -> bool:
    """Whether a mesh that was fitted in one region needs no second fit in the other.

    Regions of a face that sits still differ by 0.6 % of their side from picture to picture, at one
    picture a second by 1.6 % (both gaze clips, medians). Fitted once in the region of the picture before,
    gaze differs from that of two fits by less than its own noise: at four a second 17.0 +- 0.7 against
    15.8 +- 0.7 degrees aside, 3.2 +- 0.9 against 3.2 +- 0.8 at the centre.
    """
    turn = (region.angle_rad - other.angle_rad + math.pi) % (2 * math.pi) - math.pi
    moved = math.hypot(region.x - other.x, region.y - other.y)
    return (
        moved <= NEARLY_SHARE * other.width
        and abs(region.width - other.width) <= NEARLY_SHARE * other.width
        and abs(turn) <= NEARLY_RAD
    )


class MeshModel:
    """The face landmark network."""

    def __init__(self, content: bytes, present_from: float, name: str = "face-mesh") -> None:
        """Load from verified bytes.

        Args:
            content: The file.
            present_from: The network's own score from which on there is a face, 0..1. What is told
                is that score's log-odds above this one's, so that a face is one from 0.5 on
                (`CONFIRMED_FROM`) wherever it is judged; for 0.5 it is the score itself.
            name: Manifest id, for messages.
        """
        self._logit_of_limit = math.log(present_from / (1 - present_from))
        self._model = LitertModel(name, content, [(1, 1, 1, MESH_POINTS * 3), (1, 1, 1, 1)])

    def fit(self, image: Image, region: Region) -> FaceMesh:
        """Fit the mesh in a region of the picture.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        size = (MESH_PX, MESH_PX)
        raw, logit = self._model.run(as_input(crop(image, region, size), 0.0, 1.0))
        local = raw.reshape(MESH_POINTS, 3).astype(np.float64)
        matrix = region.to_picture(size)
        flat = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        depth = local[:, 2] * (region.width / MESH_PX)
        beyond = float(np.clip(logit.ravel()[0], -100, 100)) - self._logit_of_limit
        presence = 1 / (1 + math.exp(-beyond))
        return FaceMesh(np.column_stack([flat, depth]), presence)


class IrisModel:
    """The iris network. It knows the person's right eye; the left one is shown to it mirrored."""

    def __init__(self, content: bytes, name: str = "iris") -> None:
        """Load from verified bytes."""
        self._model = LitertModel(name, content, [(1, 15)])

    def find(self, image: Image, mesh: FaceMesh) -> Irises:
        """Centres of both irises.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        right = self._centre(image, mesh, RIGHT_EYE_OUTER, RIGHT_EYE_INNER, mirrored=False)
        left = self._centre(image, mesh, LEFT_EYE_INNER, LEFT_EYE_OUTER, mirrored=True)
        return Irises(right, left)

    def _centre(
        self, image: Image, mesh: FaceMesh, start: int, end: int, *, mirrored: bool
    ) -> tuple[float, float]:
        corners = mesh.points[[start, end], :2]
        along = corners[1] - corners[0]
        middle = corners.mean(axis=0)
        side = float(np.hypot(*along)) * IRIS_REGION_SCALE
        region = Region(
            float(middle[0]), float(middle[1]), side, side, math.atan2(along[1], along[0])
        )
        size = (IRIS_PX, IRIS_PX)
        (raw,) = self._model.run(as_input(crop(image, region, size, mirrored), 0.0, 1.0))
        matrix = region.to_picture(size, mirrored)
        x, y = matrix[:, :2] @ raw[0, :2].astype(np.float64) + matrix[:, 2]
        return float(x), float(y)


class MeshAndIris:
    """Both networks of the landmarks' task.

    Attributes:
        mesh_file: Manifest id of the mesh.
        iris_file: Manifest id of the iris network.
    """

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the mesh and the iris network. Raises `ModelFileError`."""
        self.mesh_file, self.iris_file = files
        present_from = catalogue.threshold(self.mesh_file, "presence")
        self._mesh = MeshModel(catalogue.read(self.mesh_file), present_from, self.mesh_file)
        self._iris = IrisModel(catalogue.read(self.iris_file), self.iris_file)

    def fit(self, image: Image, region: Region) -> FaceMesh:
        """Fit the mesh in a region of the picture. Raises `ModelOutputInvalid`."""
        return self._mesh.fit(image, region)

    def irises(self, image: Image, mesh: FaceMesh) -> Irises:
        """Centres of both irises. Raises `ModelOutputInvalid`."""
        return self._iris.find(image, mesh)
