"""Who speaks in a window, by the pyannote.audio pipeline: segmentation, embedding, VBx clustering."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.runtimes.pyannote import Diarized, PyannotePipeline
from models.sound.voices import fault_of, refusal
from proctor.domain.media import AUDIO_RATE_HZ
from proctor.domain.perception import (
    Embedding,
    Fault,
    HeardVoice,
    SpeakersAnswer,
    SpeakersAsk,
    SpeakerTurn,
)

DIMENSIONS = 256


class PipelineSpeakers:
    """The reader `pyannote-pipeline`. One instance is shared by all threads; they take turns."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` is the one folder. Raises `ModelFileError`."""
        (name,) = files
        self._pipeline = PyannotePipeline(name, catalogue.folder(name))
        if self._pipeline.dimensions != DIMENSIONS:
            raise ModelFileError(
                f"{name} embeds voices in {self._pipeline.dimensions} numbers, not {DIMENSIONS}: "
                "bring a pipeline with a WeSpeaker ResNet34 embedding"
            )
        self._least_alone_ms = round(catalogue.threshold(name, "embedding_s") * 1000)
        self._producers = (catalogue.producer(name),)

    def read(self, ask: SpeakersAsk) -> SpeakersAnswer:
        """Turns and voices; none where nobody speaks."""
        if fault := fault_of(ask.samples):
            return refusal(fault, self._producers)
        try:
            found = self._pipeline.diarize(ask.samples)
        except ModelOutputInvalid:
            return refusal(Fault.MODEL_OUTPUT_INVALID, self._producers)
        long_ms = len(ask.samples) * 1000 // AUDIO_RATE_HZ
        turns, voices = turns_and_voices(found, long_ms, self._least_alone_ms)
        return SpeakersAnswer(turns=turns, voices=voices, producers=self._producers)


def turns_and_voices(
    found: Diarized, long_ms: int, least_alone_ms: int
) -> tuple[tuple[SpeakerTurn, ...], tuple[HeardVoice, ...]]:
    """The pipeline's turns inside the window, its voices in the order in which they are heard.

    A voice that is heard alone for less than `least_alone_ms` gets no embedding.
    """
    inside = [
        (speaker, max(0, round(start_s * 1000)), min(long_ms, round(end_s * 1000)))
        for speaker, start_s, end_s in found.turns
    ]
    inside = sorted((turn for turn in inside if turn[1] < turn[2]), key=lambda turn: turn[1:])
    order = list(dict.fromkeys(speaker for speaker, _, _ in inside))
    talking = np.zeros((len(order), long_ms), bool)
    for speaker, start_ms, end_ms in inside:
        talking[order.index(speaker), start_ms:end_ms] = True
    alone = talking & (talking.sum(axis=0) == 1)
    turns = tuple(
        SpeakerTurn(voice=order.index(speaker), start_ms=start_ms, end_ms=end_ms)
        for speaker, start_ms, end_ms in inside
    )
    voices = []
    for voice, speaker in enumerate(order):
        alone_ms = int(alone[voice].sum())
        embedding = _unit(found.embeddings[speaker]) if alone_ms >= least_alone_ms else None
        voices.append(HeardVoice(alone_ms=alone_ms, embedding=embedding))
    return turns, tuple(voices)


def _unit(vector: npt.NDArray[np.float32]) -> Embedding | None:
    length = float(np.linalg.norm(vector))
    if not 0 < length < np.inf:  # pyannote leaves NaN or zeros where it found nothing to embed
        return None
    unit: Embedding = (vector / length).astype(np.float32)
    return unit
