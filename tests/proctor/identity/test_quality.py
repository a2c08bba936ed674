"""Each reason alone, several together, and sets of pictures."""

from dataclasses import replace

import numpy as np
import pytest

from proctor.domain.candidates import QualityReason
from proctor.domain.geometry import Box, HeadPose
from proctor.domain.perception import FaceAnswer, FaceReading, Fault
from proctor.identity.matching import MatchCalibration
from proctor.identity.quality import picture_reasons, set_is_consistent

GOOD = FaceReading(
    box=Box(0.3, 0.2, 0.4, 0.5),
    score=0.9,
    presence=0.99,
    width_px=96.0,
    sharpness=60.0,
    brightness=0.5,
    head=HeadPose(3.0, 5.0, 1.0),
    gaze=None,
    eyes_open=0.3,
    mouth_open=0.02,
)
CALIBRATION = MatchCalibration(
    metric="l2", slope=20.0, midpoint=0.6, match_above=0.9, no_match_below=0.1, fmr=1e-3
)


def answer(*faces: FaceReading, fault: Fault | None = None) -> FaceAnswer:
    return FaceAnswer(faces=faces, producers=(), fault=fault)


def test_a_good_picture_has_no_reasons() -> None:
    assert picture_reasons(answer(GOOD)) == ()


@pytest.mark.parametrize(
    ("face", "reason"),
    [
        (replace(GOOD, width_px=59.0), QualityReason.TOO_SMALL),
        (replace(GOOD, sharpness=9.0), QualityReason.BLURRED),
        (replace(GOOD, brightness=0.07), QualityReason.DARK),
        (replace(GOOD, head=HeadPose(-36.0, 0.0, 0.0)), QualityReason.TURNED_AWAY),
        (replace(GOOD, head=HeadPose(36.0, 0.0, 0.0)), QualityReason.TURNED_AWAY),
        (replace(GOOD, head=None), QualityReason.TURNED_AWAY),
    ],
)
def test_each_fault_of_a_face_is_named(face: FaceReading, reason: QualityReason) -> None:
    assert picture_reasons(answer(face)) == (reason,)


def test_no_face_and_a_box_without_a_mesh_are_told_alike() -> None:
    assert picture_reasons(answer()) == (QualityReason.NONE,)
    assert picture_reasons(answer(replace(GOOD, presence=0.4))) == (QualityReason.NONE,)


def test_a_second_face_counts_when_it_is_near() -> None:
    beside, far = replace(GOOD, width_px=50.0), replace(GOOD, width_px=30.0)
    assert picture_reasons(answer(GOOD, beside)) == (QualityReason.SEVERAL,)
    assert picture_reasons(answer(GOOD, far)) == ()
    assert picture_reasons(answer(GOOD, replace(beside, presence=0.3))) == ()


def test_half_the_light_alone_does_not_read_as_blurred() -> None:
    assert picture_reasons(answer(replace(GOOD, brightness=0.25, sharpness=60.0 / 4))) == ()


def test_all_reasons_are_told_together() -> None:
    poor = replace(GOOD, width_px=40.0, sharpness=0.01, brightness=0.05)
    assert set(picture_reasons(answer(poor))) == {
        QualityReason.TOO_SMALL,
        QualityReason.BLURRED,
        QualityReason.DARK,
    }


@pytest.mark.parametrize("fault", list(Fault))
def test_a_picture_without_an_answer_is_unreadable(fault: Fault) -> None:
    assert picture_reasons(answer(fault=fault)) == (QualityReason.UNREADABLE,)


def test_one_strange_picture_makes_a_set_inconsistent() -> None:
    one = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1]], np.float32)
    assert set_is_consistent(one, CALIBRATION)
    strange = np.concatenate([one, np.array([[1.0, 1.0]], np.float32)])
    assert not set_is_consistent(strange, CALIBRATION)
