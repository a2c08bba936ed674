"""A face brought to the pose in which a recogniser was trained, and what such networks take in."""

import cv2
import numpy as np
import numpy.typing as npt

from models.pictures import Floats, Region, crop
from proctor.domain.media import Image

MOST_TIMES = 8
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def aligned(
    image: Image, points: npt.NDArray[np.float64], target: npt.NDArray[np.float64], side_px: int
) -> Image:
    """The square chip in which `points` of the picture lie on `target` as nearly as they can.

    Args:
        image: The picture.
        points: (n, 2) in its pixels.
        target: (n, 2) in pixels of the chip.
        side_px: Side of the chip.

    Returns:
        (side_px, side_px, 3) RGB uint8; what lies outside the picture is black.
    """
    matrix = similarity(points, target)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    while scale < 0.5:  # a linear warp skips pixels below half size: halve the picture first
        half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        image = np.asarray(half, dtype=np.uint8)
        matrix[:, :2] *= 2
        scale *= 2
    chip = cv2.warpAffine(image, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, dtype=np.uint8)


def similarity(
    source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(2, 3) turn, scale and shift that brings `source` onto `target` with the least squares.

    Umeyama's solution in two dimensions, written with complex numbers.
    """
    here = source[:, 0] + 1j * source[:, 1]
    there = target[:, 0] + 1j * target[:, 1]
    centred = here - here.mean()
    factor = np.vdot(centred, there - there.mean()) / np.vdot(centred, centred)
    shift = there.mean() - factor * here.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def square(image: Image, region: Region, side_px: int) -> Image:
    """A region squeezed into (side_px, side_px, 3) RGB uint8; what lies outside the picture is black.

    A linear warp skips pixels below half size, so a large region is cut out several times as large
    and averaged down.
    """
    times = int(np.clip(min(region.width, region.height) / side_px, 1, MOST_TIMES))
    chip = crop(image, region, (side_px * times, side_px * times))
    if times > 1:
        chip = np.asarray(cv2.resize(chip, (side_px, side_px), interpolation=cv2.INTER_AREA))
    return np.asarray(chip, dtype=np.uint8)


def imagenet_input(image: Image) -> Floats:
    """(h, w, 3) RGB bytes as (1, 3, h, w) float32 with ImageNet's mean and deviation taken out."""
    scaled = (image.astype(np.float32) / np.float32(255) - IMAGENET_MEAN) / IMAGENET_DEVIATION
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))[np.newaxis]
