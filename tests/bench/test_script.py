"""Scripts: scenes at known times, sources that repeat exactly, packets that a decoder can begin with."""

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from bench.candidate.pictures import FPS, Album, Covered, Excerpt, Moved, Seated, upright
from bench.candidate.reels import KEY_FRAME_EVERY_S, encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sounds import RATE_HZ, QuietRoom, Spoken, from_first_word
from bench.candidate.stills import (
    STAGE_HEIGHT,
    STAGE_WIDTH,
    cut,
    empty_room,
    framed,
    jpeg,
    mirrored,
    standing,
)


def chequered(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    squares = rng.integers(40, 220, (16, 16, 3)).astype(np.uint8)
    return np.kron(squares, np.ones((16, 16, 1), np.uint8))


def two_scenes(length_s: float = 6.0) -> Script:
    return Script(
        [
            Scene(name="room", start_s=0, picture=Moved(empty_room(1), 1), sound=QuietRoom(1)),
            Scene(name="dark", start_s=3.4, picture=Covered(2), sound=QuietRoom(2)),
        ],
        length_s,
    )


def test_a_moving_picture_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    still = chequered()
    again = [Moved(still, 7).at(index) for index in (0, 3, 40)]
    for index, picture in zip((0, 3, 40), again, strict=True):
        assert np.array_equal(Moved(still, 7).at(index), picture)
        assert picture.shape == (240, 320, 3) and not picture.flags.writeable
    assert not np.array_equal(Moved(still, 8).at(3), again[1])


def test_a_still_scene_never_repeats_a_picture_as_a_stopped_camera_would() -> None:
    moved = Moved(chequered(), 1)
    steps = [np.abs(moved.at(i).astype(int) - moved.at(i + 1)).mean() for i in range(30)]
    assert min(steps) > 1.0


def test_a_covered_lens_is_dark_and_flat() -> None:
    picture = Covered(1).at(9)
    assert picture.mean() < 12 and picture.std() < 4


def test_an_album_turns_its_pages_and_an_excerpt_runs_forth_and_back() -> None:
    light, dark = np.full((60, 80, 3), 220, np.uint8), np.full((60, 80, 3), 30, np.uint8)
    album = Album([light, dark], each_s=1.0)
    assert [album.at(i).mean() > 100 for i in (0, FPS - 1, FPS, 2 * FPS)] == [
        True,
        True,
        False,
        True,
    ]

    class Counting:
        def at(self, index: int) -> np.ndarray:
            return np.full((1, 1, 3), index, np.uint8)

    part = Excerpt(Counting(), 2.0, 2.8)
    assert [int(part.at(i)[0, 0, 0]) for i in range(9)] == [10, 11, 12, 13, 13, 12, 11, 10, 10]
    with pytest.raises(ValueError, match="nothing lies between"):
        Excerpt(Counting(), 2.0, 2.0)


def test_a_rotation_tag_is_obeyed() -> None:
    sideways = np.zeros((2, 3, 3), np.uint8)
    sideways[0, 2] = 255  # top right as stored
    assert upright(sideways, 0).shape == (2, 3, 3)
    assert upright(sideways, -90)[2, 1, 0] == 255  # clockwise: bottom right once upright
    assert upright(sideways, 90)[0, 0, 0] == 255


def test_framing_fills_the_stage_and_people_stand_where_they_are_put() -> None:
    assert framed(chequered()).shape == (STAGE_HEIGHT, STAGE_WIDTH, 3)
    room = empty_room(1)
    red = np.zeros((100, 50, 3), np.uint8)
    red[:, :, 0] = 255
    stage = standing(room, red, centre=0.25, height_share=0.5)
    middle = stage[STAGE_HEIGHT - 100, STAGE_WIDTH // 4]
    assert middle[0] > 240 and middle[1] < 15
    assert np.array_equal(stage[:200], framed(room)[:200])
    assert np.array_equal(mirrored(mirrored(red)), red)
    assert cut(red, 0.2, 0.0, 0.6, 0.5).shape == (50, 20, 3)
    assert jpeg(room)[:2] == b"\xff\xd8"


def test_a_quiet_room_is_never_digital_silence_and_speech_plays_once() -> None:
    room = QuietRoom(3)
    assert np.array_equal(room.samples(100, 50), QuietRoom(3).samples(100, 50))
    assert 20 < room.samples(0, RATE_HZ).astype(float).std() < 80
    said = Spoken(np.full(RATE_HZ, 9_000, np.int16), seed=1)
    assert said.samples(RATE_HZ // 2, 100).mean() > 8_000
    assert abs(said.samples(RATE_HZ, RATE_HZ).mean()) < 10
    assert Spoken(np.full(10, 9_000, np.int16), loop=True).samples(995, 10).mean() > 8_000


def test_a_recording_begins_with_its_first_word() -> None:
    hum, voice = QuietRoom(1).samples(0, 3 * RATE_HZ), QuietRoom(2).samples(0, 2 * RATE_HZ) * 100
    assert len(from_first_word(np.concatenate([hum, voice]))) == len(voice)
    assert np.array_equal(from_first_word(voice), voice)
    assert len(from_first_word(np.zeros(0, np.int16))) == 0


def test_a_script_says_which_scene_plays_and_when_it_ends() -> None:
    script = two_scenes()
    assert [script.scene_at(t).name for t in (-1, 0, 3.39, 3.4, 99)] == [
        "room",
        "room",
        "room",
        "dark",
        "dark",
    ]
    assert [script.end_of(scene) for scene in script.scenes] == [3.4, 6.0]
    firsts = [index for index, (_, is_first) in enumerate(script.pictures()) if is_first]
    assert firsts == [0, 17]
    assert sum(len(block) for block in script.sound(960)) == 6 * RATE_HZ


@pytest.mark.parametrize(
    ("starts", "length_s"), [((1.0,), 5), ((0, 3, 2), 5), ((0, 3), 3), ((), 5)]
)
def test_scenes_out_of_order_are_refused(starts: tuple[float, ...], length_s: float) -> None:
    scenes = [Scene(name="x", start_s=s, picture=Covered(), sound=QuietRoom()) for s in starts]
    with pytest.raises(ValueError, match="follow one another"):
        Script(scenes, length_s)


def test_encoded_scenes_begin_with_a_key_frame_and_can_be_decoded_from_any() -> None:
    reels = encode(two_scenes())
    assert len(reels.video) == 30 and [p.start_s for p in reels.video[:3]] == [0.0, 0.2, 0.4]
    keys = [piece.start_s for piece in reels.video if piece.is_key]
    assert {0.0, 2.0, 3.4, 4.0} <= set(keys)
    assert max(b - a for a, b in pairwise(keys)) <= KEY_FRAME_EVERY_S
    decoder = av.CodecContext.create("libvpx", "r")
    dark = next(n for n, piece in enumerate(reels.video) if piece.start_s == 3.4)
    for piece in reels.video[dark:]:
        frames = decoder.decode(av.Packet(piece.data))
        assert [frame.to_ndarray(format="rgb24").mean() < 15 for frame in frames] == [True]
    assert len(reels.audio) == pytest.approx(100, abs=1)
    assert reels.audio[1].start_s == pytest.approx(0.06)


def test_a_script_encodes_to_the_same_bytes_every_time() -> None:
    assert encode(two_scenes(2.0 + 3.4)).video == encode(two_scenes(2.0 + 3.4)).video


def test_before_a_camera_that_stands_still_only_people_move() -> None:
    room = empty_room(3)
    portrait = np.full((200, 200, 3), (200, 30, 30), np.uint8)
    source, empty = Seated(room, [(portrait, 0.42, 0.9)], seed=1), Seated(room, [], seed=2)
    pictures = np.stack([source.at(index).astype(int) for index in range(0, 60, 6)])
    moved = np.ptp(cv2.blur(pictures.mean(axis=3).transpose(1, 2, 0), (8, 8)), axis=2)
    assert moved[:60, 250:].max() < 12, "the wall has noise and a lamp, no more"
    assert moved[:, 40:230].max() > 40
    assert not np.array_equal(source.at(0), source.at(1))
    assert np.array_equal(source.at(7), Seated(room, [(portrait, 0.42, 0.9)], seed=1).at(7))
    assert np.abs(empty.at(0).astype(int) - empty.at(30)).mean() < 6
