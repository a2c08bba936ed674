"""Fits how a score is read as a probability, for the manifest's `scores`.

By maximum likelihood on labelled data (Platt 1999), moved to a stated prior: in an exam most of the
time nobody speaks, while a labelled recording is mostly speech.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.accuracy.statistics import Floats, platt

LEAST = 1e-6
BINS = 10
SPEECH_PRIOR = 0.04
"""How much of an exam is speech: with it Silero's own 0.5 is one half, and silence is what is usual."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Logit(P) = slope * (logit(score) - midpoint), and how well it holds.

    Attributes:
        slope: Change of the log-odds per unit of the score's log-odds.
        midpoint: Log-odds of the score at which the probability is one half, at the prior.
        ece_before: Expected calibration error of the score as it is, at the prior.
        ece: The same of the fitted probability.
        items: How many scores were used.
    """

    slope: float
    midpoint: float
    ece_before: float
    ece: float
    items: int


def fit(scores: npt.ArrayLike, truth: npt.ArrayLike, prior: float) -> Fit:
    """Fit a calibration.

    Args:
        scores: Raw scores, 0..1.
        truth: Whether each is of the wanted kind.
        prior: How often that kind comes where the probability is used, 0..1.

    Raises:
        ValueError: One of the two kinds is missing, or the score does not rise with the truth.
    """
    raw, wanted = np.clip(np.asarray(scores, np.float64), LEAST, 1 - LEAST), np.asarray(truth, bool)
    odds = np.log(raw) - np.log1p(-raw)
    slope, midpoint = platt(odds, wanted)
    here = float(wanted.mean())
    midpoint += (_logit(here) - _logit(prior)) / slope
    told = 1 / (1 + np.exp(-slope * (odds - midpoint)))
    return Fit(
        slope=slope,
        midpoint=midpoint,
        ece_before=error_at_prior(raw, wanted, prior),
        ece=error_at_prior(told, wanted, prior),
        items=len(raw),
    )


def error_at_prior(told: Floats, truth: npt.NDArray[np.bool_], prior: float) -> float:
    """Expected calibration error (Naeini et al. 2015) where the wanted kind comes this often.

    Ten bins of equal width; NaN when one of the two kinds is missing.
    """
    if truth.all() or not truth.any():
        return math.nan
    weight = np.where(truth, prior / truth.sum(), (1 - prior) / (~truth).sum())
    which = np.minimum((told * BINS).astype(int), BINS - 1)
    gaps = np.bincount(which, weight * (told - truth), minlength=BINS)
    return float(np.abs(gaps).sum())


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def as_yaml(found: Fit, data: str, prior: float, date: str) -> str:
    """The lines for the manifest's file entry."""
    return "\n".join(
        [
            "    scores:",
            f"      slope: {found.slope:.3f}",
            f"      midpoint: {found.midpoint:.3f}",
            f"      method: Platt's fit, moved to a prior of {prior:g}",
            f"      data: {data}",
            f'      date: "{date}"',
            f"      ece: {found.ece:.4f}  # {found.ece_before:.4f} of the score as it is",
        ]
    )
