"""What every face detector finds: a box that looks like a face, and where its eyes are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A box that looks like a face, in pixels of the picture.

    Attributes:
        left: Left edge.
        top: Top edge.
        width: Width.
        height: Height.
        score: 0..1, not calibrated.
        right_eye: The person's right eye (left in the picture), x and y.
        left_eye: The person's left eye.
    """

    left: float
    top: float
    width: float
    height: float
    score: float
    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
