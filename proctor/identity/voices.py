"""Is it the candidate's voice? A template out of the session's own speech, and how likely a voice is it.

The template lives in the session host's memory and nowhere else: it is made anew in every session, from
speech that was heard alone, and dies with the session. It says "as in the beginning", not who it is.
"""

import math
from dataclasses import dataclass

import numpy as np

from proctor.domain.observations import Producer
from proctor.domain.perception import Embedding

SMALLEST_SCORE = 1e-3
AGREEING_SHARE = 2 / 3
LEAST_ALONE_MS = 1_600
"""Less of a voice alone is no piece of a template. So one of 600 s never keeps more than 375 pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCalibration:
    """How likeness becomes a probability: logit(P) = slope * (logit(cosine) - midpoint).

    Attributes:
        slope: Change of the log-odds per unit of the cosine's log-odds; positive.
        midpoint: Log-odds of the cosine at which same and other voice are equally likely.
    """

    slope: float
    midpoint: float

    def probability(self, cosine: float) -> float:
        """P(same voice) at equal priors for a cosine; 0 and below count as 0.001."""
        score = min(max(cosine, SMALLEST_SCORE), 1 - SMALLEST_SCORE)
        logit = self.slope * (math.log(score) - math.log1p(-score) - self.midpoint)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


FIRST_CALIBRATION = VoiceCalibration(slope=6.7, midpoint=0.9)
"""For a speaker model whose manifest entry states no `scores`.

Fitted on 2026-11-22 for Resemblyzer's encoder: windows of 3 s of ten voices (five of LibriSpeech, four of
AMI far-field, one more) against the mean of the other windows of each, 36 of the same voice (cosine 0.64
to 0.93, middle 0.84), 324 of others (0.36 to 0.80, middle 0.53); logistic, both classes weighing the same,
expected calibration error 0.04 on the same data. With two such windows a mean under 0.1 found 504 of 648
other voices and 1 of 67 of the same. Most of the other voices come through other microphones, which makes
them easier than a second person in the room.
"""


class VoiceTemplate:
    """Collects one voice until there is enough of it; then says how likely another is the same.

    Whoever spoke first may not be the candidate, so what was collected has to agree: the vectors
    that agree with the most others must hold two thirds of the speech, and only they make the
    template. Else the oldest is given up and more is waited for. No more is kept than is wanted: at
    most one piece for every `LEAST_ALONE_MS` of it.
    """

    def __init__(self, calibration: VoiceCalibration, enough_ms: int) -> None:
        self._calibration = calibration
        self._enough_ms = enough_ms
        self._pieces: list[tuple[int, Embedding]] = []
        self._made: Embedding | None = None
        self._made_ms = 0
        self._producers: tuple[Producer, ...] = ()

    @property
    def rests_on_ms(self) -> int | None:
        """How much speech the template holds; None while there is none."""
        return self._made_ms if self._made is not None else None

    def take(self, embedding: Embedding, alone_ms: int, producers: tuple[Producer, ...]) -> None:
        """Take a voice that was heard alone for long enough, unless the template is whole.

        Args:
            embedding: (d,) float32 of unit length.
            alone_ms: How much speech it rests on.
            producers: The models that made it; vectors of other models begin a new template.
        """
        self._follow(producers)
        if self._made is not None or alone_ms < LEAST_ALONE_MS:
            return
        self._pieces.append((alone_ms, embedding))
        total_ms = sum(length_ms for length_ms, _ in self._pieces)
        if total_ms < self._enough_ms:
            return
        vectors = np.stack([vector for _, vector in self._pieces]).astype(np.float64)
        lengths_ms = np.array([length_ms for length_ms, _ in self._pieces])
        agree = self._agreement(vectors)
        best = int((agree * lengths_ms).sum(axis=1).argmax())
        chosen = agree[best]
        if lengths_ms[chosen].sum() < AGREEING_SHARE * total_ms:
            del self._pieces[0]
            return
        mean = (vectors[chosen] * lengths_ms[chosen, None]).sum(axis=0)
        self._made = (mean / np.linalg.norm(mean)).astype(np.float32)
        self._made_ms = int(lengths_ms[chosen].sum())
        self._pieces = []

    def probability(self, embedding: Embedding, producers: tuple[Producer, ...]) -> float | None:
        """P(the template's voice); None while there is no template of these models."""
        self._follow(producers)
        if self._made is None:
            return None
        return self._calibration.probability(float(embedding @ self._made))

    def forget(self) -> None:
        """Drop everything that was collected."""
        self._pieces, self._made, self._made_ms = [], None, 0

    def _follow(self, producers: tuple[Producer, ...]) -> None:
        if producers != self._producers:
            self.forget()
            self._producers = producers

    def _agreement(self, vectors: np.ndarray) -> np.ndarray:
        scores = np.clip(vectors @ vectors.T, SMALLEST_SCORE, 1 - SMALLEST_SCORE)
        same = np.log(scores) - np.log1p(-scores) >= self._calibration.midpoint
        np.fill_diagonal(same, True)
        return np.asarray(same, dtype=bool)
