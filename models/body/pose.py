"""MediaPipe Pose: a detector finds the body's axis, a second network places 33 joints with visibility.

Written after MediaPipe's PoseDetection and PoseLandmark graphs, without the smoothing over time and
the refinement by heat map: presence and leaning are judged here, not centimetres.
"""

import math
from dataclasses import dataclass

import numpy as np

from models.limits import DetectionLimits
from models.pictures import Region, as_input, crop, letterbox
from models.runtimes.litert import LitertModel
from models.ssd import anchor_centres, detections
from proctor.domain.geometry import BodyPoint
from proctor.domain.media import Image

DETECTOR_LAYERS = ((8, 2), (16, 2), (32, 6))
DETECTOR_BOXES = 2254
LANDMARK_PX = 256
RAW_JOINTS, JOINTS = 39, 33
PER_JOINT = 5
VISIBILITY = 3
REGION_SCALE = 1.25


@dataclass(frozen=True, slots=True)
class DetectedBody:
    """Where a body is: the middle of its hips and a point at the rim of a circle around all of it."""

    hips: tuple[float, float]
    rim: tuple[float, float]
    score: float

    def region(self) -> Region:
        """The square around the body, turned so that the body stands upright in it."""
        x, y = self.rim[0] - self.hips[0], self.rim[1] - self.hips[1]
        side = 2 * math.hypot(x, y) * REGION_SCALE
        return Region(self.hips[0], self.hips[1], side, side, math.atan2(y, x) + math.pi / 2)


class BodyDetector:
    """The pose detection network."""

    def __init__(
        self, content: bytes, limits: DetectionLimits, name: str = "body-detection"
    ) -> None:
        """Load from verified bytes; `limits` say which boxes are bodies."""
        self._limits = limits
        shapes = [(1, DETECTOR_BOXES, 12), (1, DETECTOR_BOXES, 1)]
        self._model = LitertModel(name, content, shapes)
        self._side = self._model.input_shape[1]
        self._anchors = anchor_centres(self._side, DETECTOR_LAYERS)

    def find(self, image: Image) -> DetectedBody | None:
        """The most certain body, in pixels of the picture.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        region = letterbox(image)
        cut = crop(image, region, (self._side, self._side))
        raw, logits = self._model.run(as_input(cut, -1.0, 1.0))
        limits = self._limits
        found = detections(
            raw[0], logits[0, :, 0], self._anchors, self._side, limits.score, limits.overlap
        )
        if not len(found):
            return None
        corner = np.array([region.x - region.width / 2, region.y - region.height / 2])
        hips, rim = (found[0, 5 + 2 * k : 7 + 2 * k] * region.width + corner for k in (0, 1))
        return DetectedBody(
            (float(hips[0]), float(hips[1])), (float(rim[0]), float(rim[1])), float(found[0, 4])
        )


class BodyModel:
    """The pose landmark network."""

    def __init__(self, content: bytes, present_from: float, name: str = "body-landmarks") -> None:
        """Load from verified bytes; below `present_from` (0..1) the network sees no body."""
        self._present_from = present_from
        self._model = LitertModel(name, content, [(1, RAW_JOINTS * PER_JOINT), (1, 1)])

    def place(self, image: Image, region: Region) -> tuple[BodyPoint, ...] | None:
        """The 33 joints in fractions of the picture; None when the network sees no body there.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        size = (LANDMARK_PX, LANDMARK_PX)
        raw, score = self._model.run(as_input(crop(image, region, size), 0.0, 1.0))
        if float(score[0, 0]) < self._present_from:
            return None
        joints = raw.reshape(RAW_JOINTS, PER_JOINT)[:JOINTS].astype(np.float64)
        matrix = region.to_picture(size)
        places = (joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]) / (image.shape[1], image.shape[0])
        visible = 1 / (1 + np.exp(-np.clip(joints[:, VISIBILITY], -100, 100)))
        return tuple(
            BodyPoint(float(x), float(y), float(v))
            for (x, y), v in zip(places, visible, strict=True)
        )
