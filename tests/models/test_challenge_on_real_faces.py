"""A challenge by the real models: turned, tilted and nearer faces of real people, mirrored and cut.

The turned pictures are real. A tilt is the picture turned about its middle and coming closer is a part
of it, which is what a camera would see; looking up is only checked on the labelled pictures.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue, match_calibration
from models.in_process import InProcessPerception
from models.selection import select
from proctor.domain.challenges import Step
from proctor.domain.errors import ChallengeRefused
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk
from proctor.identity.challenge import Neutral, Posed, follows
from proctor.identity.quality import picture_reasons
from proctor.services.challenges import Challenges
from proctor.services.enroll import ChallengeAnswer, Enroll
from proctor.services.looking import FaceLook
from proctor.services.pictures import PictureDesk
from tests.contract import samples
from tests.fakes.clock import FakeClock
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.live_state import FakeLiveState
from tests.fakes.stores import (
    FakeCandidateStore,
    FakeDatabase,
    FakeExamStore,
    FakeSessionStore,
)

pytestmark = [pytest.mark.weights, pytest.mark.media]

PEOPLE = 3
AHEAD_DEG, TURNED_DEG = 8.0, 28.0


@dataclass(frozen=True)
class Sitter:
    """Somebody of whom there are pictures straight ahead and one that is turned to their left."""

    ahead: list[Image]
    turned: Image


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def read(path: Path) -> Image:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def tilted(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def nearer(image: Image) -> Image:
    height, width = image.shape[:2]
    cut = image[height // 6 : -height // 6, width // 6 : -width // 6]
    return np.asarray(cv2.resize(cut, (width, height)), np.uint8)


@pytest.fixture
async def sitters(perception: InProcessPerception, media: Path) -> list[Sitter]:
    """The first three people of LFW who can be found so."""
    found: list[Sitter] = []
    for folder in sorted((media / "images" / "lfw").iterdir()):
        paths = sorted(folder.glob("*.jpg"))[:12]
        if len(paths) < 7:
            continue
        asks = [FaceAsk(picture=path.read_bytes()) for path in paths]
        ahead: list[Path] = []
        turned: list[tuple[Path, float]] = []
        for path, answer in zip(paths, await perception.faces(asks), strict=True):
            head = answer.faces[0].head if answer.faces else None
            if head is not None and abs(head.yaw_deg) < AHEAD_DEG and not picture_reasons(answer):
                ahead.append(path)
            elif head is not None and TURNED_DEG < abs(head.yaw_deg) < 50:
                turned.append((path, head.yaw_deg))
        if len(ahead) >= 3 and turned:
            path, yaw = turned[0]
            # yaw > 0 points to the right edge of the picture: to the sitter's left
            image = read(path) if yaw > 0 else mirrored(read(path))
            found.append(Sitter([read(each) for each in ahead[:3]], image))
        if len(found) == PEOPLE:
            return found
    raise AssertionError("the folder holds too few people with turned pictures")


class Fixed:
    """Chooses the steps that a test wants."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)

    def sample(self, _population: Sequence[Step], _count: int) -> list[Step]:
        return self._steps


async def try_challenge(
    perception: InProcessPerception,
    models_dir: Path,
    steps: Sequence[Step],
    ahead: Sequence[Image],
    shown: Sequence[Image],
) -> Any:
    """Enrol with one picture for each step."""
    clock, database = FakeClock(), FakeDatabase()
    candidates, live = FakeCandidateStore(database), FakeLiveState(clock)
    exams, sessions = FakeExamStore(database), FakeSessionStore(database)
    model, calibration = match_calibration(select("embedded"), Catalogue(models_dir))
    fixed: Any = Fixed(steps)
    challenges = Challenges(candidates, sessions, exams, live, clock, fixed)
    enroll = Enroll(
        candidates,
        FakeFaceIndex(),
        FaceLook(perception, PictureDesk(), model),
        model,
        calibration,
        clock,
        challenges,
    )
    candidate = samples.candidate()
    await exams.ensure_tenant(candidate.tenant_id, "Acme")
    await candidates.add_candidate(candidate)
    await candidates.add_consent(samples.consent())
    who = (candidate.tenant_id, candidate.candidate_id)
    made = await challenges.issue(*who)
    answer = ChallengeAnswer(nonce=made.nonce, pictures=tuple((jpeg(image),) for image in shown))
    return await enroll(*who, [jpeg(image) for image in ahead], answer=answer)


async def test_real_people_pass_and_mirrored_or_other_people_do_not(
    perception: InProcessPerception, models_dir: Path, sitters: list[Sitter]
) -> None:
    steps = (Step.TURN_LEFT, Step.TILT, Step.COME_CLOSER)
    for at, sitter in enumerate(sitters):
        tilt, near = tilted(sitter.ahead[1], 18), nearer(sitter.ahead[2])
        shown = [sitter.turned, tilt, near]
        done = await try_challenge(perception, models_dir, steps, sitter.ahead, shown)
        assert done.pictures == 3

        swapped = [tilt, mirrored(sitter.turned), near]
        with pytest.raises(ChallengeRefused) as refused:
            await try_challenge(perception, models_dir, steps, sitter.ahead, swapped)
        assert refused.value.steps == (("wrong_order",), ("wrong_step",), ())

        others = [sitters[at - 1].turned, tilt, near]
        with pytest.raises(ChallengeRefused) as refused:
            await try_challenge(perception, models_dir, steps, sitter.ahead, others)
        assert refused.value.steps == (("other_person",), (), ())

        still = [np.roll(each, 1, axis=1) for each in sitter.ahead]
        with pytest.raises(ChallengeRefused) as refused:
            await try_challenge(perception, models_dir, steps, sitter.ahead, still)
        assert refused.value.steps == (("not_followed",),) * 3


async def test_labelled_heads_follow_the_step_that_their_label_says(
    perception: InProcessPerception, media: Path
) -> None:
    neutral = Neutral(yaw_deg=0.0, pitch_deg=5.0, roll_deg=0.0, width=0.5)
    checked = 0
    with (media / "labels" / "headpose_aflw2000.csv").open() as labels:
        for row in csv.DictReader(labels):
            picture = (media / "images" / "aflw2000" / row["file"]).read_bytes()
            (answer,) = await perception.faces([FaceAsk(picture=picture)])
            head = next((face.head for face in answer.faces if face.is_confirmed), None)
            if head is None:
                continue
            left = -float(
                row["yaw_deg"]
            )  # the label's yaw > 0 is the nose to the left of the picture
            does = {
                step: follows(step, Posed(head=head, width=0.5), neutral)
                for step in (Step.TURN_LEFT, Step.TURN_RIGHT)
            }
            if abs(left) > 22:
                checked += 1
                assert does == {Step.TURN_LEFT: left > 0, Step.TURN_RIGHT: left < 0}
            elif abs(left) < 8:
                checked += 1
                assert not any(does.values())
    assert checked >= 5
