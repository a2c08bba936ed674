"""Windows of speech go out, voices come back; the candidate's own is learnt with their consent only."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import yaml

from proctor.domain.candidates import ConsentScope
from proctor.domain.coverage import CoverageReason as Reason
from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.observations import SpeakersHeard, VoiceHeard
from proctor.domain.perception import (
    Fault,
    HeardVoice,
    SpeakersAnswer,
    SpeakersAsk,
    SpeakerTurn,
)
from proctor.sensing.sound_limits import LipsLimits
from proctor.services.host.mouth import Mouth
from proctor.services.host.sampling import Shed
from proctor.services.host.sound import CHUNK, Sound
from proctor.services.host.speech_window import SpeechWindow
from proctor.services.host.stream_voice import StreamVoice
from proctor.services.host.voices import Voices, is_usable, overlap_ms
from tests.fakes.facts import gaze
from tests.fakes.media_peers import ROOM, SPEAKING
from tests.fakes.perception import SPEAKERS, Scene, Trouble, voice_of
from tests.proctor.services.host.room import STANDARD, Room

SERVED = ("speakers",)
BOTH = (ConsentScope.FACE, ConsentScope.VOICE)


def asked(room: Room) -> list[SpeakersAsk]:
    """Every window that was asked about, in order."""
    return [
        ask
        for _, group, asks in room.perception.asked
        if group == "speakers"
        for ask in asks
        if isinstance(ask, SpeakersAsk)
    ]


async def test_speech_is_asked_about_at_the_policy_s_rate_and_silence_never() -> None:
    async with Room(groups=SERVED) as room:
        await room.join()
        await room.watch(10_000)
        assert asked(room) == []
        await room.watch(41_000, microphone=SPEAKING)
        await room.watch(15_000)
        calls = room.perception.calls("speakers")
        assert 5 <= len(calls) <= 6
        assert all(later - call >= 10_000 for call, later in pairwise(calls))
        windows = asked(room)
        assert all(3_000 * 16 <= len(ask.samples) <= 10_000 * 16 for ask in windows)
        told = room.seen(SpeakersHeard)
        assert sum(seen.voiced_ms for seen in told) >= 38_000
        assert [seen.observed_ms for seen in told] == sorted(seen.observed_ms for seen in told)
        assert told[0].voices == (VoiceHeard(alone_ms=told[0].voiced_ms, candidate=None),)


async def test_a_group_that_is_not_served_is_neither_asked_nor_missed() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(60_000, microphone=SPEAKING)
        assert asked(room) == []
        assert room.coverage(Modality.AUDIO)[-1][1] is CoverageState.MONITORED


@pytest.mark.parametrize("off", ["no rule", "rate 0", "no sound"])
async def test_what_the_policy_does_not_ask_for_is_not_computed(off: str) -> None:
    policy = yaml.safe_load(STANDARD)
    if off != "no sound":
        names = ("other_voice", "several_voices")
        policy["rules"] = [rule for rule in policy["rules"] if rule["id"] not in names]
    if off == "rate 0":
        policy["sampling"]["speakers_every_s"] = 0.0
    if off == "no sound":
        policy["sampling"]["audio"] = False
    async with Room(groups=SERVED, scopes=BOTH, policy=yaml.safe_dump(policy)) as room:
        await room.join()
        await room.watch(30_000, microphone=SPEAKING)
        assert asked(room) == []


async def test_with_consent_the_voice_of_the_first_minute_of_speech_is_learnt() -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        room.perception.scenes.append(Scene(from_ms=90_000, people=("ana",), voices=("ben",)))
        await room.join()
        await room.watch(130_000, microphone=SPEAKING)
        told = room.seen(SpeakersHeard)
        learnt = [seen for seen in told if seen.template_ms is not None]
        assert all(seen.voices[0].candidate is None for seen in told if seen not in learnt)
        assert learnt[0].template_ms is not None and learnt[0].template_ms >= 60_000
        assert learnt[0].observed_ms >= 45_000
        chances = [seen.voices[0].candidate or 0 for seen in learnt]
        assert chances[0] > 0.99 > 0.01 > chances[-1]


async def test_without_consent_to_it_no_voice_is_learnt() -> None:
    async with Room(groups=SERVED) as room:
        await room.join()
        await room.watch(100_000, microphone=SPEAKING)
        told = room.seen(SpeakersHeard)
        assert len(told) >= 8 and {seen.template_ms for seen in told} == {None}
        assert {voice.candidate for seen in told for voice in seen.voices} == {None}


async def test_a_voice_beside_still_lips_is_not_learnt_as_the_candidate_s() -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        room.perception.scenes = [Scene(from_ms=0, people=("ana",), lips_still=True)]
        await room.join()
        await room.watch(100_000, microphone=SPEAKING)
        assert {seen.template_ms for seen in room.seen(SpeakersHeard)} == {None}


@pytest.mark.parametrize("unseen", ["turned away", "no camera", "no answers"])
async def test_a_voice_beside_lips_that_were_not_seen_is_not_learnt(unseen: str) -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        scene = Scene(from_ms=0, people=("ana",), turned_away=unseen == "turned away")
        room.perception.scenes = [scene]
        if unseen == "no answers":
            room.perception.troubles = [
                Trouble(group="face", kind="is_away", from_ms=0, to_ms=200_000)
            ]
        await room.join()
        lens = None if unseen == "no camera" else ROOM
        await room.watch(100_000, lens=lens, microphone=SPEAKING)
        told = room.seen(SpeakersHeard)
        assert len(told) >= 8 and {seen.template_ms for seen in told} == {None}
        assert room.metrics.counted("host_media", what="voices_not_enrolled") >= 8


@pytest.mark.parametrize(
    ("pictures", "step", "moved"), [(8, 0.05, True), (7, 0.05, False), (8, 0.0, False)]
)
def test_lips_have_moved_only_when_enough_pictures_say_so(
    pictures: int, step: float, moved: bool
) -> None:
    mouth = Mouth(LipsLimits())
    mouth.note(replace(gaze(at * 1_000, 0.0), mouth_open=at % 2 * step) for at in range(pictures))
    assert mouth.has_moved(0, 10_000) is moved
    assert not mouth.has_moved(2_000, 10_000), "of the window, not of before"


async def test_several_voices_at_once_are_not_learnt_but_told() -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        room.perception.scenes = [Scene(from_ms=0, people=("ana",), voices=("ana", "ben"))]
        await room.join()
        await room.watch(100_000, microphone=SPEAKING)
        told = room.seen(SpeakersHeard)
        assert {len(seen.voices) for seen in told} == {2}
        assert {seen.template_ms for seen in told} == {None}


async def test_a_new_connection_keeps_the_template_and_a_new_session_has_none() -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        await room.join()
        await room.watch(80_000, microphone=SPEAKING)
        await room.join(epoch=2)
        await room.watch(15_000, microphone=SPEAKING)
        (again, *_) = [seen for seen in room.seen(SpeakersHeard) if seen.observed_ms > 80_000]
        assert again.template_ms is not None
        await room.host.leave(room.spec().session_id, 2)
        await room.join(epoch=3)
        await room.watch(15_000, microphone=SPEAKING)
        assert room.seen(SpeakersHeard)[-1].template_ms is None


async def test_withdrawn_consent_leaves_the_next_connection_without_a_template() -> None:
    async with Room(groups=SERVED, scopes=BOTH) as room:
        await room.join()
        await room.watch(80_000, microphone=SPEAKING)
        room.scopes = (ConsentScope.FACE,)
        await room.join(epoch=2)
        await room.watch(80_000, microphone=SPEAKING)
        later = [seen for seen in room.seen(SpeakersHeard) if seen.observed_ms > 81_000]
        assert later and {seen.template_ms for seen in later} == {None}


async def test_no_fact_can_carry_a_vector() -> None:
    plain = {int, float, str, tuple, type(None)}
    async with Room(groups=SERVED, scopes=BOTH) as room:
        await room.join()
        await room.watch(80_000, microphone=SPEAKING)
        for seen in room.seen(SpeakersHeard):
            for value in [seen, *seen.voices]:
                assert {type(getattr(value, each.name)) for each in fields(value)} <= plain


async def test_a_group_that_is_away_for_long_is_told_and_what_was_said_last_is_asked_again() -> (
    None
):
    async with Room(groups=SERVED) as room:
        room.perception.troubles = [
            Trouble(group="speakers", kind="is_away", from_ms=0, to_ms=60_000)
        ]
        await room.join()
        await room.watch(55_000, microphone=SPEAKING)
        since_ms, state, reason = room.coverage(Modality.AUDIO)[-1]
        assert (state, reason) == (CoverageState.DEGRADED, Reason.MODEL_TIMEOUT)
        assert since_ms <= 1_000
        await room.watch(10_000, microphone=SPEAKING)
        assert room.coverage(Modality.AUDIO)[-1][1:] == (CoverageState.MONITORED, None)
        assert room.seen(SpeakersHeard)[0].voiced_ms == pytest.approx(10_000, abs=40)


async def test_a_cold_group_that_answers_within_half_a_minute_is_no_outage() -> None:
    async with Room(groups=SERVED) as room:
        room.perception.troubles = [
            Trouble(group="speakers", kind="is_away", from_ms=0, to_ms=25_000)
        ]
        await room.join()
        await room.watch(50_000, microphone=SPEAKING)
        assert Reason.MODEL_TIMEOUT not in [each[2] for each in room.coverage(Modality.AUDIO)]


async def test_an_answer_that_makes_no_sense_is_told_and_says_nothing() -> None:
    async with Room(groups=SERVED) as room:
        room.perception.troubles = [
            Trouble(group="speakers", kind="invalid", from_ms=0, to_ms=30_000)
        ]
        await room.join()
        await room.watch(28_000, microphone=SPEAKING)
        assert room.coverage(Modality.AUDIO)[-1][1:] == (
            CoverageState.DEGRADED,
            Reason.MODEL_OUTPUT_INVALID,
        )
        assert room.seen(SpeakersHeard) == []
        await room.watch(12_000, microphone=SPEAKING)
        assert room.coverage(Modality.AUDIO)[-1][1] is CoverageState.MONITORED


GOOD = SpeakersAnswer(
    turns=(SpeakerTurn(voice=0, start_ms=0, end_ms=4_000),),
    voices=(HeardVoice(alone_ms=4_000, embedding=voice_of("ana")),),
    producers=(SPEAKERS,),
)


@pytest.mark.parametrize(
    "change",
    [
        {"turns": (SpeakerTurn(voice=1, start_ms=0, end_ms=10),)},
        {"turns": (SpeakerTurn(voice=0, start_ms=50, end_ms=10),)},
        {"turns": (SpeakerTurn(voice=0, start_ms=0, end_ms=60_000),)},
        {"voices": (HeardVoice(alone_ms=60_000, embedding=None),)},
        {"voices": (HeardVoice(alone_ms=9, embedding=np.full(256, np.nan, np.float32)),)},
        {"voices": (HeardVoice(alone_ms=9, embedding=np.zeros(256, np.float32)),)},
        {"voices": (HeardVoice(alone_ms=9, embedding=np.ones((1, 1), np.float32)),)},
    ],
)
def test_an_answer_is_checked_before_it_is_believed(change: dict[str, object]) -> None:
    assert is_usable(GOOD, 5_000)
    assert not is_usable(replace(GOOD, **change), 5_000)


def test_what_two_say_at_once_is_counted_once() -> None:
    turns = (
        SpeakerTurn(voice=0, start_ms=0, end_ms=3_000),
        SpeakerTurn(voice=1, start_ms=2_000, end_ms=5_000),
        SpeakerTurn(voice=0, start_ms=2_500, end_ms=4_000),
        SpeakerTurn(voice=1, start_ms=2_500, end_ms=3_500),
    )
    assert overlap_ms(replace(GOOD, turns=turns)) == 2_000
    assert overlap_ms(GOOD) == 0


def sound(start_ms: int, chunks: int, fresh: bool = False) -> Sound:
    return Sound(start_ms=start_ms, samples=np.ones(chunks * CHUNK, np.float32), fresh=fresh)


def test_pauses_are_left_out_and_pieces_of_one_utterance_are_joined() -> None:
    window = SpeechWindow()
    window.add(sound(0, 10, fresh=True), [False] * 4 + [True] * 6)
    window.add(sound(320, 10), [True] * 5 + [False] * 5)
    window.add(sound(640, 10), [False] * 9 + [True])
    window.add(sound(10_000, 10, fresh=True), [True] * 10)
    taken = window.take()
    assert [(each.start_ms, each.end_ms) for each in taken] == [
        (128, 480),
        (928, 960),
        (10_000, 10_320),
    ]
    assert window.held_ms == 0


def test_only_the_newest_ten_seconds_wait_and_none_for_longer_than_a_minute() -> None:
    window = SpeechWindow()
    for at_ms in range(0, 20_480, 2_048):
        window.add(sound(at_ms, 64), [True] * 64)
    assert window.held_ms == 10_000
    assert window.take()[0].start_ms == 10_480
    window.add(sound(30_000, 64), [True] * 64)
    window.add(sound(100_000, 64), [False] * 64)
    assert window.held_ms == 0


def test_a_host_that_is_too_busy_gives_voices_up_and_says_so() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voice.right(Reason.AUDIO_MISSING, 0, 0)
    voices = Voices(
        every_ms=10_000, template=None, lips_moved=lambda _start, _end: True, voice=voice
    )
    voices.hear(sound(0, 200, fresh=True), [True] * 200)
    assert voices.look(7_000, Shed.BODY) is None and voice.is_monitored
    assert voices.look(18_000, Shed.BODY) is None
    assert voice.is_wrong(Reason.OVERLOAD, "speakers")
    look = voices.look(20_000, Shed.NOTHING)
    assert look is not None and voice.is_monitored


def test_load_is_over_when_no_speech_waits_any_more() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voice.right(Reason.AUDIO_MISSING, 0, 0)
    voices = Voices(
        every_ms=10_000, template=None, lips_moved=lambda _start, _end: True, voice=voice
    )
    voices.hear(sound(0, 200, fresh=True), [True] * 200)
    for at_ms in (7_000, 18_000, 60_000):
        assert voices.look(at_ms, Shed.BODY) is None
        voices.tick(at_ms)
    assert voice.is_wrong(Reason.OVERLOAD, "speakers")
    voices.tick(70_000)
    assert voice.is_monitored
    voice.take()
    # hours later it is told from when it began, and again only after it has lasted
    voices.hear(sound(7_000_000, 200, fresh=True), [True] * 200)
    assert voices.look(7_007_000, Shed.BODY) is None and voice.is_monitored
    assert voices.look(7_018_000, Shed.BODY) is None
    assert [state.since_ms for state in voice.take()] == [7_007_000]


def test_a_group_without_its_gpu_is_no_matter_while_nobody_speaks() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voice.right(Reason.AUDIO_MISSING, 0, 0)
    voices = Voices(
        every_ms=10_000, template=None, lips_moved=lambda _start, _end: True, voice=voice
    )
    for start_ms in (0, 200_000):
        voices.hear(sound(start_ms, 200, fresh=True), [True] * 200)
        look = voices.look(start_ms + 7_000, Shed.NOTHING)
        assert look is not None
        look.answered(replace(GOOD, fallback=True))
        voices.tick(start_ms + 60_000)
        assert voice.is_wrong(Reason.GPU, "speakers")
        voices.tick(start_ms + 70_000)
        assert voice.is_monitored


def test_a_window_that_nobody_can_use_is_counted() -> None:
    voice = StreamVoice(Modality.AUDIO, 0)
    voices = Voices(
        every_ms=10_000, template=None, lips_moved=lambda _start, _end: True, voice=voice
    )
    voices.hear(sound(0, 200, fresh=True), [True] * 200)
    look = voices.look(7_000, Shed.NOTHING)
    assert look is not None
    look.answered(replace(GOOD, turns=(), voices=(), fault=Fault.SOUND_UNUSABLE))
    assert voices.seen == [] and voices.counts["unusable_windows"] == 1
    assert not voice.is_wrong(Reason.MODEL_OUTPUT_INVALID, "speakers")
