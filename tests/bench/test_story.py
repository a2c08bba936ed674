"""The demonstration's story follows from who is there and from the policy that judges it."""

from pathlib import Path

import numpy as np
import pytest

from bench.candidate.pictures import Covered, Moved
from bench.candidate.stills import empty_room
from bench.cast import Cast, gather_cast
from bench.story import dwell_s, write_story
from proctor.fusion.policy import parse_policy

STANDARD = parse_policy(Path("policies/standard.yaml").read_text())


def cast(*, with_aside: bool, with_other: bool) -> Cast:
    picture = Moved(empty_room(1))
    return Cast(
        calm=picture,
        aside=picture if with_aside else None,
        room=picture,
        beside=picture,
        other=picture if with_other else None,
        covered=Covered(),
        speech=np.ones(48_000 * 11, np.int16),
        enrolment=(),
        probes=(),
        other_probes=(),
        notes=(),
    )


def test_the_story_tells_what_the_issue_asks_for_and_no_more_than_there_is() -> None:
    script = write_story(cast(with_aside=False, with_other=False), STANDARD)
    rules = [expected.rule_id for scene in script.scenes for expected in scene.expects]
    assert rules == ["no_face", "several_faces", "camera_covered", "speech"]
    whole = write_story(cast(with_aside=True, with_other=True), STANDARD)
    rules = [expected.rule_id for scene in whole.scenes for expected in scene.expects]
    assert rules == [
        "looking_away",
        "no_face",
        "several_faces",
        "different_person",
        "camera_covered",
        "speech",
    ]
    assert whole.length_s <= 95


def test_every_scene_leaves_room_for_its_alert_before_the_next() -> None:
    script = write_story(cast(with_aside=True, with_other=True), STANDARD)
    for scene in script.scenes:
        for expected in scene.expects:
            assert script.end_of(scene) - scene.start_s >= expected.dwell_s + 1.0, scene.name


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        ("no_face", 3.0),  # the rule waits longer than the sensor
        ("looking_away", 2.0),  # the sensor waits, the rule does not
        ("several_faces", 0.25),  # the second of two pictures at the attentive rate
        ("camera_covered", 2.0),
        ("speech", 1.5),
    ],
)
def test_an_alert_is_due_after_the_larger_of_sensor_and_rule(rule: str, seconds: float) -> None:
    assert dwell_s(STANDARD, rule) == seconds


def test_a_policy_without_the_rule_expects_nothing_of_it() -> None:
    with pytest.raises(KeyError):
        dwell_s(STANDARD, "whistling")


def test_real_footage_brings_a_second_person_and_eyes_that_move(media: Path) -> None:
    portrait = next((media / "images" / "face_recognition" / "biden").glob("*.jpg"))
    real = gather_cast(portrait, media / "audio" / "jfk.flac", media)
    assert real.aside is not None and real.other is not None and real.notes == ()
    assert len(real.enrolment) >= 3 and len(real.other_probes) >= 3
    assert not np.array_equal(real.calm.at(0), real.aside.at(0))


def test_without_footage_what_is_left_out_is_said(tmp_path: Path) -> None:
    import cv2

    portrait = tmp_path / "portrait.png"
    cv2.imwrite(str(portrait), np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    wave = tmp_path / "said.wav"
    _write_wave(wave)
    alone = gather_cast(portrait, wave, None)
    assert alone.aside is None and alone.other is None and alone.other_probes == ()
    assert len(alone.notes) == 3 and len(alone.speech) == pytest.approx(48_000, rel=0.01)


def _write_wave(path: Path) -> None:
    import wave

    tone = (8_000 * np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 300)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone.tobytes())
