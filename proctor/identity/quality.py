"""Whether a picture, or a set of them, can serve for enrolment and verification."""

from dataclasses import dataclass

import numpy as np

from proctor.domain.candidates import QualityReason
from proctor.domain.challenges import ChallengeReason
from proctor.domain.perception import Embedding, FaceAnswer, FaceReading
from proctor.identity.matching import MatchCalibration, match_probability, pair_distance

MIDDLE_LUMA = 0.5
LEAST_LUMA = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimits:
    """When a picture is refused.

    How far spoiling a picture moves dlib's embedding away from the unspoilt one was measured on 194
    LFW pictures (median L2): 60 px wide 0.08, 24 px 0.29; blurred by 1.5 / 2 / 3 px at a face of
    96 px 0.19 / 0.26 / 0.39; mean luma 0.12 / 0.07 / 0.05 0.18 / 0.26 / 0.32.

    Attributes:
        least_width_px: Width of the face.
        least_sharpness: Variance of the Laplacian over the face at 112 px width, as it would be at
            a mean luma of one half: 10 refuses most faces blurred by 2 px and none of LFW's own.
        least_brightness: Mean luma over the face, 0..1. Low on purpose: skin may be dark.
        most_yaw_deg: Head turned further is another view of the face (MODELS.md 4).
        second_face_share: Another confirmed face counts from this share of the largest one's width.
    """

    least_width_px: float = 60.0
    least_sharpness: float = 10.0
    least_brightness: float = 0.08
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
    if _sharpness_at_middle_luma(face) < limits.least_sharpness:
        reasons.append(QualityReason.BLURRED)
    if face.brightness < limits.least_brightness:
        reasons.append(QualityReason.DARK)
    if face.head is None or abs(face.head.yaw_deg) > limits.most_yaw_deg:
        reasons.append(QualityReason.TURNED_AWAY)
    return tuple(reasons)


def step_reason(
    answer: FaceAnswer, limits: QualityLimits = DEFAULT_LIMITS
) -> ChallengeReason | None:
    """Why a picture of a challenge shows no movement at all; None when it has one face.

    A turned, tilted or near face need not be sharp or frontal.
    """
    if answer.fault is not None:
        return ChallengeReason.UNREADABLE
    confirmed = [face for face in answer.faces if face.is_confirmed]
    if not confirmed:
        return ChallengeReason.NONE
    widest = max(face.width_px for face in confirmed)
    near = [face for face in confirmed if face.width_px >= limits.second_face_share * widest]
    return ChallengeReason.SEVERAL if len(near) > 1 else None


def _sharpness_at_middle_luma(face: FaceReading) -> float:
    """Half the light gives a quarter of the variance: without this, dark would also read as blurred."""
    return face.sharpness * (MIDDLE_LUMA / max(face.brightness, LEAST_LUMA)) ** 2


def set_is_consistent(embeddings: Embedding, calibration: MatchCalibration) -> bool:
    """Whether all pictures of a set show one person: none is more likely another than the same.

    Sets of three from LFW: 99.3 % of 1,960 sets of one person pass, 0.6 % of 1,951 with a stranger.

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
