"""Eyes that look as they did keep their irises; others do not."""

import cv2
import numpy as np
import pytest

from models.face.eyes import eye_patches, look_alike, recall, remember
from models.face.mesh import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    FaceMesh,
    Irises,
)
from proctor.domain.media import Image
from proctor.domain.perception import EYE_PATCH

CORNERS = {
    RIGHT_EYE_OUTER: (60.0, 100.0),
    RIGHT_EYE_INNER: (100.0, 100.0),
    LEFT_EYE_INNER: (140.0, 100.0),
    LEFT_EYE_OUTER: (180.0, 100.0),
}
LOOKING = Irises((80.0, 101.0), (160.0, 101.0))


def mesh() -> FaceMesh:
    points = np.zeros((468, 3))
    for corner, (x, y) in CORNERS.items():
        points[corner, :2] = x, y
    return FaceMesh(points, 1.0)


def face(irises: Irises = LOOKING, light: float = 1.0, seed: int = 1) -> Image:
    """(200, 240) skin, two white eyes and dark irises, with sensor noise."""
    picture = np.full((200, 240, 3), 150, np.float32)
    for middle, iris in ((80, irises.right), (160, irises.left)):
        cv2.ellipse(picture, (middle, 100), (20, 8), 0, 0, 360, (220, 220, 220), -1)
        cv2.circle(picture, (round(iris[0]), round(iris[1])), 7, (50, 40, 30), -1)
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.asarray(np.clip(picture * light + noise, 0, 255), np.uint8)


def moved(turn: np.ndarray, picture: Image, points: FaceMesh) -> tuple[Image, FaceMesh]:
    """The same face elsewhere, turned and of another size."""
    there = cv2.warpAffine(picture, turn, (240, 200), borderMode=cv2.BORDER_REPLICATE)
    flat = points.points[:, :2] @ turn[:, :2].T + turn[:, 2]
    return there, FaceMesh(np.column_stack([flat, points.points[:, 2]]), 1.0)


def test_patches_have_the_shape_that_travels() -> None:
    patches = eye_patches(face(), mesh())
    assert patches.shape == EYE_PATCH and patches.dtype == np.uint8


@pytest.mark.parametrize(("turn_deg", "scale", "light"), [(0, 1.0, 0.7), (12, 0.9, 1.1)])
def test_a_head_that_moves_takes_its_eyes_along(
    turn_deg: float, scale: float, light: float
) -> None:
    turn = cv2.getRotationMatrix2D((120, 100), turn_deg, scale)
    turn[:, 2] += (5, -3)
    known = remember(eye_patches(face(), mesh()), LOOKING, mesh())
    picture, points = moved(turn, face(light=light, seed=2), mesh())
    assert look_alike(known.patches, eye_patches(picture, points))
    found = recall(known, points)
    for place, was in ((found.right, LOOKING.right), (found.left, LOOKING.left)):
        assert place == pytest.approx(tuple(turn[:, :2] @ was + turn[:, 2]), abs=1e-6)


@pytest.mark.parametrize(
    ("story", "irises"),
    [
        ("both look aside", Irises((72.0, 101.0), (152.0, 101.0))),
        ("one alone does", Irises((80.0, 101.0), (150.0, 101.0))),
    ],
)
def test_eyes_that_turned_are_looked_at_again(story: str, irises: Irises) -> None:
    known = eye_patches(face(), mesh())
    assert not look_alike(known, eye_patches(face(irises, seed=3), mesh())), story


def test_closed_eyes_and_patches_of_another_shape_are_not_alike() -> None:
    known = eye_patches(face(), mesh())
    skin = np.full((200, 240, 3), 150, np.uint8)
    assert not look_alike(known, eye_patches(skin, mesh()))
    assert not look_alike(known[:, :10], known)
