"""Sounds in, signals out: whispers, voices, and lips that do not go with them."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.observations import (
    GazeSeen,
    Observation,
    SpeakersHeard,
    SpeechHeard,
    VoiceHeard,
)
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.judge import SessionJudge
from proctor.fusion.memory import read_body, write_body
from proctor.sensing.limits import SensingLimits
from proctor.sensing.suite import SensingSuite, SuiteState
from tests.fakes import facts

LIMITS = SensingLimits()


def suite() -> SensingSuite:
    made = SensingSuite(facts.SESSION, LIMITS, SuiteState())
    for state in facts.media_come():
        made.observe(state)
    return made


def play(made: SensingSuite, observations: Iterable[Observation]) -> list[Signal]:
    """The newest state of every signal besides plain speech."""
    newest: dict[str, Signal] = {}
    for seen in sorted(observations, key=lambda each: each.observed_ms):
        for signal in made.observe(seen).signals:
            if signal.kind is not SignalKind.SPEECH:
                newest[signal.signal_id] = signal
    return list(newest.values())


def spoken(at_ms: int, pitched_ms: int, unpitched_ms: int) -> SpeechHeard:
    heard = facts.speech(at_ms, pitched_ms + unpitched_ms, 480)
    return replace(heard, pitched_ms=pitched_ms, unpitched_ms=unpitched_ms)


def whispered(from_ms: int, until_ms: int, pitched_ms: int = 0) -> list[SpeechHeard]:
    return [spoken(at_ms, pitched_ms, 320 - pitched_ms) for at_ms in range(from_ms, until_ms, 480)]


def windows(
    *voices: tuple[int, float | None], from_ms: int = 0, count: int = 1
) -> list[SpeakersHeard]:
    """Windows of 10 s, one after the other, with these voices (ms alone, P(candidate))."""
    return [
        SpeakersHeard(
            observed_ms=from_ms + 10_000 * number,
            duration_ms=10_000,
            voiced_ms=8_000,
            voices=tuple(VoiceHeard(alone_ms=ms, candidate=chance) for ms, chance in voices),
            overlap_ms=500 if len(voices) > 1 else 0,
            template_ms=60_000,
            producers=(facts.VOICE_MODEL,),
        )
        for number in range(count)
    ]


def mouth(at_ms: int, opening: float | None, yaw_deg: float = 0.0) -> GazeSeen:
    return replace(facts.gaze(at_ms, 0.0, yaw_deg), mouth_open=opening)


def still(from_ms: int, until_ms: int, step_ms: int = 250) -> list[Observation]:
    """A silent mouth as the mesh measures it: 0.003 up and down."""
    return [mouth(at, 0.03 + 0.003 * (at // 250 % 3)) for at in range(from_ms, until_ms, step_ms)]


def talking(from_ms: int, until_ms: int) -> list[Observation]:
    return [mouth(at, 0.03 + 0.05 * (at // 250 % 3)) for at in range(from_ms, until_ms, 250)]


def test_speech_without_a_pitch_is_a_whisper_until_it_stops() -> None:
    (signal,) = play(
        suite(), [*whispered(4_800, 9_600), *(spoken(at, 0, 0) for at in range(9_600, 15_000, 480))]
    )
    assert (signal.kind, signal.started_ms, signal.ended_ms) == (SignalKind.WHISPER, 4_800, 9_600)
    figures = dict(signal.support.numbers)
    assert figures["pitched_share"] == 0 and figures["spoken_s"] == pytest.approx(3.2)


def test_a_fifth_with_a_pitch_is_speech_and_speech_ends_a_whisper() -> None:
    assert play(suite(), whispered(0, 9_600, pitched_ms=64)) == []
    (signal,) = play(suite(), [*whispered(0, 4_800), *whispered(4_800, 9_600, pitched_ms=200)])
    assert signal.ended_ms is not None and signal.ended_ms <= 7_200


def test_a_single_hiss_or_a_measure_that_is_missing_is_no_whisper() -> None:
    assert play(suite(), whispered(0, 1_440)) == []
    assert play(suite(), [facts.speech(at, 320, 480) for at in range(0, 9_600, 480)]) == []


def test_another_voice_needs_two_windows_and_ends_when_only_the_candidate_is_heard() -> None:
    other = (6_000, 0.02)
    assert play(suite(), windows(other)) == []
    (signal,) = play(
        suite(),
        [
            *windows((7_000, 0.98)),
            *windows(other, from_ms=10_000, count=3),
            *windows((7_000, 0.98), from_ms=40_000),
        ],
    )
    assert (signal.kind, signal.started_ms) == (SignalKind.OTHER_VOICE, 10_000)
    assert signal.ended_ms == 40_000 and signal.probability == pytest.approx(0.98)
    figures = dict(signal.support.numbers)
    assert figures["windows"] == 3 and figures["mean_probability"] == pytest.approx(0.02)


def test_the_least_likely_voice_of_a_window_counts() -> None:
    both = windows((4_000, 0.99), (3_000, 0.03), count=2)
    assert SignalKind.OTHER_VOICE in {signal.kind for signal in play(suite(), both)}


@pytest.mark.parametrize(
    "voice",
    [(1_000, 0.01), (6_000, None), (6_000, 0.3), (6_000, 0.99)],
    ids=["too short", "no template", "cannot tell", "the candidate"],
)
def test_what_is_uncertain_is_no_other_voice(voice: tuple[int, float | None]) -> None:
    assert play(suite(), windows(voice, count=6)) == []


def test_one_sure_window_does_not_outvote_a_doubtful_one_for_ever() -> None:
    """A probability of 0 is a calibration's end, not certainty."""
    seen = [*windows((6_000, 0.0)), *windows((6_000, 0.99), from_ms=10_000)]
    assert play(suite(), seen) == []


def test_windows_far_apart_do_not_add_up() -> None:
    seen = [*windows((6_000, 0.02)), *windows((6_000, 0.02), from_ms=80_000)]
    assert play(suite(), seen) == []


def test_two_voices_in_two_of_three_windows_are_several() -> None:
    two, one = ((4_000, None), (3_000, None)), ((7_000, None),)
    assert play(suite(), [*windows(*two), *windows(*one, from_ms=10_000, count=3)]) == []
    seen = [*windows(*two), *windows(*one, from_ms=10_000), *windows(*two, from_ms=20_000)]
    (signal,) = play(suite(), [*seen, *windows(*one, from_ms=30_000, count=2)])
    assert (signal.kind, signal.started_ms, signal.ended_ms) == (
        SignalKind.SEVERAL_VOICES,
        0,
        30_000,
    )
    figures = dict(signal.support.numbers)
    assert (figures["voices"], figures["windows"], figures["overlap_s"]) == (2, 2, 0.5)


def test_a_second_voice_of_a_moment_is_not_counted() -> None:
    assert play(suite(), windows((6_000, None), (900, None), count=5)) == []


def test_voices_end_where_they_were_last_heard_when_nobody_speaks_any_more() -> None:
    made = suite()
    play(made, windows((6_000, 0.02), (5_000, 0.9), count=2))
    closed = made.advance(80_100).signals
    assert {(signal.kind, signal.ended_ms) for signal in closed} == {
        (SignalKind.OTHER_VOICE, 20_000),
        (SignalKind.SEVERAL_VOICES, 20_000),
    }


def speech(from_ms: int, until_ms: int) -> list[Observation]:
    return [facts.speech(at, 448, 480) for at in range(from_ms, until_ms, 480)]


def test_a_voice_while_the_lips_are_still() -> None:
    (signal,) = play(
        suite(),
        [
            *still(0, 15_000),
            *speech(4_800, 12_000),
            facts.speech(12_000, 0, 480),
            facts.speech(15_360, 0, 480),
        ],
    )
    assert signal.kind is SignalKind.VOICE_WITHOUT_LIPS
    assert (signal.started_ms, signal.ended_ms) == (4_800, 12_000)
    figures = dict(signal.support.numbers)
    assert figures["lips_moved"] < 0.006 and figures["pictures"] >= 16


def test_lips_that_move_go_with_the_voice() -> None:
    assert play(suite(), [*talking(0, 15_000), *speech(4_800, 12_000)]) == []


def test_lips_that_begin_to_move_end_it() -> None:
    seen = [*still(0, 12_000), *talking(12_000, 20_000), *speech(2_400, 20_000)]
    (signal,) = play(suite(), seen)
    assert signal.ended_ms is not None and signal.ended_ms <= 14_000


@pytest.mark.parametrize(
    "seen",
    [
        [],
        still(0, 15_000, step_ms=3_000),
        [mouth(at, None) for at in range(0, 15_000, 250)],
        [mouth(at, 0.03, yaw_deg=40.0) for at in range(0, 15_000, 250)],
    ],
    ids=["no face", "too few pictures", "no mesh", "head turned"],
)
def test_a_mouth_that_is_not_seen_well_says_nothing(seen: list[Observation]) -> None:
    found = {signal.kind for signal in play(suite(), [*seen, *speech(4_800, 12_000)])}
    assert SignalKind.VOICE_WITHOUT_LIPS not in found


def test_still_lips_without_speech_are_remembered_by_nobody() -> None:
    made = suite()
    before = repr(made.state.hearing)
    play(made, [*still(0, 10_000), *(facts.speech(at, 0, 480) for at in range(0, 10_000, 480))])
    assert repr(made.state.hearing) == before


def test_pictures_of_the_mouth_are_asked_for_while_there_is_speech() -> None:
    made = suite()
    play(made, [facts.gaze(at, 0.0) for at in range(0, 5_000, 250)])
    play(made, [facts.match(at, 0.99) for at in (0, 500, 1_000)])
    assert not made.is_pending
    play(made, speech(5_000, 6_000))
    assert made.is_pending


def test_nothing_that_is_heard_survives_the_loss_of_the_sound() -> None:
    made = suite()
    play(
        made,
        [
            *still(0, 12_000),
            *speech(2_400, 9_600),
            *whispered(9_600, 12_000),
            *windows((6_000, 0.02), (4_000, 0.9), count=2),
        ],
    )
    lost = made.observe(facts.stream(20_000, Modality.AUDIO, CoverageReason.AUDIO_MISSING))
    assert all(signal.ended_ms is not None for signal in lost.signals)
    assert made.lost >= {SignalKind.OTHER_VOICE, SignalKind.VOICE_WITHOUT_LIPS}
    assert made.observe(windows((6_000, 0.02))[0]).signals == ()


def test_without_a_picture_nothing_is_said_of_lips_and_the_rest_goes_on() -> None:
    made = suite()
    made.observe(facts.stream(0, Modality.VIDEO, CoverageReason.NO_MEDIA))
    assert SignalKind.VOICE_WITHOUT_LIPS in made.lost and SignalKind.WHISPER not in made.lost
    found = play(made, [*still(0, 15_000), *speech(4_800, 12_000), *whispered(12_000, 16_000)])
    assert {signal.kind for signal in found} == {SignalKind.WHISPER}


def test_a_memory_of_before_there_were_voices_is_read_and_a_newer_one_survives() -> None:
    body = read_body(SessionJudge(facts.spec()).export_body())
    made = SensingSuite(facts.SESSION, LIMITS, body.suite)
    play(
        made, facts.media_come() + windows((6_000, 0.02), (4_000, 0.9), count=2) + speech(0, 2_000)
    )
    text = write_body(body)
    assert write_body(read_body(text)) == text
    older = json.loads(text)
    del older["suite"]["hearing"]
    assert read_body(json.dumps(older).encode()).suite.hearing == SuiteState().hearing
    older["suite"]["unknown"] = 1
    with pytest.raises(ValueError, match="unknown"):
        read_body(json.dumps(older).encode())
