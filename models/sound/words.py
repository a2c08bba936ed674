"""What is said: Whisper, on sound with a voice in it only. Off unless an exam's policy asks for it.

Whisper makes words up where nobody speaks, so the voice detector is asked first. A transcript is in no
log, metric or message.
"""

from collections.abc import Sequence

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.runtimes.whisper import WhisperModel
from models.sound.speakers import voiced_stretches
from models.sound.voice import VoiceModel
from models.sound.voices import fault_of
from proctor.domain.media import AUDIO_RATE_HZ
from proctor.domain.perception import Fault, WordsAnswer, WordsAsk

LONGEST_S = 30.0


class WhisperWords:
    """The reader `whisper`. One instance is shared by all threads; they take turns."""

    def __init__(self, catalogue: Catalogue, files: Sequence[str]) -> None:
        """`files` are the checkpoint and the voice detector. Raises `ModelFileError`."""
        checkpoint, detector = files
        self._detector = VoiceModel(catalogue, [detector])
        self._whisper = WhisperModel(checkpoint, catalogue.read(checkpoint))
        self._shortest = catalogue.threshold(checkpoint, "shortest_s") * AUDIO_RATE_HZ
        self._producers = (catalogue.producer(detector), catalogue.producer(checkpoint))

    def read(self, ask: WordsAsk) -> WordsAnswer:
        """What is said; an empty text where nobody speaks."""
        if fault := fault_of(ask.samples, LONGEST_S):
            return self._answer(fault=fault)
        try:
            speech = voiced_stretches(self._detector, ask.samples)
            if sum(part.length for part in speech) < self._shortest:
                return self._answer()
            said = self._whisper.transcribe(ask.samples, ask.language)
        except ModelOutputInvalid:
            return self._answer(fault=Fault.MODEL_OUTPUT_INVALID)
        return self._answer(said.text, said.language)

    def _answer(
        self, text: str = "", language: str | None = None, fault: Fault | None = None
    ) -> WordsAnswer:
        return WordsAnswer(text=text, language=language, producers=self._producers, fault=fault)
