"""Who speaks in a window, from a voice detector and the voices' likeness alone.

Silero says where speech is, pieces of it become vectors, vectors that are alike are one voice. It
cannot hear two at once: where people talk over each other one of them is told.
"""

from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.sound.speaker_embedding import SpeakerEmbedder
from models.sound.voice import CHUNK, VoiceModel
from models.sound.voices import (
    Stretch,
    VoiceLimits,
    answer,
    fault_of,
    refusal,
    stretches,
    tell_apart,
)
from proctor.domain.media import Samples
from proctor.domain.perception import Fault, SpeakersAnswer, SpeakersAsk, SpeechAsk
from proctor.services.host.voiced import ONSET_CHUNKS, Hangover


class VoiceClusters:
    """The reader `voice-clusters`. One instance is shared by all threads."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the voice detector and the speaker embedding. Raises `ModelFileError`."""
        detector, encoder = files
        self._detector = VoiceModel(catalogue, [detector])
        self._embedder = SpeakerEmbedder(catalogue, encoder)
        self._limits = VoiceLimits.of(catalogue, encoder)
        self._producers = (catalogue.producer(detector), catalogue.producer(encoder))

    def read(self, ask: SpeakersAsk) -> SpeakersAnswer:
        """Turns and voices; none where nobody speaks."""
        if fault := fault_of(ask.samples):
            return refusal(fault, self._producers)
        try:
            speech = voiced_stretches(self._detector, ask.samples)
            voices = tell_apart(self._embedder, ask.samples, speech, self._limits)
        except ModelOutputInvalid:
            return refusal(Fault.MODEL_OUTPUT_INVALID, self._producers)
        return answer(voices, self._limits, self._producers)


def voiced_stretches(detector: VoiceModel, samples: Samples) -> list[Stretch]:
    """Where somebody speaks, by the host's own rule: pauses of up to 0.32 s belong to what is said.

    Less than three chunks in a row are a click, not speech.

    Raises:
        ModelOutputInvalid: The detector's answer is not finite.
    """
    whole = len(samples) // CHUNK * CHUNK
    (heard,) = detector.listen([SpeechAsk(samples=samples[:whole].astype(np.float32))])
    if heard.fault is not None:
        raise ModelOutputInvalid("the voice detector's answer is not finite")
    found = stretches(np.array(Hangover().decide(heard.probabilities), bool), CHUNK)
    return [part for part in found if part.length >= ONSET_CHUNKS * CHUNK]
