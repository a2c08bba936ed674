"""Whisper by openai-whisper, from the bytes of a checkpoint: one thread, nothing downloaded.

`whisper.load_model` would fetch a model that it knows by name; here the network is filled with the
verified bytes, opened as weights only. The extra `asr` brings the package.
"""

import io
import math
import threading
from dataclasses import dataclass
from typing import Any

from models.errors import ExtraMissing, ModelFileError, ModelOutputInvalid
from proctor.domain.media import Samples

EXTRA = "the words model needs openai-whisper: pip install 'rayproctor[asr]'"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said, and in which language (ISO 639-1)."""

    text: str
    language: str


class WhisperModel:
    """One checkpoint. One call at a time: the network remembers keys while it decodes."""

    def __init__(self, name: str, content: bytes) -> None:
        """Fill the network.

        Args:
            name: Manifest id, for messages.
            content: A checkpoint with `dims` and `model_state_dict`.

        Raises:
            ModelFileError: It is no Whisper checkpoint, or the extra is not installed (`ExtraMissing`).
        """
        try:
            import torch
            import whisper
        except ImportError as error:
            raise ExtraMissing(EXTRA) from error
        torch.set_num_threads(1)
        try:
            checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            model = whisper.model.Whisper(whisper.ModelDimensions(**checkpoint["dims"]))
            model.load_state_dict(checkpoint["model_state_dict"])
        except Exception as error:  # torch raises a dozen kinds on damaged bytes
            raise ModelFileError(
                f"{name} is no checkpoint of openai-whisper, or damaged ({type(error).__name__}): "
                "bring another .pt file"
            ) from error
        self._name = name
        self._languages = frozenset(whisper.tokenizer.LANGUAGES)
        self._model: Any = model.eval()
        self._alone = threading.Lock()

    def transcribe(self, samples: Samples, language: str | None) -> Said:
        """What is said in at most thirty seconds.

        Greedy, and each window by itself: sampling would answer differently each time, and text of
        before makes Whisper repeat itself. Parts that Whisper itself takes for no speech
        (its own limits: P(no speech) over 0.6 and a mean log-probability under -1) are left out.

        Raises:
            ModelOutputInvalid: The network's answer is not finite.
        """
        known = language if language in self._languages else None
        try:
            with self._alone:
                told = self._model.transcribe(
                    samples.copy(),
                    language=known,
                    temperature=0.0,
                    condition_on_previous_text=False,
                    fp16=False,
                )
        except (ValueError, RuntimeError) as error:  # NaN reaches torch's distributions
            raise ModelOutputInvalid(
                f"{self._name} could not be run: {type(error).__name__}"
            ) from error
        if not all(math.isfinite(part["avg_logprob"]) for part in told["segments"]):
            raise ModelOutputInvalid(f"{self._name} answered with numbers that are not finite")
        return Said(str(told["text"]).strip(), str(told["language"]))
