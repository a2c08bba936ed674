"""Labelled media: gaze, crowds, enrolment pictures. Skipped only without PROCTOR_MEDIA."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.accuracy_verification import measure, read_people
from models.catalogue import Catalogue, match_calibration
from models.in_process import InProcessPerception
from models.selection import select
from proctor.domain.perception import FaceAsk
from proctor.identity.quality import set_is_consistent

pytestmark = [pytest.mark.weights, pytest.mark.media]

FRAMES_PER_SECOND = 4


def clip(path: Path) -> list[tuple[float, bytes]]:
    """(seconds, JPEG) four times a second, upright, half size."""
    video = cv2.VideoCapture(str(path))
    rate = video.get(cv2.CAP_PROP_FPS)
    step = round(rate / FRAMES_PER_SECOND)
    frames = []
    count = 0
    while True:
        more, frame = video.read()
        if not more:
            break
        if count % step == 0:
            small = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            assert small.shape[0] > small.shape[1], "the rotation tag was not followed"
            frames.append((count / rate, cv2.imencode(".jpg", small)[1].tobytes()))
        count += 1
    video.release()
    return frames


async def test_a_look_to_the_left_stands_apart_from_centre(
    perception: InProcessPerception, media: Path
) -> None:
    frames = clip(media / "video" / "gaze_center_left_center.mp4")
    answers = await perception.faces([FaceAsk(picture=picture) for _, picture in frames])
    yaws = []
    for answer in answers:
        (face,) = [face for face in answer.faces if face.is_confirmed]
        assert face.gaze is not None and face.head is not None
        assert abs(face.head.yaw_deg) < 10
        yaws.append(face.gaze.yaw_deg)
    seconds, yaw = np.array([at for at, _ in frames]), np.array(yaws)
    base = np.median(yaw[seconds < 3])
    away = np.abs(yaw - base)
    assert away[(seconds >= 6) & (seconds < 10)].min() > 14
    assert away[(seconds < 5) | (seconds >= 11)].max() < 12
    assert np.median(yaw[(seconds >= 6) & (seconds < 10)]) == pytest.approx(-19, abs=3)


async def test_centre_alone_never_looks_away(perception: InProcessPerception, media: Path) -> None:
    frames = clip(media / "video" / "gaze_center_focus.mp4")
    answers = await perception.faces([FaceAsk(picture=picture) for _, picture in frames])
    yaw = [face.gaze.yaw_deg for answer in answers for face in answer.faces if face.gaze]
    assert len(yaw) >= 0.95 * len(frames)
    assert np.abs(np.array(yaw) - np.median(yaw[:12])).max() < 12


async def test_tiles_find_a_crowd(perception: InProcessPerception, media: Path) -> None:
    picture = (media / "images" / "detect" / "solvay_conference_1927.png").read_bytes()
    whole, tiled = await perception.faces(
        [FaceAsk(picture=picture), FaceAsk(picture=picture, search_small=True)]
    )
    found = [sum(face.is_confirmed for face in answer.faces) for answer in (whole, tiled)]
    assert found[0] <= 3
    assert 27 <= found[1] <= 29


@pytest.fixture
def twenty_people(media: Path, tmp_path: Path) -> Path:
    """A folder with the first twenty people who have eight pictures or more."""
    folders = [
        each
        for each in sorted((media / "images" / "lfw").iterdir())
        if len(list(each.glob("*.jpg"))) >= 8
    ]
    for folder in folders[:20]:
        (tmp_path / folder.name).symlink_to(folder, target_is_directory=True)
    return tmp_path


async def test_enrolment_pictures_pass_and_people_are_told_apart(
    perception: InProcessPerception, twenty_people: Path, catalogue: Catalogue
) -> None:
    _, calibration = match_calibration(select(), catalogue)
    people = await read_people(perception, twenty_people)
    good = sum(len(rows) for rows in people.embeddings.values())
    assert good >= 0.85 * people.pictures, people.refused
    rates = measure(people.embeddings, calibration)
    assert rates.people[0] >= 15
    assert rates.genuine["match"] > 0.93
    assert rates.genuine["no_match"] < 0.005
    assert rates.impostor["match"] < 0.005
    assert rates.impostor["no_match"] > 0.95
    assert all(set_is_consistent(rows[:3], calibration) for rows in people.embeddings.values())
