"""Silero on a real conversation, alone and in a batch, and on sound that cannot be used."""

import io
import wave

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.in_process import InProcessPerception
from proctor.domain.perception import Fault, SpeechAnswer, SpeechAsk

pytestmark = pytest.mark.weights

SECOND = 16_000


@pytest.fixture(scope="module")
def talk(catalogue: Catalogue) -> np.ndarray:
    with wave.open(io.BytesIO(catalogue.read("speech-sample"))) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (SECOND, 1)
        raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    samples = raw[: len(raw) // 512 * 512].astype(np.float32) / 32768
    samples.flags.writeable = False
    return samples


def voiced(answer: SpeechAnswer) -> np.ndarray:
    return np.array(answer.probabilities) > 0.5


async def test_talk_is_heard_and_quiet_is_not(
    perception: InProcessPerception, talk: np.ndarray
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 5 * SECOND // 512 * 512).astype(np.float32)
    speech, hiss, nothing = await perception.speech(
        [SpeechAsk(samples=each) for each in (talk, noise, np.zeros_like(noise))]
    )
    # the sample's own labels: the first words are spoken at 6.69 s, then hardly a pause to the end
    chunks = voiced(speech)
    assert chunks[: int(6.4 * SECOND / 512)].mean() < 0.05
    assert chunks[int(7.5 * SECOND / 512) :].mean() > 0.85
    assert not voiced(hiss).any() and not voiced(nothing).any()


async def test_a_stream_in_pieces_equals_the_whole(
    perception: InProcessPerception, talk: np.ndarray
) -> None:
    sound = talk[7 * SECOND // 512 * 512 :][: 60 * 512]
    (whole,) = await perception.speech([SpeechAsk(samples=sound)])
    state = context = None
    heard: list[float] = []
    for start in range(0, len(sound), 6 * 512):
        (part,) = await perception.speech(
            [SpeechAsk(samples=sound[start : start + 6 * 512], state=state, context=context)]
        )
        state, context = part.state, part.context
        heard += part.probabilities
    assert tuple(heard) == whole.probabilities
    assert whole.state is not None and state is not None
    np.testing.assert_array_equal(state, whole.state)


async def test_a_batch_is_bit_identical_to_single_streams(
    perception: InProcessPerception, talk: np.ndarray
) -> None:
    asks = [SpeechAsk(samples=talk[at * 3584 :][: 512 * (at % 5)]) for at in range(90)]
    together = await perception.speech(asks)
    for ask, answer in zip(asks, together, strict=True):
        (alone,) = await perception.speech([ask])
        assert alone.probabilities == answer.probabilities
        assert alone.state is not None and answer.state is not None
        np.testing.assert_array_equal(alone.state, answer.state)
        np.testing.assert_array_equal(alone.context, answer.context)


async def test_unusable_sound_spoils_only_its_own_answer(
    perception: InProcessPerception, talk: np.ndarray
) -> None:
    good = talk[8 * SECOND // 512 * 512 :][:2048]
    broken = good.copy()
    broken[700] = np.nan
    asks = [
        SpeechAsk(samples=good),
        SpeechAsk(samples=broken),
        SpeechAsk(samples=good[:500]),
        SpeechAsk(samples=good, state=np.full((2, 1, 128), np.inf, np.float32)),
        SpeechAsk(samples=good, state=np.zeros((2, 128), np.float32)),
        SpeechAsk(samples=good, context=np.zeros(63, np.float32)),
        SpeechAsk(samples=good),
    ]
    answers = await perception.speech(asks)
    faults = [answer.fault for answer in answers]
    assert faults == [None, *[Fault.MODEL_OUTPUT_INVALID] * 5, None]
    assert all(answer.state is None for answer in answers[1:6])
    assert answers[0].probabilities == answers[6].probabilities
    assert len(answers[0].probabilities) == 4


async def test_no_streams_are_no_answers(perception: InProcessPerception) -> None:
    assert list(await perception.speech([])) == []
