"""Whether a picture, or a set of them, can serve for enrolment and verification."""

from dataclasses import dataclass

import numpy as np

from proctor.domain.candidates import QualityReason
from proctor.domain.perception import Embedding, FaceAnswer
from proctor.identity.matching import MatchCalibration, match_probability, pair_distance


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimits:
    """When a picture is refused.

    Attributes:
        least_width_px: Width of the face's mesh; at 24 px the same picture is 0.43 away from itself,
            at 60 px below 0.2 (MODELS.md 4).
        least_sharpness: Variance of the Laplacian over the face at 112 px width, luma 0..255.
        least_brightness: Mean luma over the face, 0..1.
        most_yaw_deg: Head turned further is another view of the face (MODELS.md 4).
        second_face_share: Another confirmed face counts from this share of the largest one's width.
    """

    least_width_px: float = 60.0
    least_sharpness: float = 30.0
    least_brightness: float = 0.12
    most_yaw_deg: float = 35.0
    second_face_share: float = 0.5


DEFAULT_LIMITS = QualityLimits()


def picture_reasons(
    answer: FaceAnswer, limits: QualityLimits = DEFAULT_LIMITS
) -> tuple[QualityReason, ...]:
    """Why a picture cannot serve; an empty tuple when it can.

    A picture whose model answer was invalid is told as unreadable: it can be sent again.
    """
    if answer.fault is not None:
        return (QualityReason.UNREADABLE,)
    confirmed = [face for face in answer.faces if face.is_confirmed]
    if not confirmed:
        return (QualityReason.NONE,)
    face = max(confirmed, key=lambda each: each.width_px)
    near = [o for o in confirmed if o.width_px >= limits.second_face_share * face.width_px]
    reasons = []
    if len(near) > 1:
        reasons.append(QualityReason.SEVERAL)
    if face.width_px < limits.least_width_px:
        reasons.append(QualityReason.TOO_SMALL)
    if face.sharpness < limits.least_sharpness:
        reasons.append(QualityReason.BLURRED)
    if face.brightness < limits.least_brightness:
        reasons.append(QualityReason.DARK)
    if face.head is None or abs(face.head.yaw_deg) > limits.most_yaw_deg:
        reasons.append(QualityReason.TURNED_AWAY)
    return tuple(reasons)


def set_is_consistent(embeddings: Embedding, calibration: MatchCalibration) -> bool:
    """Whether all pictures of a set show one person: none is more likely another than the same.

    Args:
        embeddings: (n, d) float32, n >= 2.
        calibration: Of the model that made them.
    """
    for at in range(len(embeddings)):
        others = np.delete(embeddings, at, axis=0)
        distance = pair_distance(embeddings[at], others, calibration.metric)
        if match_probability(distance, calibration) < 0.5:
            return False
    return True
