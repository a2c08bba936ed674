"""Where things are in a picture and which way they point.

Angles are degrees in the camera's frame: yaw > 0 points to the right edge of the picture,
pitch > 0 points down, roll > 0 is clockwise as the picture is seen.
A head's are Euler's: it rolls about its nose, then turns about the vertical, then nods about the
picture's horizontal. So 300W-LP and AFLW2000 label (Zhu et al. 2016: R = Rx(pitch) Ry(yaw) Rz(roll)) and
the networks trained on them answer. With the head's axes in the camera's frame, x to the right, y down,
z away from it: yaw = asin(out x), pitch = atan2(out y, -out z), roll = atan2(-down x, left x). A head that
turns before a camera above or below it keeps its pitch and its roll.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the picture (0..1, may reach a little outside).

    Attributes:
        left: Left edge as a fraction of the width.
        top: Top edge as a fraction of the height.
        width: Fraction of the width.
        height: Fraction of the height.
    """

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Share of the picture that the box covers."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle, in fractions."""
        return (self.left + self.width / 2, self.top + self.height / 2)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        width = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """Where to look for a face that was just seen: a square that turns with it.

    Attributes:
        x: Centre as a fraction of the picture's width.
        y: Centre as a fraction of the picture's height.
        side: Length of a side as a fraction of the picture's width.
        angle_rad: Clockwise turn of the line between the eyes against the picture's horizontal.
    """

    x: float
    y: float
    side: float
    angle_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Which way the head points, in Euler's angles as above."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Gaze:
    """Which way the eyes look, head and eyes together, before any session baseline is taken off."""

    yaw_deg: float
    pitch_deg: float


@dataclass(frozen=True, slots=True)
class BodyPoint:
    """One joint, in fractions of the picture, with how sure the model is that it can be seen (0..1)."""

    x: float
    y: float
    visibility: float
