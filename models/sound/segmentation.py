"""Who speaks in a window, overlaps included: pyannote segmentation 3.0 and the voices' likeness.

The network sees ten seconds and says for every 17 ms which of three local speakers talk, as one of
seven sets (nobody, one, two at once). Where one talks alone the voice is embedded. The
network tells overlaps and quick changes; it misses a change between two similar voices that
follow each other, so each local speaker's voice is looked at for a second one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.onnx import OnnxModel
from models.sound.speaker_embedding import SpeakerEmbedder
from models.sound.voices import (
    LONGEST_S,
    Voice,
    VoiceLimits,
    answer,
    fault_of,
    refusal,
    stretches,
    tell_apart,
)
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.perception import Fault, SpeakersAnswer, SpeakersAsk

WINDOW = int(LONGEST_S * AUDIO_RATE_HZ)
FRAME = 270
FRAME_FIELD = 991
FRAMES = (WINDOW - FRAME_FIELD) // FRAME + 1
FIRST_FRAME_STARTS = (FRAME_FIELD - FRAME) // 2
"""A frame stands for the 270 samples in the middle of the 991 that it sees."""

LOCAL_SPEAKERS = 3
POWERSET = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool
)
"""The sets of local speakers that the seven outputs stand for, in the network's order."""

Marks = npt.NDArray[np.bool_]


class SegmentedSpeakers:
    """The reader `segmentation`. One instance is shared by all threads."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the segmentation and the speaker embedding. Raises `ModelFileError`."""
        segmentation, encoder = files
        self._name = segmentation
        self._model = OnnxModel(segmentation, catalogue.read(segmentation), batch_limit=1)
        if len(self._model.inputs) != 1 or len(self._model.outputs) != 1:
            raise ModelFileError(
                f"{segmentation} is another network: it has several inputs or outputs"
            )
        (self._input,), (self._output,) = self._model.inputs, self._model.outputs
        window = np.zeros((1, 1, WINDOW), np.float32)
        self._model.require({self._input: window}, {self._output: (1, FRAMES, len(POWERSET))})
        self._embedder = SpeakerEmbedder(catalogue, encoder)
        self._limits = VoiceLimits.of(catalogue, encoder)
        self._shortest = int(catalogue.threshold(segmentation, "shortest_s") * AUDIO_RATE_HZ)
        self._producers = (catalogue.producer(segmentation), catalogue.producer(encoder))

    def read(self, ask: SpeakersAsk) -> SpeakersAnswer:
        """Turns and voices; none where nobody speaks."""
        if fault := fault_of(ask.samples):
            return refusal(fault, self._producers)
        try:
            talking = self.talking(ask.samples)
            voices = [
                voice
                for local in range(LOCAL_SPEAKERS)
                for voice in self._voices(ask.samples, talking, local)
            ]
        except ModelOutputInvalid:
            return refusal(Fault.MODEL_OUTPUT_INVALID, self._producers)
        voices.sort(key=lambda voice: min([*voice.alone, *voice.together]))
        return answer(voices, self._limits, self._producers)

    def talking(self, samples: Samples) -> Marks:
        """(frames, 3): which local speakers talk in each frame of the sound.

        Raises:
            ModelOutputInvalid: The network's answer is not finite or of another shape.
        """
        window = np.pad(samples.astype(np.float32), (0, WINDOW - len(samples)))
        told = self._model.run({self._input: window[None, None]})[self._output]
        if told.shape != (1, FRAMES, len(POWERSET)):
            raise ModelOutputInvalid(f"{self._name} answered in shape {told.shape}")
        frames = min(FRAMES, (len(samples) - FIRST_FRAME_STARTS) // FRAME)
        return decode(told[0])[:frames]

    def _voices(self, samples: Samples, talking: Marks, local: int) -> list[Voice]:
        """The voices of one local speaker: one, or two where the network missed a change."""
        alone = talking[:, local] & (talking.sum(axis=1) == 1)
        together = talking[:, local] & ~alone
        if np.count_nonzero(talking[:, local]) * FRAME < self._shortest:
            return []
        speech = stretches(alone, FRAME, FIRST_FRAME_STARTS)
        overlaps = stretches(together, FRAME, FIRST_FRAME_STARTS)
        voices = tell_apart(self._embedder, samples, speech, self._limits)
        if not voices:
            return [Voice([], np.zeros((0, 0), np.float32), overlaps)]
        for part in overlaps:  # goes to the voice that was heard closest to it
            nearest = min(
                voices,
                key=lambda voice: min(
                    max(own.start - part.end, part.start - own.end) for own in voice.alone
                ),
            )
            nearest.together.append(part)
        return voices


def decode(scores: npt.NDArray[np.float32]) -> Marks:
    """(frames, 7) log-probabilities of the sets into (frames, 3) marks of the local speakers.

    Raises:
        ModelOutputInvalid: A score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ModelOutputInvalid("the segmentation answered with numbers that are not finite")
    marks: Marks = POWERSET[scores.argmax(axis=1)]
    return marks
