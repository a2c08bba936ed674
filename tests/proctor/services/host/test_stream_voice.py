import pytest

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.services.host.stream_voice import StreamVoice

Reason = CoverageReason
Told = list[tuple[int, int, CoverageReason | None]]


def told(voice: StreamVoice) -> Told:
    return [(state.observed_ms, state.since_ms, state.reason) for state in voice.take()]


@pytest.fixture
def video() -> StreamVoice:
    voice = StreamVoice(Modality.VIDEO, 1_000)
    assert told(voice) == [(1_000, 1_000, Reason.NO_MEDIA)]
    voice.right(Reason.NO_MEDIA, 1_500, 1_600)
    assert told(voice) == [(1_600, 1_500, None)]
    return voice


def test_states_are_blind_degraded_or_monitored_by_their_reason() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voice.right(Reason.AUDIO_MISSING, 200, 200)
    voice.wrong(Reason.AUDIO_SILENT, 300, 10_300)
    assert [(s.state, s.reason, s.modality) for s in voice.take()] == [
        (CoverageState.BLIND, Reason.AUDIO_MISSING, Modality.AUDIO),
        (CoverageState.MONITORED, None, Modality.AUDIO),
        (CoverageState.DEGRADED, Reason.AUDIO_SILENT, Modality.AUDIO),
    ]


def test_saying_a_thing_twice_is_saying_it_once(video: StreamVoice) -> None:
    for now_ms in (5_000, 5_200, 5_400):
        video.wrong(Reason.NO_MEDIA, 2_500, now_ms)
    for now_ms in (6_000, 6_200):
        video.right(Reason.NO_MEDIA, 5_900, now_ms)
    assert told(video) == [(5_000, 2_500, Reason.NO_MEDIA), (6_000, 5_900, None)]
    video.right(Reason.OVERLOAD, 7_000, 7_000)
    assert told(video) == []


def test_the_worst_is_told_and_what_is_left_after_it(video: StreamVoice) -> None:
    video.wrong(Reason.OVERLOAD, 2_000, 3_000)
    video.wrong(Reason.NO_MEDIA, 4_000, 6_500)
    video.wrong(Reason.MODEL_TIMEOUT, 3_500, 7_000, "face")
    video.right(Reason.NO_MEDIA, 8_000, 8_100)
    video.right(Reason.OVERLOAD, 8_500, 8_500)
    video.right(Reason.MODEL_TIMEOUT, 9_000, 9_100, "face")
    assert told(video) == [
        (3_000, 2_000, Reason.OVERLOAD),
        (6_500, 4_000, Reason.NO_MEDIA),
        (8_100, 8_000, Reason.MODEL_TIMEOUT),
        (9_100, 9_000, None),
    ]


def test_one_reason_with_two_causes_ends_with_the_last(video: StreamVoice) -> None:
    video.wrong(Reason.MODEL_TIMEOUT, 2_000, 5_000, "face")
    video.wrong(Reason.MODEL_TIMEOUT, 3_000, 6_000, "body")
    video.right(Reason.MODEL_TIMEOUT, 7_000, 7_000, "face")
    assert told(video) == [(5_000, 2_000, Reason.MODEL_TIMEOUT)]
    assert video.is_wrong(Reason.MODEL_TIMEOUT, "body")
    video.right(Reason.MODEL_TIMEOUT, 8_000, 8_000, "body")
    assert told(video) == [(8_000, 8_000, None)]


def test_time_never_runs_backwards(video: StreamVoice) -> None:
    video.wrong(Reason.MODEL_TIMEOUT, 900, 5_000, "face")
    assert told(video) == [(5_000, 1_500, Reason.MODEL_TIMEOUT)]
    video.right(Reason.MODEL_TIMEOUT, 9_999, 6_000, "face")
    assert told(video) == [(6_000, 6_000, None)]


def test_a_gap_is_an_interval_with_both_ends() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voice.gap(0, 400, 400)
    voice.right(Reason.AUDIO_MISSING, 500, 500)
    told(voice)
    voice.gap(2_000, 2_640, 2_700)
    voice.gap(2_640, 2_640, 2_700)
    assert told(voice) == [(2_700, 2_000, Reason.AUDIO_GAP), (2_700, 2_640, None)]
