"""Is it the enrolled person? Distances become calibrated probabilities, several become a decision.

One picture is not enough for a small model (ACCURACY.md, Face verification), so a distance is the
mean over at least three enrolled pictures and a decision needs at least three frames. Between
"match" and "no match" lies "cannot tell", on purpose wide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from proctor.domain.candidates import Decision
from proctor.domain.perception import Embedding

Metric = Literal["l2", "cosine"]

FRAMES_FOR_A_DECISION = 3
LARGEST_LOGIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCalibration:
    """How one embedding model's distances are read: logit(P) = slope * (midpoint - distance).

    Attributes:
        metric: How two vectors are compared.
        slope: Change of the log-odds per unit of distance; positive.
        midpoint: Distance at which same and different person are equally likely (equal priors).
        match_above: Probability of the mean log-odds from which on the answer is "match".
        no_match_below: Probability of the mean log-odds up to which the answer is "no match".
        fmr: Share of wrong persons who reach `match_above`, as measured.
    """

    metric: Metric
    slope: float
    midpoint: float
    match_above: float
    no_match_below: float
    fmr: float

    def __post_init__(self) -> None:
        if self.slope <= 0:
            raise ValueError(f"slope must be positive, got {self.slope}")
        if not 0 < self.no_match_below < self.match_above < 1:
            raise ValueError("no_match_below must lie below match_above, both between 0 and 1")


def pair_distance(probe: Embedding, enrolled: Embedding, metric: Metric) -> float:
    """Mean distance of one picture to the enrolled ones.

    Args:
        probe: (d,) float32.
        enrolled: (n, d) float32, n >= 1.
        metric: `l2`, or `cosine` for 1 - cosine similarity.

    Raises:
        ValueError: The shapes do not fit or a value is not finite.
    """
    if probe.ndim != 1 or enrolled.ndim != 2 or enrolled.shape[1:] != probe.shape:
        raise ValueError(f"cannot compare {probe.shape} with {enrolled.shape}")
    if not len(enrolled) or not (np.isfinite(probe).all() and np.isfinite(enrolled).all()):
        raise ValueError("embeddings must be present and finite")
    one, many = probe.astype(np.float64), enrolled.astype(np.float64)
    if metric == "l2":
        return float(np.linalg.norm(many - one, axis=1).mean())
    lengths = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    return float((1 - many @ one / np.maximum(lengths, 1e-12)).mean())


def match_probability(distance: float, calibration: MatchCalibration) -> float:
    """P(same person) at equal priors for a mean distance."""
    return _probability(calibration.slope * (calibration.midpoint - distance))


def decide(probabilities: Sequence[float], calibration: MatchCalibration) -> Decision:
    """Match, no match or cannot tell, from the mean log-odds of several frames.

    Args:
        probabilities: One `match_probability` per frame; fewer than three decide nothing.
        calibration: Of the model that made them.
    """
    if len(probabilities) < FRAMES_FOR_A_DECISION:
        return Decision.CANNOT_TELL
    mean = _probability(sum(map(_logit, probabilities)) / len(probabilities))
    if mean >= calibration.match_above:
        return Decision.MATCH
    if mean <= calibration.no_match_below:
        return Decision.NO_MATCH
    return Decision.CANNOT_TELL


def _logit(probability: float) -> float:
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability must lie in 0..1, got {probability}")
    if probability in (0.0, 1.0):
        return math.copysign(LARGEST_LOGIT, probability - 0.5)
    odds = math.log(probability) - math.log1p(-probability)
    return max(-LARGEST_LOGIT, min(LARGEST_LOGIT, odds))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-LARGEST_LOGIT, min(LARGEST_LOGIT, logit))))
