"""What every face detector finds: a box that looks like a face, and where its eyes are."""

from dataclasses import dataclass

from models.pictures import Floats


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


def detected_faces(rows: Floats) -> list[DetectedFace]:
    """Rows of a detector as faces.

    Args:
        rows: (m, 9 or more) left, top, width, height, score, the person's right eye x and y, left eye
            x and y, in pixels of the picture.
    """
    return [
        DetectedFace(
            left=float(row[0]),
            top=float(row[1]),
            width=float(row[2]),
            height=float(row[3]),
            score=float(row[4]),
            right_eye=(float(row[5]), float(row[6])),
            left_eye=(float(row[7]), float(row[8])),
        )
        for row in rows
    ]
