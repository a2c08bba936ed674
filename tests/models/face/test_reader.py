"""The steps of a face ask with parts that do as the test says: one bad picture, tiles, an outage."""

import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from models.face.detected import DetectedFace
from models.face.interfaces import Look
from models.face.mesh import FaceMesh, Irises
from models.face.reader import FaceParts, FaceReader
from models.pictures import Region
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.geometry import Gaze, HeadPose
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk, Fault

SIDE = 400
GOOD, BAD = 100, 13
SPREAD = np.random.default_rng(1).random((468, 3)) - 0.5


def picture(brightness: int) -> bytes:
    return bytes(cv2.imencode(".png", np.full((SIDE, SIDE, 3), brightness, np.uint8))[1].tobytes())


def face(left: float, top: float, width: float, height: float) -> DetectedFace:
    """A box in hundredths of the picture, eyes level."""
    left, top, width, height = (each * SIDE / 100 for each in (left, top, width, height))
    eyes = {"right_eye": (left + 1, top), "left_eye": (left + 9, top)}
    return DetectedFace(left, top, width, height, 0.9, **eyes)


class Parts:
    """Every part of the group: at `breaks` it raises `error` for the bad picture.

    Confirmed is what lies in the middle of (40, 40), in hundredths.
    """

    producers = ()
    mesh_file = iris_file = "mesh"

    def __init__(self, breaks: str = "", error: Exception | None = None) -> None:
        self.breaks, self.error = breaks, error
        self.ways = [Look("detector", self.search, search_all=self.search_all)]

    def reader(self) -> FaceReader:
        part: Any = self
        return FaceReader(
            FaceParts(
                detector=part,
                mesh=part,
                head_pose=part,
                gaze=SimpleNamespace(
                    producers=(), estimate=lambda image, mesh, irises: self.look(image)
                ),
                embedder=part,
                liveness=part,
                producers={},
            )
        )

    def step(self, name: str, image: Image) -> None:
        if name in self.breaks.split() and self.error is not None and image.flat[0] == BAD:
            raise self.error

    def looks(self, *, search_small: bool) -> Sequence[Look]:
        return self.ways

    def search(self, image: Image) -> list[DetectedFace]:
        self.step("search", image)
        return [face(20, 20, 40, 40)]

    def search_all(self, images: Sequence[Image]) -> list[list[DetectedFace]]:
        return [self.search(image) for image in images]

    def fit(self, image: Image, region: Region) -> FaceMesh:
        self.step("fit", image)
        middle = np.array([region.x, region.y, 0])
        is_there = np.allclose(middle[:2], 0.4 * SIDE, atol=SIDE / 50)
        return FaceMesh(middle + SPREAD * region.width / 1.5, 1.0 if is_there else 0.1)

    def irises(self, image: Image, mesh: FaceMesh) -> Irises:
        self.step("irises", image)
        return Irises((1.0, 1.0), (2.0, 1.0))

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        self.step("head", image)
        return HeadPose(0.0, 0.0, 0.0)

    def estimate_all(self, faces: Sequence[tuple[Image, FaceMesh]]) -> list[HeadPose]:
        return [self.estimate(*each) for each in faces]

    def look(self, image: Image) -> Gaze | None:
        self.step("gaze", image)
        return None

    def chip(self, image: Image, points: object) -> Image:
        self.step("chip", image)
        return image

    def embed(self, chips: Sequence[Image]) -> list[Any]:
        for chip in chips:
            self.step("embed", chip)
        return [np.ones(4, np.float32) for _ in chips]

    def probability(self, image: Image, box: object) -> float:
        self.step("live", image)
        return 0.9


STEPS = (
    "head gaze chip embed live",
    "search",
    "fit",
    "irises",
    "head",
    "gaze",
    "chip",
    "embed",
    "live",
)
ASKS = [FaceAsk(picture=picture(each), embed=True) for each in (GOOD, BAD, GOOD)]


@pytest.mark.parametrize("error", [cv2.error("!dst.empty()"), ValueError("cannot convert NaN")])
@pytest.mark.parametrize("step", STEPS)
def test_a_picture_that_cannot_be_cropped_is_its_own_ask_s_fault(
    step: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Parts(step, error).reader().read_all(ASKS)
    assert [each.fault for each in answers] == [None, Fault.MODEL_OUTPUT_INVALID, None]
    assert answers[1].faces == ()
    for answer in (answers[0], answers[2]):
        [found] = answer.faces
        assert found.is_confirmed and found.embedding is not None and found.live == 0.9
    [told] = caplog.records
    assert told.levelno == logging.WARNING and told.__dict__["error"] == type(error).__name__


def test_measures_that_cannot_be_taken_are_a_fault_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def measures(image: Image, box: object) -> tuple[float, float]:
        if image.flat[0] == BAD:
            raise cv2.error("empty")
        return 1.0, 1.0

    monkeypatch.setattr("models.face.reader.face_measures", measures)
    answers = Parts().reader().read_all(ASKS)
    assert [each.fault for each in answers] == [None, Fault.MODEL_OUTPUT_INVALID, None]


@pytest.mark.parametrize("step", STEPS)
def test_an_outage_is_everybody_s(step: str) -> None:
    with pytest.raises(PerceptionUnavailable):
        Parts(step, PerceptionUnavailable("the server is away")).reader().read_all(ASKS)


def test_a_tile_s_face_that_replaces_two_lets_no_unconfirmed_one_in() -> None:
    parts = Parts()
    halves = [face(20, 20, 20, 40), face(40, 20, 20, 40)]
    tile = [face(20, 20, 40, 40), face(75, 75, 10, 10)]
    elsewhere = face(5, 80, 10, 10)
    parts.ways = [
        Look("whole", lambda _: [*halves, elsewhere]),
        Look("tiles", lambda _: tile, only_confirmed=True),
    ]
    found = parts.reader().read(FaceAsk(picture=picture(GOOD))).faces
    assert [each.is_confirmed for each in found] == [True, False]
    assert found[1].box.left == pytest.approx(0.05), "what the whole picture showed stays"
