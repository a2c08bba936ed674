"""Real voices through the host's ears and the sensors: sounds in, signals out. Needs PROCTOR_MEDIA."""

import itertools
import wave
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from models.catalogue import Catalogue
from models.in_process import InProcessPerception
from models.selection import select
from models.sound.likeness import voice_likeness
from proctor.domain.media import Samples
from proctor.domain.observations import GazeSeen, Observation, SpeakersHeard, SpeechHeard
from proctor.domain.perception import FaceAsk
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import parse_policy
from proctor.identity.voices import VoiceCalibration
from proctor.sensing.suite import SensingSuite, SuiteState
from proctor.services.host import facts
from proctor.services.host.audio import AudioTrack
from proctor.services.host.picture import JudgedPicture, judged
from proctor.services.host.sampling import Shed
from proctor.services.host.voices import Ears
from tests.fakes.facts import SESSION, STANDARD_POLICY, gaze, media_come

pytestmark = [pytest.mark.weights, pytest.mark.media]

TICK_MS = 200
ENROL_S = 10.0
CHOSEN = select(instead={"speakers": "voice-clusters"})


@pytest.fixture(scope="module")
def ears(models_dir: Path) -> InProcessPerception:
    Catalogue(models_dir).fetch(CHOSEN.model("speakers").files)  # type: ignore[union-attr]
    groups = frozenset({"speech", "speakers"})
    return InProcessPerception(models_dir, groups, CHOSEN)


@pytest.fixture(scope="module")
def likeness(models_dir: Path) -> VoiceCalibration:
    return voice_likeness(CHOSEN, Catalogue(models_dir))


def read(path: Path) -> Samples:
    with wave.open(str(path)) as sound:
        raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    return (raw / 32_768).astype(np.float32)


def voice(media: Path, speaker: str, seconds: float) -> Samples:
    """That speaker's utterances, over and over, for so long."""
    folder = media / "audio" / "librispeech" / speaker
    whole = np.concatenate([read(path) for path in sorted(folder.glob("*.wav"))])
    return np.resize(whole, round(seconds * 16_000)).astype(np.float32)


async def hear(
    perception: InProcessPerception,
    likeness: VoiceCalibration,
    sound: Samples,
    mouths: Sequence[GazeSeen] = (),
) -> tuple[list[Observation], dict[SignalKind, int]]:
    """What the host tells of it, and when each kind of signal first began."""
    policy = yaml.safe_load(STANDARD_POLICY)
    policy["sampling"]["voice_enrol_s"] = ENROL_S
    parsed = parse_policy(yaml.safe_dump(policy))
    track = AudioTrack(
        policy=parsed,
        ears=Ears(has_model=True, likeness=likeness, has_consent=True),
        overdue_ms=3_800,
        joined_ms=0,
    )
    suite = SensingSuite(SESSION, parsed.sensing, SuiteState())
    for state in media_come():
        suite.observe(state)
    noise = np.random.default_rng(5).normal(0, 3e-4, len(sound)).astype(np.float32)
    told: list[Observation] = []
    opened: dict[SignalKind, int] = {}
    step = TICK_MS * 16
    for start in range(0, len(sound), step):
        now_ms = start // 16 + TICK_MS
        track.on_sound((sound + noise)[start : start + step], now_ms, 0)
        track.tick(now_ms)
        if (look := track.look(now_ms)) is not None:
            look.answered((await perception.speech([look.ask]))[0])
        if (asked := track.speakers_look(now_ms, Shed.NOTHING)) is not None:
            asked.answered((await perception.speakers([asked.ask]))[0])
        around = [seen for seen in mouths if now_ms - TICK_MS <= seen.observed_ms < now_ms]
        track.mouth.note(around)
        for seen in [*around, *track.take_seen()]:
            told.append(seen)
            for signal in suite.observe(seen).signals:
                opened.setdefault(signal.kind, signal.started_ms)
    return told, opened


@pytest.mark.parametrize(("candidate", "other"), [("2902", "251"), ("6241", "4831")])
async def test_the_candidate_s_own_voice_stays_theirs_and_another_is_told(
    ears: InProcessPerception,
    likeness: VoiceCalibration,
    media: Path,
    candidate: str,
    other: str,
) -> None:
    both = np.concatenate([voice(media, candidate, 36), voice(media, other, 24)])
    talking = [
        replace(gaze(at_ms, 0.0), mouth_open=0.05 * (at_ms // 250 % 3))
        for at_ms in range(0, 60_000, 250)
    ]
    told, opened = await hear(ears, likeness, both, talking)
    assert opened.keys() == {SignalKind.SPEECH, SignalKind.OTHER_VOICE}
    assert opened[SignalKind.OTHER_VOICE] >= 24_000
    windows = [seen for seen in told if isinstance(seen, SpeakersHeard) and seen.template_ms]
    own = [seen for seen in windows if seen.observed_ms + seen.duration_ms <= 36_000]
    assert own and all((seen.voices[0].candidate or 0) > 0.9 for seen in own)
    assert (windows[-1].voices[0].candidate or 0) < 0.1


async def test_two_people_who_talk_in_turn_are_several_voices(
    ears: InProcessPerception, likeness: VoiceCalibration, media: Path
) -> None:
    mix = read(media / "audio" / "mix_1988_2902.wav")
    _, opened = await hear(ears, likeness, np.tile(mix, 2))
    assert SignalKind.SEVERAL_VOICES in opened and SignalKind.WHISPER not in opened


async def test_whispered_speech_is_heard_as_a_whisper_and_spoken_speech_is_not(
    ears: InProcessPerception, likeness: VoiceCalibration, media: Path
) -> None:
    spoken = voice(media, "1988", 12)
    told, opened = await hear(ears, likeness, whispered(spoken))
    assert SignalKind.WHISPER in opened
    heard = [seen for seen in told if isinstance(seen, SpeechHeard)]
    pitched_ms = sum(seen.pitched_ms or 0 for seen in heard)
    spoken_ms = pitched_ms + sum(seen.unpitched_ms or 0 for seen in heard)
    assert spoken_ms > 6_000 and pitched_ms < 0.05 * spoken_ms
    _, opened = await hear(ears, likeness, spoken)
    assert SignalKind.WHISPER not in opened


async def test_a_real_voice_beside_a_real_face_that_is_silent(
    perception: InProcessPerception,
    ears: InProcessPerception,
    likeness: VoiceCalibration,
    media: Path,
) -> None:
    clip = list(pictures(media / "video" / "gaze_center_focus.mp4"))
    answers = await perception.faces([FaceAsk(picture=each.jpeg) for each in clip])
    mouths = [facts.gaze_seen(answer, each) for answer, each in zip(answers, clip, strict=True)]
    speech = voice(media, "1988", clip[-1].captured_ms / 1000)
    _, opened = await hear(ears, likeness, speech, mouths)
    assert opened[SignalKind.VOICE_WITHOUT_LIPS] <= 2_000
    moving = [
        replace(seen, mouth_open=(seen.mouth_open or 0) + 0.02 * (number % 3))
        for number, seen in enumerate(mouths)
    ]
    _, opened = await hear(ears, likeness, speech, moving)
    assert SignalKind.VOICE_WITHOUT_LIPS not in opened


def pictures(path: Path, per_second: int = 5) -> Iterator[JudgedPicture]:
    """A clip as a host would judge it, half its size."""
    video = cv2.VideoCapture(str(path))
    step = video.get(cv2.CAP_PROP_FPS) / per_second
    for number in itertools.count():
        more, frame = video.read()
        if not more:
            break
        if number % step < 1:
            small = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            at_ms = round(number / step * 1000 / per_second)
            yield judged(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8), at_ms)
    video.release()


def whispered(spoken: Samples, order: int = 18, window: int = 512) -> Samples:
    """The same words without a larynx: noise through the vocal tract's filter (LPC), frame by frame.

    The pre-emphasis is not undone: a whisper lacks the fall of the glottal source's spectrum.
    """
    random, shape = np.random.default_rng(0), np.hanning(window + 1)[:window]
    bright = np.append(spoken[0], spoken[1:] - 0.9 * spoken[:-1]).astype(np.float64)
    made = np.zeros(len(bright) + window)
    for start in range(0, len(bright) - window, window // 2):
        piece = bright[start : start + window]
        taper = piece * np.hamming(window)
        near = np.correlate(taper, taper, "full")[window - 1 : window + order]
        if near[0] < 1e-9:
            continue
        near[0] *= 1.0001
        around = near[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        tract = np.append(1, -np.linalg.solve(around, near[1:]))
        breath = np.fft.rfft(random.normal(size=window)) / np.fft.rfft(tract, window)
        sound = np.fft.irfft(breath, window)
        made[start : start + window] += shape * sound * (piece.std() / max(sound.std(), 1e-9))
    return (0.3 * made[: len(spoken)]).astype(np.float32)
