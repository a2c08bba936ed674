import hashlib

import cv2
import numpy as np
import pytest

from proctor.domain.media import Image, frozen
from proctor.services.host.picture import (
    MOVED_CHANGE,
    STILL_CHANGE,
    StillWatch,
    judged,
    measure,
    small_luma,
)
from tests.fakes.media_peers import COVERED, ROOM, Lens

SAME = STILL_CHANGE / 10
NOISE = STILL_CHANGE * 10
MOVED = MOVED_CHANGE * 2


def plain(value: int, width: int = 320, height: int = 240) -> Image:
    return np.asarray(frozen(np.full((height, width, 3), value, np.uint8)))


def test_brightness_contrast_and_detail() -> None:
    white, black = (measure(small_luma(plain(value)), None) for value in (255, 0))
    assert white.brightness == pytest.approx(1.0)
    assert (white.contrast, white.detail) == (0.0, 0.0)
    assert black.brightness == 0.0
    room = measure(small_luma(ROOM.picture()), None)
    assert room.brightness == pytest.approx(120 / 255, abs=0.02)
    assert room.contrast == pytest.approx(80 / 255, abs=0.03)
    blurred = measure(small_luma(cv2.GaussianBlur(ROOM.picture(), (41, 41), 0)), None)
    assert room.detail > 10 * blurred.detail > 0


def test_change_is_the_mean_difference_to_the_picture_before() -> None:
    before = small_luma(plain(100))
    assert measure(before, None).change is None
    assert measure(small_luma(plain(151)), before).change == pytest.approx(51 / 255)
    assert measure(small_luma(plain(100, 640, 480)), before).change == 0.0
    assert measure(small_luma(plain(100, 100, 240)), before).change is None


def test_noise_shows_in_the_measures_and_a_stopped_camera_shows_none() -> None:
    live = measure(small_luma(ROOM.picture()), small_luma(ROOM.picture())).change
    stopped = Lens(noise=0)
    still = measure(small_luma(stopped.picture()), small_luma(stopped.picture())).change
    assert live is not None and live > STILL_CHANGE
    assert still == 0.0


def test_a_covered_lens_has_no_contrast_and_no_detail() -> None:
    covered = measure(small_luma(COVERED.picture()), None)
    assert covered.brightness < 0.05 and covered.contrast < 0.01 and covered.detail < 2e-4


def test_pictures_are_not_written_to() -> None:
    picture = ROOM.picture()
    assert not picture.flags.writeable
    judged(picture, 0)
    assert not small_luma(picture).flags.writeable


@pytest.mark.parametrize(
    ("size", "judged_size"), [((320, 240), (320, 240)), ((1280, 720), (640, 360))]
)
def test_the_judged_picture_is_a_jpeg_of_bounded_width_in_the_right_colours(
    size: tuple[int, int], judged_size: tuple[int, int]
) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, :, 0] = 200
    picture = judged(np.asarray(frozen(image)), captured_ms=4_321)
    assert picture.digest == hashlib.sha256(picture.jpeg).hexdigest()
    assert picture.captured_ms == 4_321
    seen = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert (seen.shape[1], seen.shape[0]) == judged_size
    blue, green, red = seen[10, 10]
    assert red > 190 and green < 10 and blue < 10


def stillness(changes: list[float | None], every_ms: int = 200) -> list[int]:
    watch = StillWatch()
    return [watch.observe(change, at * every_ms) for at, change in enumerate(changes)]


@pytest.mark.parametrize(
    ("story", "changes", "expected"),
    [
        ("a live camera", [None] + [NOISE] * 20, 0),
        ("three repeats in a row happen to a live camera", [NOISE, SAME, SAME, SAME] * 5, 0),
        ("a stopped camera", [None] + [SAME] * 20, 19 * 200),
        ("the codec's refresh does not end it", [SAME] * 10 + [NOISE] * 4 + [SAME], 14 * 200),
        ("a refresh that goes on does", [SAME] * 10 + [NOISE] * 5, 0),
        ("movement ends it at once", [SAME] * 10 + [MOVED], 0),
        ("and it begins anew after", [SAME] * 10 + [MOVED] + [SAME] * 6, 5 * 200),
        ("nothing can be said of a flat picture", [SAME] * 10 + [None], 0),
        ("under a second nothing is said", [None] + [SAME] * 5, 0),
    ],
)
def test_a_stopped_camera_is_told_from_a_quiet_room(
    story: str, changes: list[float | None], expected: int
) -> None:
    assert stillness(changes)[-1] == expected, story


def test_a_high_rate_alone_does_not_make_a_camera_still() -> None:
    assert stillness([SAME] * 20, every_ms=40)[-1] == 0
