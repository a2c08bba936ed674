"""Who speaks: grouping and powerset by hand, both readers on real voices, and sound that is unusable."""

import io
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import FetchFailed, ModelOutputInvalid
from models.in_process import InProcessPerception
from models.selection import select
from models.sound.clustering import group
from models.sound.segmentation import POWERSET, SegmentedSpeakers, decode
from models.sound.speakers import VoiceClusters
from models.sound.voices import (
    Stretch,
    Voice,
    VoiceLimits,
    answer,
    fault_of,
    stretches,
    tell_apart,
)
from proctor.domain.media import Samples
from proctor.domain.perception import Fault, SpeakersAnswer, SpeakersAsk
from proctor.settings import Settings

SECOND = 16_000
LIMITS = VoiceLimits(same_voice=0.6, least_pieces=2, embedding_s=1.6)


def unit(*angles_deg: float) -> np.ndarray:
    """Vectors in a plane; the cosine of two is that of the angle between them."""
    turns = np.radians(angles_deg)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


class TestGrouping:
    def test_alike_is_one_group_and_unlike_is_two(self) -> None:
        assert group(unit(0, 80, 5, 85, 10), 0.6).tolist() == [0, 1, 0, 1, 0]
        assert group(unit(0), 0.6).tolist() == [0]

    def test_the_mean_of_all_pairs_decides(self) -> None:
        # 0 and 40 join (cos 0.77); 80 is at cos(40) and cos(80) from them: mean 0.47
        assert group(unit(0, 40, 80), 0.48).tolist() == [0, 0, 1]
        assert group(unit(0, 40, 80), 0.46).tolist() == [0, 0, 0]

    def test_a_group_that_is_too_small_goes_to_the_nearest(self) -> None:
        assert group(unit(0, 2, 90, 88, 30), 0.9, least=2).tolist() == [0, 0, 1, 1, 0]
        assert group(unit(0, 40, 80), 0.99, least=2).tolist() == [0, 0, 0]


class Scripted:
    """An encoder for which the sound's sign is the voice."""

    def partials(self, samples: Samples, step: int) -> tuple[np.ndarray, tuple[int, ...]]:
        starts = tuple(range(0, max(1, len(samples) - 25_600 + step), step))
        means = [float(np.sign(samples[at : at + 25_600]).mean()) for at in starts]
        return unit(*(45 + 45 * mean for mean in means)), starts


def told(samples: Samples, *speech: Stretch) -> list[Voice]:
    return tell_apart(Scripted(), samples, speech, LIMITS)  # type: ignore[arg-type]


class TestStretchesBecomeVoices:
    def test_a_change_inside_a_stretch_is_found_within_half_a_second(self) -> None:
        sound = np.ones(8 * SECOND, np.float32)
        sound[5 * SECOND :] = -1
        one, other = told(sound, Stretch(0, 8 * SECOND))
        (first,), (second,) = one.alone, other.alone
        assert (first.start, second.end) == (0, 8 * SECOND) and first.end == second.start
        assert abs(first.end - 5 * SECOND) < SECOND // 2
        assert one.vectors @ other.vectors.T == pytest.approx(0, abs=0.2)  # pure pieces only

    def test_a_change_at_a_pause_and_back(self) -> None:
        sound = np.ones(10 * SECOND, np.float32)
        sound[3 * SECOND : 7 * SECOND] = -1
        speech = [
            Stretch(0, 3 * SECOND),
            Stretch(4 * SECOND, 7 * SECOND),
            Stretch(7 * SECOND, 10 * SECOND),
        ]
        one, other = told(sound, *speech)
        assert one.alone[0].start == 0 and one.alone[-1].end == 10 * SECOND
        (middle,) = [part for part in other.alone if part.length > SECOND // 2]
        assert abs(middle.start - 4 * SECOND) < SECOND // 2
        assert abs(middle.end - 7 * SECOND) < SECOND // 2
        covered = sum(part.length for voice in (one, other) for part in voice.alone)
        assert covered == 9 * SECOND

    def test_one_voice_is_one_voice_and_nobody_is_nobody(self) -> None:
        (only,) = told(np.ones(4 * SECOND, np.float32), Stretch(SECOND, 2 * SECOND))
        assert only.alone == [Stretch(SECOND, 2 * SECOND)]
        assert told(np.ones(SECOND, np.float32)) == []

    def test_what_the_port_is_told(self) -> None:
        voices = [
            Voice([Stretch(0, SECOND), Stretch(SECOND, 2 * SECOND)], unit(0, 10)),
            Voice([Stretch(5 * SECOND, 6 * SECOND)], unit(90), [Stretch(3 * SECOND, 4 * SECOND)]),
        ]
        seen = answer(voices, LIMITS, ())
        assert [(t.voice, t.start_ms, t.end_ms) for t in seen.turns] == [
            (0, 0, 2000),
            (1, 3000, 4000),
            (1, 5000, 6000),
        ]
        first, second = seen.voices
        assert (first.alone_ms, second.alone_ms) == (2000, 1000)
        np.testing.assert_allclose(first.embedding, unit(5)[0], atol=1e-6)
        assert second.embedding is None  # heard alone for less than 1.6 s


class TestPowerset:
    def test_each_set_is_its_speakers(self) -> None:
        scores = np.full((7, 7), -9.0, np.float32)
        np.fill_diagonal(scores, -0.1)
        sets = [tuple(np.flatnonzero(row)) for row in decode(scores)]
        assert sets == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
        assert POWERSET.sum(axis=1).tolist() == [0, 1, 1, 1, 2, 2, 2]

    def test_a_score_that_is_no_number_is_an_error(self) -> None:
        scores = np.zeros((3, 7), np.float32)
        scores[1, 2] = np.nan
        with pytest.raises(ModelOutputInvalid):
            decode(scores)

    def test_frames_become_stretches(self) -> None:
        marks = np.array([0, 1, 1, 0, 1], bool)
        assert stretches(marks, 270, 360) == [Stretch(630, 1170), Stretch(1440, 1710)]
        assert stretches(np.zeros(4, bool), 270) == []


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(2 * SECOND, np.float32),
        np.full(2 * SECOND, 2 / 32768, np.float32),
        np.full(2 * SECOND, np.nan, np.float32),
        np.append(np.ones(SECOND, np.float32), np.inf),
        np.ones(SECOND // 3, np.float32),
        np.ones(11 * SECOND, np.float32),
        np.ones((2, SECOND), np.float32),
        np.ones(2 * SECOND, np.int16),
    ],
)
def test_sound_that_cannot_be_used(samples: np.ndarray) -> None:
    assert fault_of(samples) is Fault.SOUND_UNUSABLE


def test_faint_sound_can_be_used() -> None:
    assert fault_of(np.full(SECOND, 0.001, np.float32)) is None


@pytest.fixture(scope="module")
def talk(catalogue: Catalogue) -> Samples:
    """30 s of a conversation of two, the first words at 6.69 s."""
    with wave.open(io.BytesIO(catalogue.read("speech-sample"))) as sound:
        raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    samples = raw.astype(np.float32) / 32768
    samples.flags.writeable = False
    return samples


def heard(path: Path) -> Samples:
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (SECOND, 1)
        raw = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    return raw.astype(np.float32) / 32768


@pytest.fixture(scope="module")
def segmentation(models_dir: Path) -> SegmentedSpeakers:
    catalogue = Catalogue(models_dir, Settings().models_mirror)
    try:
        catalogue.fetch(["pyannote-segmentation"])
    except FetchFailed:
        pytest.skip("no mirror has pyannote-segmentation (PROCTOR_MODELS_MIRROR)")
    return SegmentedSpeakers(catalogue, ["pyannote-segmentation", "speaker-embedding"])


@pytest.mark.weights
class TestRealVoices:
    @pytest.fixture
    def clusters(self, catalogue: Catalogue) -> VoiceClusters:
        return VoiceClusters(catalogue, ["voice", "speaker-embedding"])

    def check_two(self, told: SpeakersAnswer, long_ms: int) -> None:
        assert told.fault is None and len(told.voices) == 2
        one, other = (voice.embedding for voice in told.voices)
        assert one is not None and other is not None
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
        assert float(one @ other) < 0.61  # the manifest's threshold
        assert told.turns[0].start_ms >= 0
        assert max(turn.end_ms for turn in told.turns) <= long_ms

    def test_two_readers_of_a_book_are_two_and_one_is_one(
        self, media: Path, clusters: VoiceClusters, segmentation: SegmentedSpeakers
    ) -> None:
        folder = media / "audio" / "librispeech"
        first = heard(folder / "1988" / "1988-148538-0011.wav")
        second = heard(folder / "6241" / "6241-66616-0019.wav")
        two = np.concatenate([first[: 5 * SECOND], second[: 5 * SECOND]])
        two.flags.writeable = False
        for reader in (clusters, segmentation):
            told = reader.read(SpeakersAsk(samples=two))
            self.check_two(told, 10_000)
            mine = sum(
                min(turn.end_ms, 5_000) - turn.start_ms
                for turn in told.turns
                if turn.voice == 0 and turn.start_ms < 5_000
            )
            assert mine > 4_000
            alone = reader.read(SpeakersAsk(samples=first[: 9 * SECOND]))
            assert alone.fault is None and len(alone.voices) == 1

    def test_quiet_and_noise_are_nobody(
        self, talk: Samples, clusters: VoiceClusters, segmentation: SegmentedSpeakers
    ) -> None:
        noise = np.random.default_rng(0).normal(0, 0.003, 10 * SECOND).astype(np.float32)
        for reader in (clusters, segmentation):
            for quiet in (noise, talk[: 6 * SECOND]):
                told = reader.read(SpeakersAsk(samples=quiet))
                assert (told.turns, told.voices, told.fault) == ((), (), None)

    def test_who_talks_over_the_other_is_heard_by_the_segmentation(
        self, talk: Samples, segmentation: SegmentedSpeakers
    ) -> None:
        # labels of the sample: both at once from 18.15 to 18.59 s, and from 27.85 to 28.50 s
        talking = segmentation.talking(talk[20 * SECOND :][: 10 * SECOND])
        both = np.flatnonzero(talking.sum(axis=1) >= 2) * 270 / SECOND + 20
        assert len(both) and ((both > 27.3) & (both < 29.0)).mean() > 0.8

    def test_a_short_window_ends_where_it_ends(
        self, talk: Samples, clusters: VoiceClusters, segmentation: SegmentedSpeakers
    ) -> None:
        for reader in (clusters, segmentation):
            told = reader.read(SpeakersAsk(samples=talk[11 * SECOND :][: 2 * SECOND]))
            assert len(told.voices) == 1
            assert max(turn.end_ms for turn in told.turns) <= 2_000

    def test_an_encoder_gone_wrong_is_a_fault_not_silence(
        self, talk: Samples, clusters: VoiceClusters
    ) -> None:
        class Broken:
            def partials(self, *_: object) -> None:
                raise ModelOutputInvalid("not finite")

        clusters._embedder = Broken()  # type: ignore[assignment]
        told = clusters.read(SpeakersAsk(samples=talk[10 * SECOND :][: 5 * SECOND]))
        assert told.fault is Fault.MODEL_OUTPUT_INVALID and not told.voices

    def test_a_segmentation_gone_wrong_is_a_fault_not_silence(
        self, talk: Samples, segmentation: SegmentedSpeakers
    ) -> None:
        class Broken:
            def __init__(self, answer: np.ndarray) -> None:
                self.answer = answer

            def run(self, inputs: object) -> dict[str, np.ndarray]:
                return {segmentation._output: self.answer}

        ask, right = SpeakersAsk(samples=talk[10 * SECOND :][: 5 * SECOND]), segmentation._model
        for wrong in (np.full((1, 589, 7), np.nan), np.zeros((1, 588, 7)), np.zeros((589, 7))):
            segmentation._model = Broken(wrong.astype(np.float32))  # type: ignore[assignment]
            try:
                told = segmentation.read(ask)
            finally:
                segmentation._model = right
            assert told.fault is Fault.MODEL_OUTPUT_INVALID and not told.voices

    async def test_the_group_by_the_port(self, models_dir: Path, talk: Samples) -> None:
        selection = select("embedded", {"speakers": "voice-clusters"})
        with InProcessPerception(models_dir, frozenset({"speakers"}), selection) as perception:
            bad, good = await perception.speakers(
                [
                    SpeakersAsk(samples=np.full(SECOND, np.nan, np.float32)),
                    SpeakersAsk(samples=talk[10 * SECOND :][: 8 * SECOND]),
                ]
            )
        assert bad.fault is Fault.SOUND_UNUSABLE
        assert good.fault is None and good.turns
        assert [producer.model for producer in good.producers] == ["voice", "speaker-embedding"]


def test_limits_come_from_the_manifest(catalogue: Catalogue) -> None:
    stated = VoiceLimits.of(catalogue, "speaker-embedding")
    assert stated == replace(LIMITS, same_voice=0.61)
