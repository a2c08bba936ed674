"""How pictures follow one another: what a camera makes, and what is played again, doubled or drawn."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.candidate.pictures import Clip, Moved, Seated
from bench.candidate.stills import empty_room, load_still, people_of
from models.catalogue import default_dir, media_file
from proctor.domain.media import Image, PictureOrigin
from proctor.domain.observations import FootageSeen
from proctor.sensing.limits import PictureLimits
from proctor.services.host.camera import Camera
from proctor.services.host.footage import HISTORY, BeatWatch, DoubleWatch, Footage, RepeatWatch
from proctor.settings import Settings
from tests.fakes.media_peers import ROOM, Lens

EVERY_MS = 200


class Actor:
    """Something bright that moves about a room as a person does: never twice the same way."""

    def __init__(self, seed: int = 0, noise: float = 2.0) -> None:
        self._noise, self._random = noise, np.random.default_rng(seed)
        shape = (31, 240, 320, 3)  # of pictures with noise of their own, in another order each time
        self._grain = (self._random.standard_normal(shape, np.float32) * noise).astype(np.float16)
        bell = np.hanning(17) / np.sqrt(np.square(np.hanning(17)).sum())
        walks = [np.convolve(self._random.normal(0, 1, 4_000), bell, "same") for _ in "xy"]
        self._x, self._y = 70 + 25 * walks[0], 50 + 15 * walks[1]
        self._room = cv2.resize(empty_room(3), (320, 240), interpolation=cv2.INTER_AREA)

    def at(self, index: float) -> Image:
        """As at a moment, in pictures; another call has other sensor noise."""
        picture = self._room.copy()
        x, y = (float(np.interp(index, np.arange(4_000), walk)) for walk in (self._x, self._y))
        cv2.ellipse(picture, (int(60 + x), int(90 + y)), (55, 70), 0, 0, 360, (214, 170, 140), -1)
        if not self._noise:
            return picture
        noisy = picture + self._grain[self._random.integers(31)].astype(np.float32)
        return np.clip(noisy, 0, 255).astype(np.uint8)


def play(pictures: Iterable[Image], ticks: Sequence[int] | None = None) -> list[FootageSeen]:
    """What a camera's host tells of these pictures at 5 fps, with the network's jitter."""
    camera, told = Camera(PictureLimits(), 1_000), []
    late = np.random.default_rng(5).uniform(-15, 15, 100_000)
    for at, picture in enumerate(pictures):
        origin = PictureOrigin("VP8", ticks[at] if ticks is not None else at)
        seen = camera.look(picture, int(1_000 + at * EVERY_MS + late[at]), origin)
        told += [each for each in seen if isinstance(each, FootageSeen)]
    return told


def worst(told: Sequence[FootageSeen]) -> tuple[int, float, float]:
    """The most that was told: repeated ms, share sent twice, share without noise."""
    return (
        max(seen.repeated_ms for seen in told),
        max(seen.double_share for seen in told),
        max(seen.noiseless_share or 0.0 for seen in told),
    )


def test_somebody_who_moves_about_for_three_minutes_is_nothing() -> None:
    actor = Actor()
    told = play(actor.at(index) for index in range(900))
    assert worst(told) == (0, 0.0, 0.0)
    assert told[-1].noiseless_share == 0.0, "it was looked at"
    assert all(4_900 < b.observed_ms - a.observed_ms < 5_300 for a, b in pairwise(told))


def test_a_stretch_that_comes_again_is_told_with_its_period() -> None:
    actor, period = Actor(1), 73.4  # pictures: a loop need not last a whole number of them
    told = play(actor.at(index % period) for index in range(300))
    first = next(seen for seen in told if seen.repeated_ms)
    # 12 s of the second turn are compared before anything is said
    assert 73.4 * 0.2 + 12 <= first.observed_ms / 1000 - 1 <= 73.4 * 0.2 + 12 + 7
    assert first.period_ms == pytest.approx(73.4 * EVERY_MS, abs=60)
    assert told[-1].repeated_ms > 30_000


def test_it_is_over_when_the_live_camera_is_back() -> None:
    actor = Actor(2)
    indexes = [*range(100), *range(100), *range(2_000, 2_120)]
    told = play(actor.at(index) for index in indexes)
    assert max(seen.repeated_ms for seen in told) >= 12_000
    assert told[-1].repeated_ms == 0


@pytest.mark.parametrize("blink", [25, 40])
def test_a_lamp_that_blinks_on_a_still_room_is_no_repeat(blink: int) -> None:
    lit, dim = Lens(brightness=128), Lens(brightness=112)
    told = play((lit if at // blink % 2 else dim).picture() for at in range(400))
    assert max(seen.repeated_ms for seen in told) == 0


def test_of_a_room_in_which_nothing_moves_nothing_is_said() -> None:
    told = play(ROOM.picture() for _ in range(300))
    assert worst(told) == (0, 0.0, 0.0)


def test_pictures_sent_twice_are_counted() -> None:
    actor = Actor(3)
    live = [actor.at(index) for index in range(200)]
    every_fourth = [live[at - at // 4 - (at % 4 == 3)] for at in range(200)]
    assert worst(play(live))[1] == 0.0
    assert worst(play(live[at // 2] for at in range(200)))[1] > 0.4
    assert 0.15 < worst(play(every_fourth))[1] < 0.3


def test_a_picture_that_hardly_differs_between_two_that_do() -> None:
    watch = DoubleWatch()
    told = [watch.observe(change) for change in (None, 0.01, 0.0005, 0.01, 0.01, 0.004, 0.01)]
    assert told == [False, False, False, True, False, False, False]
    # a room that is still is not a row of doubles
    assert not any(watch.observe(change) for change in (1e-4, 1e-5, 1e-4, 1e-5, 1e-4))


def test_a_drawn_figure_before_a_still_picture_shows_no_noise() -> None:
    drawn, noisy = Actor(4, noise=0.0), Actor(4, noise=0.7)
    assert worst(play(drawn.at(index) for index in range(150)))[2] > 0.6
    assert worst(play(noisy.at(index) for index in range(150)))[2] < 0.1


@pytest.mark.parametrize(
    ("story", "ticks", "steady_s"),
    [
        ("a script", [at * 18_000 for at in range(400)], 79.6),
        ("that loses pictures", [at * 18_000 for at in range(400) if at % 17], 79.4),
        ("across the wrap", [(2**32 - 900_000 + at * 18_000) % 2**32 for at in range(400)], 79.6),
        ("one stumble begins anew", [at * 18_000 + 200 * (at > 300) for at in range(400)], 19.6),
        ("a camera", [at * 18_000 + (at * 37 % 11) * 30 for at in range(400)], 0.0),
    ],
)
def test_a_clock_without_jitter(story: str, ticks: list[int], steady_s: float) -> None:
    watch = BeatWatch()
    for each in ticks:
        watch.observe(each)
    assert watch.steady_ms / 1000 == pytest.approx(steady_s, abs=0.5), story
    watch.observe(None)
    assert watch.steady_ms == 0


@pytest.mark.parametrize("first", [1, 15, 18, 100, 200, 700, 749])
def test_a_tiny_first_interval_makes_no_jittering_clock_steady(first: int) -> None:
    watch, random = BeatWatch(), np.random.default_rng(first)
    ticks, longest_ms = first, 0
    watch.observe(0)
    for interval in [0, *random.integers(15_500, 20_500, 400)]:
        ticks += int(interval)
        watch.observe(ticks)
        longest_ms = max(longest_ms, watch.steady_ms)
    assert longest_ms < 2_000
    for _ in range(300):
        ticks += 18_000
        watch.observe(ticks)
    assert watch.steady_ms >= 59_000 and watch.interval_ms == 200.0, "what is steady still is"


def test_another_codec_or_size_is_told_at_once() -> None:
    footage = Footage()
    footage.sent(640, 480, PictureOrigin("VP8", 0))
    assert footage.told(0) is not None and footage.told(200) is None
    footage.sent(640, 480, PictureOrigin("H264", 18_000))
    told = footage.told(400)
    assert told is not None and (told.codec, told.width_px, told.height_px) == ("H264", 640, 480)
    footage.sent(320, 240, None)
    told = footage.told(600)
    assert told is not None and (told.codec, told.width_px, told.steady_ms) == ("", 320, 0)


def test_a_gap_is_no_bridge_and_memory_has_an_end() -> None:
    watch, luma = RepeatWatch(), np.zeros((60, 80), np.uint8)
    random = np.random.default_rng(0)
    loop = [random.integers(0, 255, (60, 80), np.uint8).astype(np.uint8) for _ in range(70)]
    for at in range(100):
        watch.observe(loop[at % 70], at * EVERY_MS)
    watch.observe(luma, 100 * EVERY_MS + 2_000)
    assert watch.repeated_ms == 0
    size = watch._cells.nbytes + watch._times.nbytes
    for at in range(2 * HISTORY):
        watch.observe(loop[at % 70], 30_000 + at * EVERY_MS)
    assert watch._cells.nbytes + watch._times.nbytes == size < 24_000


@pytest.fixture(scope="module")
def portrait() -> Image:
    settings = Settings()
    folder = default_dir(settings.home, settings.models_dir)
    return load_still(media_file("astronaut", folder, settings.models_mirror))


@pytest.mark.weights
def test_the_moved_portrait_of_the_load_generator_is_nothing(portrait: Image) -> None:
    source = Moved(portrait[20:310, 20:410], seed=1)
    assert worst(play(source.at(index) for index in range(600))) == (0, 0.0, 0.0)


@pytest.mark.media
def test_who_sits_in_the_load_generator_never_moves_as_before(media: Path) -> None:
    """Without the wandering of its waves this one came again after 66 s, and was told."""
    people = people_of(media / "images" / "lfw", at_least=1, limit=10_000)
    still = load_still(sorted(people, key=lambda person: -len(person[1]))[2][1][0])
    source = Seated(empty_room(22), [(still, 0.42, 0.9)], seed=201)
    assert worst(play(source.at(index) for index in range(200, 620)))[0] == 0


@pytest.mark.media
def test_a_real_person_is_nothing_and_the_same_clip_again_is_told(media: Path) -> None:
    clips = [
        Clip(media / "video" / f"gaze_center_{name}.mp4", top=0.05, bottom=0.72)
        for name in ("focus", "left_center")
    ]
    live = [clip.at(at) for clip in clips for at in range(round(clip.length_s * 5))]
    assert worst(play(live)) == (0, 0.0, 0.0)
    again = play(live[at % 53] for at in range(250))  # the first clip, again and again
    assert max(seen.repeated_ms for seen in again) > 20_000
    assert {round(seen.period_ms / 10_600) for seen in again if seen.period_ms} <= {1, 2, 3}
    assert worst(play(live[at // 2] for at in range(200)))[1] > 0.3
