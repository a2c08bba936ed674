"""The error rate on turns that can be worked out by hand, and linking of windows."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.media import Media, Turn
from bench.diarization_error import NO_ERROR, DiarizationError, diarization_error
from bench.speakers import (
    Trial,
    diarize,
    report,
    speakers_of,
    told_right,
    trials_of_recording,
    trials_of_utterances,
)
from proctor.domain.perception import HeardVoice, SpeakersAnswer, SpeakersAsk, SpeakerTurn

SECOND = 16_000


def parts(error: DiarizationError) -> tuple[float, float, float, float]:
    return (error.spoken_s, error.missed_s, error.false_s, error.confused_s)


def turns(*each: tuple[str, float, float]) -> list[Turn]:
    return [Turn(*one) for one in each]


REFERENCE = turns(("ana", 0, 10), ("ben", 10, 20))


def test_names_do_not_matter() -> None:
    error = diarization_error(REFERENCE, turns(("x", 10, 20), ("y", 0, 10)), collar_s=0)
    assert parts(error) == pytest.approx((20, 0, 0, 0))
    assert error.rate == 0


def test_missed_false_and_confused() -> None:
    told = turns(("x", 2, 12), ("y", 12, 20), ("z", 21, 22))
    error = diarization_error(REFERENCE, told, collar_s=0)
    assert parts(error) == pytest.approx((20, 2, 1, 2))
    assert error.rate == pytest.approx(5 / 20)


def test_the_collar_forgives_what_is_near_a_true_boundary() -> None:
    told = turns(("x", 0.2, 10.2), ("y", 10.2, 20.2))
    assert diarization_error(REFERENCE, told).rate == 0
    assert parts(diarization_error(REFERENCE, told, collar_s=0))[1:] == pytest.approx(
        (0.2, 0.2, 0.2)
    )
    # what is left out of the reference does not count as speech: 0.25 s inside each end
    assert diarization_error(REFERENCE, told).spoken_s == pytest.approx(19)


def test_both_at_once_count_twice() -> None:
    over = turns(("ana", 0, 10), ("ben", 5, 10))
    error = diarization_error(over, turns(("x", 0, 10)), collar_s=0)
    assert parts(error) == pytest.approx((15, 5, 0, 0))


def test_the_matching_is_the_best_one_not_the_greedy_one() -> None:
    # greedy would give x (6 s with ana) to ana, and leave y (5 s with ana only) with nobody
    reference = turns(("ana", 0, 11), ("ben", 11, 16))
    told = turns(("x", 0, 6), ("x", 11, 16), ("y", 6, 11))
    assert parts(diarization_error(reference, told, collar_s=0))[3] == pytest.approx(6)


def test_everybody_one_to_one_when_more_are_told_than_there_are() -> None:
    told = turns(("x", 0, 4), ("y", 4, 10), ("z", 10, 20))
    assert parts(diarization_error(REFERENCE, told, collar_s=0))[3] == pytest.approx(4)


def test_nobody_speaks() -> None:
    assert diarization_error([], []).rate is None
    assert parts(diarization_error([], turns(("x", 1, 3)))) == pytest.approx((0, 0, 2, 0))
    assert sum([diarization_error(REFERENCE, [])] * 2, NO_ERROR).rate == pytest.approx(1)


def scripted(ask: SpeakersAsk) -> SpeakersAnswer:
    """A reader for which each level of sound is a voice."""
    marks = np.round(ask.samples[:: SECOND // 10] * 10).astype(int)
    levels = [level for level in dict.fromkeys(marks.tolist()) if level]
    found = []
    for voice, level in enumerate(levels):
        at = np.flatnonzero(marks == level)
        found.append(
            SpeakerTurn(voice=voice, start_ms=int(at[0]) * 100, end_ms=int(at[-1]) * 100 + 100)
        )
    voices = tuple(
        HeardVoice(alone_ms=5000, embedding=np.eye(11, dtype=np.float32)[level]) for level in levels
    )
    return SpeakersAnswer(turns=tuple(found), voices=voices, producers=())


def sound(*levels: tuple[float, float]) -> np.ndarray:
    return np.concatenate([np.full(int(s * SECOND), level, np.float32) for level, s in levels])


def test_windows_are_linked_by_voice() -> None:
    told = diarize(scripted, sound((0.3, 6), (0.7, 4), (0.7, 5), (0.3, 5), (0.3, 3)), 0.5)
    assert [(turn.speaker, turn.start_s, turn.end_s) for turn in told] == [
        ("speaker 0", 0.0, 6.0),
        ("speaker 1", 6.0, 10.0),
        ("speaker 1", 10.0, 15.0),
        ("speaker 0", 15.0, 20.0),
        ("speaker 0", 20.0, 23.0),
    ]
    assert speakers_of(told) == 2


def test_two_voices_of_a_window_are_never_one_speaker() -> None:
    def twins(ask: SpeakersAsk) -> SpeakersAnswer:
        vector = np.ones(4, np.float32) / 2
        voice = HeardVoice(alone_ms=4000, embedding=vector)
        pair = (
            SpeakerTurn(voice=0, start_ms=0, end_ms=4000),
            SpeakerTurn(voice=1, start_ms=4000, end_ms=8000),
        )
        return SpeakersAnswer(turns=pair, voices=(voice, voice), producers=())

    assert speakers_of(diarize(twins, np.zeros(20 * SECOND, np.float32), 0.5)) == 2


def test_trials_and_what_is_right() -> None:
    spoken = {"ana": [sound((0.3, 6)), sound((0.3, 2))], "ben": [sound((0.7, 3))]}
    trials = list(trials_of_utterances(spoken))
    assert [trial.speakers for trial in trials] == [1, 1, 1, 1, 2, 2]
    assert max(len(trial.samples) for trial in trials) <= 10 * SECOND
    assert all(right for _, right in told_right(scripted, trials))
    one = Trial(sound((0.3, 3), (0.7, 3)), 1, "wrongly labelled")
    assert [right for _, right in told_right(scripted, [one])] == [False]


def test_only_clear_windows_of_a_recording_are_trials() -> None:
    recording = sound((0.3, 12), (0.7, 13))
    labels = turns(("ana", 0, 12), ("ben", 12, 25))
    # 0-10 ana; 5-15 both; 10-20 both (two seconds of ana); 15-25 ben
    found = list(trials_of_recording(recording, labels, "it"))
    assert [trial.speakers for trial in found] == [1, 2, 2, 1]
    hardly = turns(("ana", 0, 12), ("ben", 9, 10))
    assert [t.speakers for t in trials_of_recording(recording[: 10 * SECOND], hardly, "it")] == []


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SECOND)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def test_the_command_says_what_was_told_and_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "audio" / "talk.wav", sound((0.3, 8), (0.7, 8)))
    write(tmp_path / "audio" / "alone" / "ana" / "1.wav", sound((0.3, 3)))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "two.rttm").write_text(
        "SPEAKER talk 1 0.0 8.0 <NA> <NA> ana <NA> <NA>\n"
        "SPEAKER talk 1 8.0 8.0 <NA> <NA> ben <NA> <NA>\n"
        "SPEAKER gone 1 0.0 8.0 <NA> <NA> ben <NA> <NA>\n"
    )
    lines = report(scripted, Media(tmp_path), 0.5)
    assert lines[0] == "one utterance: one voice told in 1 of 1"
    assert lines[1] == "two: several told in 2 of 2"
    assert lines[2].startswith("two: DER 0.000, of 15 s missed 0.0")
    assert "CPU" in lines[3]
    assert lines[-1] == "labels/two.rttm: no sound is called gone"
