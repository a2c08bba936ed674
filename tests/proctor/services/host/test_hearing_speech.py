"""What counts as speech, whether it has a pitch, and whether the microphone hears anything."""

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.media import Samples
from proctor.domain.observations import SpeechHeard
from proctor.sensing.sound_limits import MicrophoneLimits
from proctor.services.host.pitch import CHUNK, count_pitched, periodicity
from proctor.services.host.stillness import StillWatch
from proctor.services.host.voiced import HANGOVER_CHUNKS, Hangover
from tests.fakes.media_peers import QUIET, SPEAKING, WHISPERING, Microphone
from tests.proctor.services.host.room import STANDARD, Room

RANDOM = np.random.default_rng(3)


def test_a_pause_within_an_utterance_is_speech_and_a_click_carries_nothing() -> None:
    word, pause = [0.9] * 3, [0.1] * HANGOVER_CHUNKS
    assert Hangover().decide(word + pause + [0.1]) == [True] * 13 + [False]
    assert Hangover().decide([0.9, 0.9, 0.1, 0.9, 0.1]) == [True, True, False, True, False]


@given(st.lists(st.floats(0, 1), max_size=80), st.integers(1, 20))
def test_the_hangover_knows_nothing_of_how_sound_is_cut(
    probabilities: list[float], length: int
) -> None:
    whole, cut = Hangover(), Hangover()
    pieces = [probabilities[at : at + length] for at in range(0, len(probabilities), length)]
    told = [each for piece in pieces for each in cut.decide(piece)]
    assert told == whole.decide(probabilities)


def test_a_gap_ends_the_hangover() -> None:
    hangover = Hangover()
    hangover.decide([0.9] * 3)
    hangover.forget()
    assert hangover.decide([0.1]) == [False]


def tone(pitch_hz: float, milliseconds: int = 320, noise: float = 0.0) -> Samples:
    """A buzz with all its harmonics, as a larynx gives, in noise of a given standard deviation."""
    at = np.arange(milliseconds * 16 // CHUNK * CHUNK) / 16_000
    buzz = 0.2 * (2 * (at * pitch_hz % 1) - 1) + RANDOM.normal(0, noise, len(at))
    return buzz.astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [75, 110, 180, 260, 390])
def test_a_buzz_has_a_pitch_at_any_height_and_level(pitch_hz: float) -> None:
    sound = tone(pitch_hz)
    everything = [True] * (len(sound) // CHUNK)
    assert count_pitched(sound, everything) == len(everything)
    assert count_pitched(sound * np.float32(0.003), everything) == len(everything)
    assert count_pitched(tone(pitch_hz, noise=0.05), everything) >= 0.9 * len(everything)


@pytest.mark.parametrize(
    "sound",
    [
        RANDOM.normal(0, 0.1, 20 * CHUNK),
        np.convolve(RANDOM.normal(0, 0.1, 20 * CHUNK), np.ones(8) / 8, "same"),
        np.zeros(20 * CHUNK),
        np.ones(20 * CHUNK),
    ],
    ids=["hiss", "dull hiss", "silence", "offset"],
)
def test_noise_and_silence_have_none(sound: np.ndarray) -> None:
    assert count_pitched(sound.astype(np.float32), [True] * 20) <= 1


def test_a_tone_above_a_voice_is_no_pitch() -> None:
    at = np.arange(1024) / 16_000
    assert periodicity(np.sin(2 * np.pi * 2_000 * at)[None])[0] < 0.7


def test_only_the_chunks_that_are_asked_for_are_counted() -> None:
    assert count_pitched(tone(120), [False] * 9 + [True]) == 1
    assert count_pitched(tone(120), [False] * 10) == 0


async def test_a_host_tells_how_much_of_the_speech_has_a_pitch() -> None:
    async with Room() as room:
        await room.join()
        await room.watch(3_000, microphone=SPEAKING)
        await room.watch(3_000, microphone=WHISPERING)
        await room.watch(2_000)
        heard = room.seen(SpeechHeard)
        pitched_ms = sum(seen.pitched_ms or 0 for seen in heard)
        unpitched_ms = sum(seen.unpitched_ms or 0 for seen in heard)
        assert 2_900 <= pitched_ms <= 3_100 and 2_900 <= unpitched_ms <= 3_100


async def test_without_a_rule_on_whispers_no_pitch_is_measured() -> None:
    policy = yaml.safe_load(STANDARD)
    policy["rules"] = [rule for rule in policy["rules"] if rule["id"] != "whispering"]
    async with Room(policy=yaml.safe_dump(policy)) as room:
        await room.join()
        await room.watch(3_000, microphone=SPEAKING)
        assert {seen.pitched_ms for seen in room.seen(SpeechHeard)} == {None}


LIMITS = MicrophoneLimits(still_after_ms=60_000)


def listen(watch: StillWatch, microphone: Microphone, from_ms: int, until_ms: int) -> None:
    for at_ms in range(from_ms + 200, until_ms + 1, 200):
        watch.hear(microphone.sound(200), at_ms)


def test_stationary_noise_says_nothing_of_the_room() -> None:
    watch = StillWatch(LIMITS)
    listen(watch, Microphone(0.0005), 0, 59_000)
    assert watch.still_since_ms(59_000) is None
    listen(watch, Microphone(0.0005), 59_000, 61_000)
    assert watch.still_since_ms(61_000) == 200


def test_one_key_pressed_shows_that_it_hears() -> None:
    watch = StillWatch(LIMITS)
    listen(watch, Microphone(0.0005), 0, 50_000)
    listen(watch, Microphone(0.005), 50_000, 50_200)
    listen(watch, Microphone(0.0005), 50_200, 70_000)
    assert watch.still_since_ms(70_000) is None


def test_a_loud_and_steady_noise_is_not_silence() -> None:
    watch = StillWatch(LIMITS)
    listen(watch, Microphone(0.1), 0, 120_000)
    assert watch.still_since_ms(120_000) is None


async def test_a_microphone_that_hears_nothing_is_degraded_and_never_an_alert() -> None:
    dead = Microphone(0.0002)
    policy = STANDARD.replace("still_after_ms: 300000", "still_after_ms: 30000")
    async with Room(policy=policy) as room:
        await room.join()
        await room.watch(40_000, microphone=dead)
        assert room.coverage(Modality.AUDIO)[-1][1:] == (
            CoverageState.DEGRADED,
            CoverageReason.AUDIO_SILENT,
        )
        assert room.coverage(Modality.AUDIO)[-1][0] <= 1_000
        await room.watch(2_000, microphone=SPEAKING)
        await room.watch(2_000, microphone=QUIET)
        assert room.coverage(Modality.AUDIO)[-1][1:] == (CoverageState.MONITORED, None)
