"""A raw score becomes a probability: logit(P) = slope * (logit(score) - midpoint), as the manifest says."""

import numpy as np
import numpy.typing as npt

from models.manifest import ScoreCalibration

LEAST = 1e-6
"""Nearer to 0 or 1 than this no score is taken at its word."""

Floats = npt.NDArray[np.float64]


def probabilities(scores: npt.ArrayLike, calibration: ScoreCalibration) -> Floats:
    """Probabilities of any number of scores, 0..1; NaN stays NaN."""
    odds = log_odds(scores)
    return np.asarray(1 / (1 + np.exp(-calibration.slope * (odds - calibration.midpoint))))


def log_odds(scores: npt.ArrayLike) -> Floats:
    """Log-odds, kept away from 0 and 1."""
    inside = np.clip(np.asarray(scores, np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))
