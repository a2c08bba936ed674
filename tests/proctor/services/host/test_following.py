"""A room stands still or changes; a candidate is followed only while it stands still."""

from dataclasses import replace

import numpy as np
import pytest

from proctor.domain.geometry import Box, FaceRegion
from proctor.domain.observations import Producer
from proctor.domain.perception import FaceAnswer, FaceAsk, FaceReading, KnownEyes
from proctor.services.host.following import RESTLESS_AFTER, Following
from proctor.services.host.picture import Luma
from proctor.services.host.sampling import Around
from proctor.services.host.surroundings import Surroundings, around

CANDIDATE = Box(0.4, 0.35, 0.2, 0.3)
BEHIND = Box(0.05, 0.1, 0.07, 0.1)
REGION = FaceRegion(0.5, 0.5, 0.3)
SEARCH, LOOK = FaceAsk(picture=b"", search_small=True), FaceAsk(picture=b"")
PRODUCERS = (Producer("detector", "1", "0" * 64),)
NOISE = 1.0


def room(seed: int = 0, light: float = 1.0, visitor_px: int = 0) -> Luma:
    """(60, 80) a papered room with sensor noise; a visitor is a dark block on the left."""
    y, x = np.mgrid[0:60, 0:80]
    picture = 120 + 40 * np.sin(x / 5) * np.cos(y / 7)
    if visitor_px:
        picture[10 : 10 + visitor_px, 4 : 4 + visitor_px] = 60
    noise = np.random.default_rng(seed).normal(0, NOISE, picture.shape)
    return np.asarray(np.clip(light * picture + noise, 0, 255), np.uint8)


def with_candidate(luma: Luma, shift_px: int) -> Luma:
    """The candidate as a bright oval that moves, with shoulders."""
    moved = luma.copy()
    moved[22:42, 32 + shift_px : 48 + shift_px] = 200
    moved[42:, 24 + shift_px : 56 + shift_px] = 180
    return moved


def reading(box: Box, presence: float = 0.95) -> FaceReading:
    return FaceReading(
        box=box,
        score=0.9,
        presence=presence,
        width_px=64,
        sharpness=100,
        brightness=0.5,
        head=None,
        gaze=None,
        eyes_open=None,
        mouth_open=None,
        region=REGION,
    )


def answer(*faces: FaceReading, detected: bool = True) -> FaceAnswer:
    return FaceAnswer(faces=faces, producers=PRODUCERS, detected=detected)


def searched(luma: Luma, at_ms: int = 0) -> Following:
    following = Following()
    following.answered(SEARCH, answer(reading(CANDIDATE)), luma, at_ms)
    return following


def test_the_candidate_alone_moving_is_a_room_that_stands_still() -> None:
    watch = Surroundings()
    watch.searched(with_candidate(room(1), 0), CANDIDATE)
    for seed, shift in enumerate(range(-4, 5), start=2):
        assert watch.stand_still(with_candidate(room(seed), shift), CANDIDATE) is True


def test_a_light_that_is_dimmed_is_no_change_and_a_visitor_is() -> None:
    watch = Surroundings()
    watch.searched(room(1), CANDIDATE)
    assert watch.stand_still(room(2, light=0.97), CANDIDATE) is True
    assert watch.stand_still(room(2, visitor_px=6), CANDIDATE) is False


@pytest.mark.parametrize(
    ("story", "luma", "candidate"),
    [
        ("another size of picture", np.zeros((45, 80), np.uint8), CANDIDATE),
        ("the candidate fills it", room(2), Box(0.05, 0.0, 0.9, 0.9)),
        ("a dim room", room(2, light=0.3), CANDIDATE),
    ],
)
def test_nothing_is_said_of_a_room_that_cannot_be_compared(
    story: str, luma: Luma, candidate: Box
) -> None:
    watch = Surroundings()
    assert watch.stand_still(luma, candidate) is None, "nothing was searched yet"
    watch.searched(room(1), CANDIDATE)
    assert watch.stand_still(luma, candidate) is None, story


def test_beside_the_candidate_are_the_blocks_that_head_and_shoulders_leave() -> None:
    outside = around(CANDIDATE)
    assert outside[0, 0] and outside[0, 9] and outside[4, 0]
    assert not outside[4, 5] and not outside[7, 3]


def test_a_face_is_followed_while_its_room_stands_still_and_it_was_seen_just_now() -> None:
    following = searched(room(1))
    still = following.around(room(2), 1_000)
    assert still is Around.STILL and following.track(still, 1_000) == REGION
    assert following.around(room(3), 2_600) is Around.UNKNOWN
    assert following.track(Around.STILL, 2_600) is None


def test_now_and_then_a_picture_is_searched_as_a_whole() -> None:
    following = searched(room(1))
    followed = answer(reading(CANDIDATE), detected=False)
    for at_ms in range(1_000, 4_000, 1_000):
        assert following.track(Around.STILL, at_ms) is not None
        following.answered(LOOK, followed, room(at_ms), at_ms)
    assert following.track(Around.STILL, 4_000) is None
    following.answered(LOOK, answer(reading(CANDIDATE)), room(2), 4_000)
    assert following.track(Around.STILL, 5_000) is not None


def test_a_room_that_was_searched_long_ago_is_not_known() -> None:
    following = searched(room(1))
    for at_ms in range(1_000, 21_000, 1_000):
        known = following.around(room(at_ms), at_ms)
        assert known is Around.STILL, at_ms
        following.answered(LOOK, answer(reading(CANDIDATE), detected=False), room(2), at_ms)
    assert following.around(room(3), 21_000) is Around.UNKNOWN


def test_the_eyes_of_the_followed_face_travel_with_its_track() -> None:
    following = Following()
    assert following.eyes() is None
    eyes = KnownEyes(patches=np.zeros((2, 19, 32), np.uint8), right=(0.1, 0.0), left=(0.0, 0.1))
    known = replace(reading(CANDIDATE), eyes=eyes)
    following.answered(SEARCH, answer(known), room(1), 0)
    assert following.eyes() is eyes
    following.forget()
    assert following.eyes() is None


def test_a_visitor_ends_the_following_until_a_search_finds_the_candidate_alone() -> None:
    following = searched(room(1))
    changed = following.around(room(2, visitor_px=8), 500)
    assert changed is Around.CHANGED and following.track(changed, 500) is None
    both = answer(reading(CANDIDATE), reading(BEHIND))
    following.answered(SEARCH, both, room(2, visitor_px=8), 600)
    assert following.around(room(3, visitor_px=8), 700) is Around.CROWDED
    following.answered(LOOK, answer(reading(CANDIDATE)), room(4), 800)
    assert following.around(room(4), 900) is Around.CROWDED, "only a search says that they left"
    following.answered(SEARCH, answer(reading(CANDIDATE)), room(5), 1_000)
    assert following.around(room(6), 1_100) is Around.CROWDED, "one may miss who turns away"
    following.answered(SEARCH, answer(reading(CANDIDATE)), room(7), 2_000)
    assert following.around(room(8), 2_100) is Around.STILL


def test_a_box_that_may_be_somebody_turned_away_is_not_followed_past() -> None:
    following = Following()
    turned = reading(BEHIND, presence=0.1)
    following.answered(SEARCH, answer(reading(CANDIDATE), turned), room(1), 0)
    assert following.around(room(2), 500) is Around.CROWDED


def test_a_room_that_never_rests_is_searched_by_the_clock() -> None:
    following = searched(room(1))
    for number in range(RESTLESS_AFTER):
        picture = room(number + 2, visitor_px=8 * (1 - number % 2))
        assert following.around(picture, 1_000 * number) is Around.CHANGED, number
        following.answered(SEARCH, answer(reading(CANDIDATE)), picture, 1_000 * number + 500)
    assert following.around(room(9, visitor_px=10), 3_000) is Around.UNKNOWN
    rested = room(10, visitor_px=8 * (RESTLESS_AFTER % 2))
    assert following.around(rested, 3_000) is Around.STILL
    assert following.around(room(11, visitor_px=14), 3_000) is Around.CHANGED


def test_nobody_is_followed_after_they_left_or_after_a_gap() -> None:
    following = searched(room(1))
    following.answered(LOOK, answer(detected=True), room(2), 500)
    assert following.around(room(3), 600) is Around.UNKNOWN
    following = searched(room(1))
    following.forget()
    assert following.around(room(2), 100) is Around.UNKNOWN


def test_a_body_is_still_while_the_face_stays_where_it_was() -> None:
    following = searched(room(1))
    assert not following.body_is_still(100)
    seat = following.seat()
    assert seat == CANDIDATE
    following.body_answered(seat)
    assert following.body_is_still(100)
    following.body_answered(None)
    assert not following.body_is_still(100), "a body that may be missing is looked at again"
    following.body_answered(seat)
    away = Box(0.6, 0.35, 0.2, 0.3)
    following.answered(LOOK, answer(reading(away), detected=False), room(2), 200)
    assert not following.body_is_still(300)
