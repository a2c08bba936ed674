"""The whole pack on one real picture that everybody can fetch."""

import asyncio
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from models.in_process import InProcessPerception
from proctor.domain.media import Image
from proctor.domain.perception import BodyAsk, FaceAnswer, FaceAsk, FaceReading, Fault
from proctor.identity.quality import picture_reasons

pytestmark = pytest.mark.weights

FACE_PX = 94
"""Width of the face in the 512 px picture."""


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def near(image: Image, share: float, width: int = 640, height: int = 480) -> Image:
    """The face filling this share of the width of a picture, in its middle."""
    scale = share * width / FACE_PX
    centre = np.array([225.0, 123.0])
    shift = np.array([width / 2, height / 2]) - scale * centre
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def with_second(image: Image, width_px: int) -> Image:
    """A near face of 25 % of the width, and beside it another of `width_px`."""
    room = np.roll(near(image, 0.25), -160, axis=1)
    room[:, 400:] = (96, 104, 112)
    head = image[50:220, 140:310]
    side = round(170 * width_px / FACE_PX)
    room[60 : 60 + side, 480 : 480 + side] = cv2.resize(
        head, (side, side), interpolation=cv2.INTER_AREA
    )
    return room


async def read(perception: InProcessPerception, image: Image, **ask: object) -> FaceAnswer:
    (answer,) = await perception.faces([FaceAsk(picture=jpeg(image), **ask)])
    return answer


def confirmed(answer: FaceAnswer) -> list[FaceReading]:
    return [face for face in answer.faces if face.is_confirmed]


async def test_the_portrait_is_read(perception: InProcessPerception, astronaut: Image) -> None:
    answer = await read(perception, astronaut, embed=True)
    (face,) = answer.faces
    assert face.presence > 0.99 and face.score > 0.8
    assert face.width_px == pytest.approx(FACE_PX, abs=3)
    assert face.box.centre == pytest.approx((0.44, 0.24), abs=0.01)
    assert face.head is not None and face.gaze is not None
    assert face.head.yaw_deg == pytest.approx(-1.6, abs=4)
    assert face.head.roll_deg == pytest.approx(2.9, abs=2)
    assert abs(face.gaze.yaw_deg) < 6
    assert face.eyes_open is not None and face.eyes_open > 0.25
    assert face.embedding is not None and face.embedding.shape == (128,)
    assert np.linalg.norm(face.embedding) == pytest.approx(1.45, abs=0.15)
    assert picture_reasons(answer) == ()
    assert [p.model for p in answer.producers] == [
        "face-detection-short", "face-mesh", "iris", "face-embedding",
    ]  # fmt: skip
    assert answer.detected and answer.fault is None


async def test_nothing_is_embedded_unasked(
    perception: InProcessPerception, astronaut: Image
) -> None:
    answer = await read(perception, astronaut)
    assert all(face.embedding is None for face in answer.faces)
    assert "face-embedding" not in [p.model for p in answer.producers]


@pytest.mark.parametrize("share", [0.12, 0.25, 0.4, 0.6, 0.8])
async def test_near_and_far_faces_are_found(
    perception: InProcessPerception, astronaut: Image, share: float
) -> None:
    face, *_ = confirmed(await read(perception, near(astronaut, share)))
    assert face.width_px == pytest.approx(share * 640, rel=0.1)
    assert face.box.centre == pytest.approx((0.5, 0.5), abs=0.05)


@pytest.mark.parametrize("width_px", [28, 48, 64])
async def test_a_small_second_face_is_found_when_searched_for(
    perception: InProcessPerception, astronaut: Image, width_px: int
) -> None:
    room = with_second(astronaut, width_px)
    first, second = confirmed(await read(perception, room, search_small=True))
    assert first.width_px == pytest.approx(160, rel=0.1)
    assert second.width_px == pytest.approx(width_px, rel=0.2)
    assert second.gaze is None and second.embedding is None


async def test_mirroring_turns_yaw_and_roll_around(
    perception: InProcessPerception, astronaut: Image
) -> None:
    here = (await read(perception, astronaut)).faces[0]
    there = (await read(perception, np.ascontiguousarray(astronaut[:, ::-1]))).faces[0]
    assert here.head is not None and there.head is not None
    assert there.head.yaw_deg == pytest.approx(-here.head.yaw_deg, abs=4)
    assert there.head.roll_deg == pytest.approx(-here.head.roll_deg, abs=2)
    assert there.head.pitch_deg == pytest.approx(here.head.pitch_deg, abs=4)


@pytest.mark.parametrize("turn_deg", [-30, -15, 15, 30])
async def test_roll_follows_the_picture(
    perception: InProcessPerception, astronaut: Image, turn_deg: float
) -> None:
    matrix = cv2.getRotationMatrix2D((225, 123), -turn_deg, 1.0)  # OpenCV turns counter-clockwise
    face, *_ = confirmed(await read(perception, cv2.warpAffine(astronaut, matrix, (512, 512))))
    assert face.head is not None
    assert face.head.roll_deg == pytest.approx(2.9 + turn_deg, abs=4)


async def test_a_track_saves_the_detector_and_reads_the_same(
    perception: InProcessPerception, astronaut: Image
) -> None:
    found = (await read(perception, astronaut)).faces[0]
    answer = await read(perception, astronaut, track=found.region)
    face = answer.faces[0]
    assert not answer.detected
    # the short-range network signs for the head pose, which has its key points from it
    assert [p.model for p in answer.producers] == ["face-detection-short", "face-mesh", "iris"]
    assert face.box.overlap(found.box) > 0.9
    assert found.gaze is not None and face.gaze is not None
    assert face.gaze.yaw_deg == pytest.approx(found.gaze.yaw_deg, abs=3)


async def test_eyes_that_look_as_they_did_keep_their_irises(
    perception: InProcessPerception, astronaut: Image
) -> None:
    found = (await read(perception, astronaut)).faces[0]
    assert found.eyes is not None
    shifted = np.roll(astronaut, 6, axis=1)
    again = (await read(perception, shifted, track=found.region, eyes=found.eyes)).faces[0]
    assert again.eyes is found.eyes, "the memory stays that of the placing"
    anew = (await read(perception, shifted, track=found.region)).faces[0]
    assert anew.eyes is not found.eyes
    assert again.gaze is not None and anew.gaze is not None
    assert again.gaze.yaw_deg == pytest.approx(anew.gaze.yaw_deg, abs=4)


async def test_a_lost_track_falls_back_to_the_detector(
    perception: InProcessPerception, astronaut: Image
) -> None:
    found = (await read(perception, astronaut)).faces[0]
    moved = np.roll(astronaut, 250, axis=1)
    answer = await read(perception, moved, track=found.region)
    assert answer.detected
    (face,) = confirmed(answer)
    assert face.box.left == pytest.approx(found.box.left + 250 / 512, abs=0.02)


def spoilt(image: Image) -> Sequence[tuple[str, Image, float]]:
    dark = (image * 0.35).astype(np.uint8)
    small = cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    return (
        ("mirrored", np.ascontiguousarray(image[:, ::-1]), 0.1),
        ("dark", dark, 0.2),
        ("small", small, 0.2),
        ("large", cv2.resize(image, None, fx=2.5, fy=2.5), 0.15),
    )


async def test_an_embedding_survives_what_a_camera_does(
    perception: InProcessPerception, astronaut: Image
) -> None:
    clean = (await read(perception, astronaut, embed=True)).faces[0].embedding
    assert clean is not None
    for name, image, limit in spoilt(astronaut):
        vector = (await read(perception, image, embed=True)).faces[0].embedding
        assert vector is not None
        assert np.linalg.norm(vector - clean) < limit, name


async def test_quality_reasons_of_spoilt_pictures(
    perception: InProcessPerception, astronaut: Image
) -> None:
    cases = {
        "none": np.full((480, 640, 3), 128, np.uint8),
        "several": np.concatenate([astronaut, astronaut], axis=1),
        "too_small": cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "blurred": cv2.GaussianBlur(astronaut, (0, 0), 3),
        "dark": (astronaut * 0.1).astype(np.uint8),
    }
    for reason, image in cases.items():
        assert reason in picture_reasons(await read(perception, image)), reason


async def test_a_bad_picture_spoils_only_its_own_answer(
    perception: InProcessPerception, astronaut: Image
) -> None:
    good = FaceAsk(picture=jpeg(astronaut))
    first, bad, last = await perception.faces([good, FaceAsk(picture=b"\xff\xd8no"), good])
    assert bad.fault is Fault.PICTURE_UNREADABLE and bad.faces == ()
    assert first.faces[0].box == last.faces[0].box
    none, some = await perception.bodies([BodyAsk(picture=b""), BodyAsk(picture=good.picture)])
    assert none.fault is Fault.PICTURE_UNREADABLE
    assert some.fault is None and some.points is not None


async def test_the_body_is_placed(perception: InProcessPerception, astronaut: Image) -> None:
    answer, nobody = await perception.bodies(
        [
            BodyAsk(picture=jpeg(astronaut)),
            BodyAsk(picture=jpeg(np.full((480, 640, 3), 128, np.uint8))),
        ]
    )
    assert nobody.points is None and nobody.fault is None
    assert answer.points is not None and len(answer.points) == 33
    nose, left_shoulder, right_shoulder = (answer.points[at] for at in (0, 11, 12))
    assert (nose.x, nose.y) == pytest.approx((0.43, 0.25), abs=0.03)
    assert (right_shoulder.x, right_shoulder.y) == pytest.approx((0.23, 0.44), abs=0.05)
    assert (left_shoulder.x, left_shoulder.y) == pytest.approx((0.6, 0.47), abs=0.05)
    assert min(nose.visibility, left_shoulder.visibility, right_shoulder.visibility) > 0.9


async def test_the_loop_runs_on_while_models_work(
    perception: InProcessPerception, astronaut: Image
) -> None:
    ask = FaceAsk(picture=jpeg(astronaut), embed=True, search_small=True)
    working = asyncio.ensure_future(perception.faces([ask] * 8))
    steps = 0
    while not working.done():
        await asyncio.sleep(0.001)
        steps += 1
    assert len(await working) == 8
    assert steps > 20
