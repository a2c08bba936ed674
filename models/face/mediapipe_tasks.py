"""Face detection by MediaPipe's own FaceDetector task, with a .tflite that it accepts (BlazeFace).

The same networks run without MediaPipe (models/face/blazeface.py), faster and without a second process;
this is for those who have a newer .tflite of MediaPipe's that only its task reads.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.face.blazeface import tiles
from models.face.detected import DetectedFace
from models.face.interfaces import Look
from models.limits import DetectionLimits
from models.pictures import Region, crop
from models.runtimes.litert import require_finite
from models.runtimes.mediapipe_tasks import MediaPipeTask, TaskFinding
from models.ssd import weighted_suppression
from proctor.domain.media import Image

EYES = 2


class TaskFaceDetector:
    """The whole picture; overlapping tiles of it when small faces are asked for."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one .tflite. Raises `ModelFileError`."""
        (self._file,) = files
        content = catalogue.read(self._file)
        require_finite(self._file, content)
        self._limits = DetectionLimits.of(catalogue, self._file)
        self._task = MediaPipeTask(self._file, "face_detector", content, asdict(self._limits))

    def looks(self, *, search_small: bool) -> list[Look]:
        """See `FaceDetector`."""
        looks = [Look(self._file, self._whole)]
        if search_small:
            looks.append(Look(self._file, self._tiles, only_confirmed=True))
        return looks

    def close(self) -> None:
        """End MediaPipe's process. Idempotent."""
        self._task.close()

    def _whole(self, image: Image) -> list[DetectedFace]:
        return faces_of(self._task.find(image), image.shape[1], image.shape[0])

    def _tiles(self, image: Image) -> list[DetectedFace]:
        rows = []
        for tile in tiles(image.shape[1], image.shape[0]):
            side = round(tile.width)
            cut = crop(image, tile, (side, side))
            rows += [_row(face, tile, side) for face in faces_of(self._task.find(cut), side, side)]
        if not rows:
            return []
        merged = weighted_suppression(np.array(rows, np.float32), self._limits.overlap).astype(
            np.float64
        )
        return [
            DetectedFace(left, top, width, height, score, right_eye=(x, y), left_eye=(x2, y2))
            for left, top, width, height, score, x, y, x2, y2 in merged.tolist()
        ]


def faces_of(found: Sequence[TaskFinding], width: int, height: int) -> list[DetectedFace]:
    """What the task found in a picture of this size, best score first; it names eyes in fractions.

    Raises:
        ModelOutputInvalid: The network has no key points for the eyes.
    """
    faces = []
    for one in found:
        assert one.box is not None
        assert one.score is not None
        if len(one.points) < EYES:
            raise ModelOutputInvalid("a face detector answered without the key points of both eyes")
        right, left = one.points[:EYES]
        faces.append(
            DetectedFace(
                left=one.box[0],
                top=one.box[1],
                width=one.box[2],
                height=one.box[3],
                score=one.score,
                right_eye=(right[0] * width, right[1] * height),
                left_eye=(left[0] * width, left[1] * height),
            )
        )
    return sorted(faces, key=lambda face: -face.score)


def _row(face: DetectedFace, tile: Region, side: int) -> list[float]:
    """A face of a tile as a row for suppression, in pixels of the picture."""
    scale = tile.width / side
    x, y = tile.x - tile.width / 2, tile.y - tile.height / 2
    points = [at for eye in (face.right_eye, face.left_eye) for at in eye]
    return [
        face.left * scale + x,
        face.top * scale + y,
        face.width * scale,
        face.height * scale,
        face.score,
        *(at * scale + (x, y)[axis % 2] for axis, at in enumerate(points)),
    ]
