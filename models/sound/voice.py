"""Silero VAD: how likely each 32 ms of sound is speech.

The model sees 64 samples of the past and 512 new ones and carries a state; both belong to the
caller's stream and travel with it. Streams are stacked into one batch per step; the answers are
bit-identical to those of a stream on its own (MODELS.md 5).
"""

from collections.abc import Sequence

import numpy as np

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid
from models.runtimes.onnx import OnnxModel
from models.scores import probabilities
from proctor.domain.media import AUDIO_RATE_HZ
from proctor.domain.observations import Producer
from proctor.domain.perception import Fault, SpeechAnswer, SpeechAsk

CHUNK = 512
CONTEXT = 64
STATE = (2, 1, 128)
STREAMS_PER_RUN = 64


class VoiceModel:
    """The voice detector. One instance is shared by all threads."""

    def __init__(
        self, catalogue: Catalogue, files: Sequence[str], *, calibrated: bool = True
    ) -> None:
        """`files` is the one network; not `calibrated`, its score is told as it is.

        Raises:
            ModelFileError: It is missing or altered.
        """
        (name,) = files
        (file,) = catalogue.files([name])
        self._calibration = file.scores if calibrated else None
        self._model = OnnxModel(name, catalogue.read(name), batch_limit=STREAMS_PER_RUN)
        self._producers: tuple[Producer, ...] = (catalogue.producer(name),)
        self._rate = np.array(AUDIO_RATE_HZ, np.int64)
        silence = np.zeros((1, CONTEXT + CHUNK), np.float32)
        self._model.require(
            {"input": silence, "state": np.zeros(STATE, np.float32), "sr": self._rate},
            {"output": (1, 1), "stateN": STATE},
        )

    def listen(self, asks: Sequence[SpeechAsk]) -> list[SpeechAnswer]:
        """Probabilities of every stream's chunks, with its new state.

        A stream whose sound or answer is not finite, or whose arrays have the wrong shape, gets a
        fault and no state: it starts afresh. The others are untouched.
        """
        answers: list[SpeechAnswer | None] = [
            None if _is_usable(ask) else self._fault() for ask in asks
        ]
        usable = [at for at, answer in enumerate(answers) if answer is None]
        usable.sort(key=lambda at: len(asks[at].samples))  # streams of a length end together
        for start in range(0, len(usable), STREAMS_PER_RUN):
            group = usable[start : start + STREAMS_PER_RUN]
            try:
                heard = self._together([asks[at] for at in group])
            except ModelOutputInvalid:
                heard = [self._fault() for _ in group]
            for at, answer in zip(group, heard, strict=True):
                answers[at] = answer
        return [answer for answer in answers if answer is not None]

    def _together(self, asks: Sequence[SpeechAsk]) -> list[SpeechAnswer]:
        """`asks` are usable and sorted by length, shortest first."""
        chunks = np.array([len(ask.samples) // CHUNK for ask in asks])
        heard = np.full((len(asks), int(chunks[-1])), np.nan, np.float32)
        state = np.concatenate(
            [np.zeros(STATE, np.float32) if a.state is None else a.state for a in asks], axis=1
        )
        context = np.stack(
            [np.zeros(CONTEXT, np.float32) if a.context is None else a.context for a in asks]
        )
        for step in range(int(chunks[-1])):
            first = int(np.searchsorted(chunks, step, side="right"))
            new = np.stack([a.samples[step * CHUNK : (step + 1) * CHUNK] for a in asks[first:]])
            sound = np.concatenate([context[first:], new], axis=1)
            told = self._model.run(
                {"input": sound, "state": state[:, first:], "sr": self._rate}, finite=False
            )
            heard[first:, step] = told["output"][:, 0]
            state[:, first:] = told["stateN"]
            context[first:] = sound[:, -CONTEXT:]
        return [
            self._answer(heard[at, : chunks[at]], state[:, at : at + 1].copy(), context[at].copy())
            for at in range(len(asks))
        ]

    def _answer(self, heard: np.ndarray, state: np.ndarray, context: np.ndarray) -> SpeechAnswer:
        if not (np.isfinite(heard).all() and np.isfinite(state).all()):
            return self._fault()
        told = heard if self._calibration is None else probabilities(heard, self._calibration)
        return SpeechAnswer(
            probabilities=tuple(float(p) for p in told),
            state=state,
            context=context,
            producers=self._producers,
        )

    def _fault(self) -> SpeechAnswer:
        return SpeechAnswer(
            probabilities=(),
            state=None,
            context=None,
            producers=self._producers,
            fault=Fault.MODEL_OUTPUT_INVALID,
        )


def _is_usable(ask: SpeechAsk) -> bool:
    return (
        ask.samples.ndim == 1
        and len(ask.samples) % CHUNK == 0
        and (ask.state is None or ask.state.shape == STATE)
        and (ask.context is None or ask.context.shape == (CONTEXT,))
        and bool(np.isfinite(ask.samples).all())
    )
