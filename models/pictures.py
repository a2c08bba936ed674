"""Pictures in and out of models: a capped decode, rotated crops, and plain measures of a face."""

import io
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import PictureUnreadable
from proctor.domain.geometry import Box
from proctor.domain.media import Image, frozen

Floats = npt.NDArray[np.float32]

MAX_PIXELS = 16_000_000
MAX_SIDE_PX = 8_192
SHARPNESS_WIDTH_PX = 112


def decode(picture: bytes) -> Image:
    """Decode a JPEG or PNG to (h, w, 3) RGB uint8, read-only, turned upright by its EXIF tag.

    The header is read first: a small file may claim an enormous picture (TRUST.md D10, B18).

    Raises:
        PictureUnreadable: Not a JPEG or PNG, broken, or larger than 16 million pixels.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as header:
            width, height = header.size
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Pillow.DecompressionBombError,
        Pillow.DecompressionBombWarning,  # an error where warnings are errors
    ) as error:
        raise PictureUnreadable("not a JPEG or PNG picture") from error
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise PictureUnreadable(f"{width}x{height} is more than {MAX_PIXELS:,} pixels")
    try:
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise PictureUnreadable("the picture is broken") from error
    if image is None or image.ndim != 3:
        raise PictureUnreadable("the picture is broken")
    return frozen(image)


@dataclass(frozen=True, slots=True)
class Region:
    """A rotated square or rectangle in pixels of a picture.

    Attributes:
        x: Centre, from the left edge.
        y: Centre, from the top edge.
        width: Along the region's own horizontal axis.
        height: Along its own vertical axis.
        angle_rad: Clockwise turn of its horizontal axis against the picture's.
    """

    x: float
    y: float
    width: float
    height: float
    angle_rad: float = 0.0

    def to_picture(self, size: tuple[int, int], mirrored: bool = False) -> npt.NDArray[np.float64]:
        """(2, 3) matrix from a crop of (width, height) pixels to the picture's pixels."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        across, down = self.width / size[0], self.height / size[1]
        if mirrored:
            across = -across
        turn = np.array([[cos * across, -sin * down], [sin * across, cos * down]])
        shift = np.array([self.x, self.y]) - turn @ np.array([size[0] / 2, size[1] / 2])
        return np.column_stack([turn, shift])


def crop(image: Image, region: Region, size: tuple[int, int], mirrored: bool = False) -> Image:
    """Cut a region out as (height, width, 3) RGB uint8; what lies outside the picture is black."""
    # sampling positions are pixel centres, so half a pixel is taken off on both sides
    matrix = region.to_picture(size, mirrored)
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    cut = cv2.warpAffine(
        image,
        matrix,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(cut, dtype=np.uint8)


def as_input(image: Image, low: float, high: float) -> Floats:
    """(h, w, 3) bytes as (1, h, w, 3) float32 in low..high."""
    scaled: Floats = image.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    return scaled[np.newaxis]


def letterbox(image: Image) -> Region:
    """The smallest upright square around the whole picture."""
    height, width = image.shape[:2]
    side = float(max(width, height))
    return Region(width / 2, height / 2, side, side)


def face_measures(image: Image, box: Box) -> tuple[float, float]:
    """Sharpness and brightness of a face.

    Returns:
        (variance of the Laplacian at 112 px width, luma 0..255; mean luma 0..1). Zeros when the
        box does not touch the picture.
    """
    height, width = image.shape[:2]
    left, right = (round(np.clip(v, 0, 1) * width) for v in (box.left, box.left + box.width))
    top, bottom = (round(np.clip(v, 0, 1) * height) for v in (box.top, box.top + box.height))
    if right - left < 2 or bottom - top < 2:
        return 0.0, 0.0
    face = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    scale = SHARPNESS_WIDTH_PX / face.shape[1]
    sized = cv2.resize(
        face,
        (SHARPNESS_WIDTH_PX, max(2, round(face.shape[0] * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    return float(cv2.Laplacian(sized, cv2.CV_32F).var()), float(sized.mean()) / 255
