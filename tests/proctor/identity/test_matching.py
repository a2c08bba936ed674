"""Distances, probabilities and decisions, with numbers worked out by hand."""

import math

import numpy as np
import pytest

from proctor.domain.candidates import Decision
from proctor.identity.matching import (
    MatchCalibration,
    decide,
    match_probability,
    pair_distance,
)

CALIBRATION = MatchCalibration(
    metric="l2", slope=20.0, midpoint=0.6, match_above=0.9, no_match_below=0.1, fmr=1e-3
)


def test_l2_distance_is_the_mean_over_the_enrolled_pictures() -> None:
    probe = np.array([0.0, 0.0], np.float32)
    enrolled = np.array([[3.0, 4.0], [0.0, 1.0]], np.float32)
    assert pair_distance(probe, enrolled, "l2") == pytest.approx(3.0)


def test_cosine_distance_ignores_length() -> None:
    probe = np.array([2.0, 0.0], np.float32)
    enrolled = np.array([[5.0, 0.0], [0.0, 7.0], [-1.0, 0.0]], np.float32)
    assert pair_distance(probe, enrolled, "cosine") == pytest.approx((0 + 1 + 2) / 3)


@pytest.mark.parametrize(
    ("probe", "enrolled"),
    [
        (np.zeros(3, np.float32), np.zeros((2, 4), np.float32)),
        (np.zeros((1, 3), np.float32), np.zeros((2, 3), np.float32)),
        (np.zeros(3, np.float32), np.zeros((0, 3), np.float32)),
        (np.array([np.nan, 0], np.float32), np.zeros((2, 2), np.float32)),
    ],
)
def test_vectors_that_do_not_fit_are_refused(probe: np.ndarray, enrolled: np.ndarray) -> None:
    with pytest.raises(ValueError):
        pair_distance(probe, enrolled, "l2")


def test_the_midpoint_is_even_and_the_slope_is_the_log_odds_per_unit() -> None:
    assert match_probability(0.6, CALIBRATION) == pytest.approx(0.5)
    p = match_probability(0.5, CALIBRATION)
    assert math.log(p / (1 - p)) == pytest.approx(2.0)


def test_extreme_distances_stay_finite_and_within_bounds() -> None:
    assert 0 < match_probability(1e6, CALIBRATION) < 1e-9
    assert 1 - 1e-9 < match_probability(-1e6, CALIBRATION) <= 1


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.99, 0.95, 0.97], Decision.MATCH),
        ([0.01, 0.02, 0.05], Decision.NO_MATCH),
        ([0.5, 0.5, 0.5], Decision.CANNOT_TELL),
        ([0.99, 0.99], Decision.CANNOT_TELL),
        ([], Decision.CANNOT_TELL),
        ([0.999, 0.4, 0.999], Decision.MATCH),
        ([1.0, 1.0, 0.5], Decision.MATCH),
        ([0.0, 0.0, 0.0], Decision.NO_MATCH),
    ],
)
def test_the_mean_log_odds_of_three_frames_decide(
    probabilities: list[float], expected: Decision
) -> None:
    assert decide(probabilities, CALIBRATION) is expected


def test_a_probability_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError):
        decide([0.9, float("nan"), 0.9], CALIBRATION)


def test_a_calibration_without_room_for_doubt_is_refused() -> None:
    with pytest.raises(ValueError):
        MatchCalibration(
            metric="l2", slope=1.0, midpoint=0.5, match_above=0.4, no_match_below=0.4, fmr=1e-3
        )
    with pytest.raises(ValueError):
        MatchCalibration(
            metric="l2", slope=0.0, midpoint=0.5, match_above=0.9, no_match_below=0.4, fmr=1e-3
        )
