"""What a face model answered is checked before it becomes a fact."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose
from proctor.domain.perception import BodyAnswer, FaceAnswer, FaceReading
from proctor.sensing.limits import BodyLimits
from proctor.services.host.facts import is_upright, is_usable_face
from tests.fakes.perception import DETECTOR

GOOD = FaceReading(
    box=Box(0.3, 0.2, 0.3, 0.4),
    score=0.9,
    presence=0.97,
    width_px=96.0,
    sharpness=300.0,
    brightness=0.5,
    head=HeadPose(0.0, 0.0, 0.0),
    gaze=Gaze(0.0, 0.0),
    eyes_open=0.3,
    mouth_open=0.05,
)


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["eyes_open", "mouth_open", "roll", "yaw", "gaze"])
def test_no_number_that_is_none_is_passed_on(name: str, number: float) -> None:
    changes: Mapping[str, Mapping[str, object]] = {
        "eyes_open": {"eyes_open": number},
        "mouth_open": {"mouth_open": number},
        "roll": {"head": HeadPose(0.0, 0.0, number)},
        "yaw": {"head": HeadPose(number, 0.0, 0.0)},
        "gaze": {"gaze": Gaze(0.0, number)},
    }
    bad = replace(GOOD, **changes[name])
    assert not is_usable_face(FaceAnswer(faces=(GOOD, bad), producers=(DETECTOR,)))


def test_a_face_without_a_mesh_is_usable() -> None:
    bare = replace(GOOD, head=None, gaze=None, eyes_open=None, mouth_open=None)
    assert is_usable_face(FaceAnswer(faces=(GOOD, bare), producers=(DETECTOR,)))


@pytest.mark.parametrize(
    ("story", "points", "expected"),
    [
        ("nobody was found", None, False),
        ("in the middle", (BodyPoint(0.5, 0.3, 0.9),), True),
        ("near the edge", (BodyPoint(0.12, 0.3, 0.9),), False),
        ("hardly visible", (BodyPoint(0.5, 0.3, 0.2),), False),
    ],
)
def test_a_body_is_plainly_there_only_well_inside(
    story: str, points: tuple[BodyPoint, ...] | None, expected: bool
) -> None:
    answer = BodyAnswer(points=points, producers=())
    assert is_upright(answer, BodyLimits()) is expected, story
