"""Error rates, areas and intervals, with numbers worked out by hand."""

import math

import numpy as np
import pytest

from bench.accuracy.calibration import error_at_prior, fit
from bench.accuracy.statistics import (
    Rates,
    area_under_curve,
    bootstrap,
    platt,
    poisson_rate,
    share,
    sorted_comparisons,
)


def rates(right: list[float], wrong: list[float], *, ordered: bool = False) -> Rates:
    """Two people with three pictures each: three right comparisons each, nine wrong ones."""
    return Rates(
        sorted_comparisons(
            np.array(right),
            np.array([0, 0, 0, 1, 1, 1])[: len(right)],
            np.array(wrong),
            np.tile([[0], [1]], len(wrong)),
            np.array([3, 3]),
            ordered=ordered,
        )
    )


EQUALLY = np.ones(2)


def test_the_limit_is_the_last_distance_that_few_enough_strangers_stay_within() -> None:
    measured = rates([0.1] * 6, [0.9, 0.3, 0.8, 0.7, 0.5, 0.6, 0.4, 1.0, 1.1])
    assert measured.limit(1 / 9, EQUALLY) == 0.3
    assert measured.limit(3 / 9, EQUALLY) == 0.5
    assert measured.limit(0.1, EQUALLY) == -math.inf, "not even one in nine"


def test_fnmr_is_the_share_of_right_persons_beyond_it() -> None:
    measured = rates([0.1, 0.2, 0.3, 0.35, 0.45, 0.6], [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1])
    assert measured.fnmr_at(2 / 9, EQUALLY) == pytest.approx(2 / 6), "0.45 and 0.6 lie beyond 0.4"
    assert measured.fnmr_at(1 / 9, EQUALLY) == pytest.approx(3 / 6), "at the limit is within it"


def test_people_who_are_far_apart_have_no_equal_error() -> None:
    assert rates([0.1] * 6, [0.9] * 9).equal_error(EQUALLY) == 0.0


def test_the_equal_error_is_where_the_two_rates_meet() -> None:
    mixed = rates([0.1, 0.1, 0.1, 0.1, 0.6, 0.6], [0.5, 0.5, 0.5, 0.7, 0.7, 0.7, 0.8, 0.8, 0.8])
    # two of six right persons lie beyond 0.5, where three of nine strangers pass
    assert mixed.equal_error(EQUALLY) == pytest.approx(1 / 3, abs=0.17)


def test_only_the_nearest_strangers_need_to_be_kept() -> None:
    right = [0.1, 0.2, 0.3, 0.35, 0.45, 0.6]
    everything = rates(right, [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1])
    nearest = rates(right, [0.3, 0.4, 0.5])
    assert nearest.fnmr_at(2 / 9, EQUALLY) == everything.fnmr_at(2 / 9, EQUALLY)


def test_a_person_who_is_drawn_thrice_counts_thrice() -> None:
    measured = rates([0.1, 0.1, 0.1, 0.9, 0.9, 0.9], [0.5] * 9)
    assert measured.fnmr_at(0.0, EQUALLY) == 1.0, "no distance keeps every stranger out"
    assert measured.fnmr_at(1.0, EQUALLY) == 0.5
    assert measured.fnmr_at(1.0, np.array([3.0, 1.0])) == 0.25


def test_nobody_drawn_has_no_rate() -> None:
    assert math.isnan(rates([0.1] * 6, [0.9] * 9).fnmr_at(0.1, np.array([1.0, 0.0])))
    assert math.isnan(rates([0.1] * 6, [0.9] * 9).equal_error(np.zeros(2)))


def test_enrolled_against_probes_are_two_comparisons_each_round() -> None:
    ordered = sorted_comparisons(
        np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty((2, 0), np.int64),
        np.ones(4, np.int64), ordered=True, rounds=10,
    )  # fmt: skip
    assert ordered.wrong_weight(np.ones(4)) == 4 * 3 * 10


def test_an_interval_holds_its_value_and_narrows_with_more_units() -> None:
    few, many = share([True, False] * 5), share([True, False] * 500)
    assert few is not None and many is not None
    assert few.value == many.value == 0.5
    assert few.low < many.low < 0.5 < many.high < few.high
    assert few.high - few.low == pytest.approx(0.6, abs=0.15)


def test_units_and_not_observations_are_drawn_again() -> None:
    alike = share([True] * 50 + [False] * 50, ["one"] * 50 + ["other"] * 50)
    assert alike is not None and (alike.low, alike.high) == (0.0, 1.0)


def test_one_unit_has_no_interval_and_none_no_value() -> None:
    lone = share([True, False, True], [0, 0, 0])
    assert lone is not None and lone.low == lone.high == lone.value == pytest.approx(2 / 3)
    assert share([]) is None
    assert bootstrap(3, lambda _: math.nan) is None


def test_the_area_counts_pairs_in_order_and_ties_half() -> None:
    assert area_under_curve([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert area_under_curve([1, 3, 2, 4], [False, False, True, True]) == 0.75
    assert area_under_curve([1, 1], [False, True]) == 0.5
    assert math.isnan(area_under_curve([1, 2], [True, True]))


def test_nothing_in_two_minutes_may_still_be_two_a_minute() -> None:
    """Garwood's interval: 0 events 0 to 3.689, 1 event 0.0253 to 5.572, 10 events 4.795 to 18.39."""
    quiet, once, often = poisson_rate(0, 2.0), poisson_rate(1, 1.0), poisson_rate(10, 1.0)
    assert quiet is not None and once is not None and often is not None
    assert (quiet.value, quiet.low) == (0.0, 0.0)
    assert quiet.high == pytest.approx(3.689 / 2, abs=1e-3)
    assert (once.low, once.high) == pytest.approx((0.0253, 5.572), abs=1e-3)
    assert (often.low, often.high) == pytest.approx((4.795, 18.390), abs=1e-3)
    assert poisson_rate(0, 0.0) is None


def test_a_calibration_is_found_again() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 3, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-2.0 * (odds - 0.5)))
    assert platt(odds, truth) == pytest.approx((2.0, 0.5), abs=0.1)


def test_classes_that_never_mix_still_have_a_finite_slope() -> None:
    slope, midpoint = platt([-2.0, -1.0, 1.0, 2.0], [False, False, True, True])
    assert 0 < slope < 100 and abs(midpoint) < 0.5


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        platt([1.0, 2.0], [True, True])
    with pytest.raises(ValueError, match="does not rise"):
        platt([-2.0, -1.0, 1.0, 2.0], [True, True, False, False])


def test_a_rarer_prior_moves_the_midpoint_up_and_not_the_slope() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(5_000) < 0.5
    score = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1.5, -1.5), 1.0)))
    even, rare = fit(score, truth, 0.5), fit(score, truth, 0.04)
    assert rare.slope == even.slope
    assert rare.slope * (rare.midpoint - even.midpoint) == pytest.approx(math.log(24), abs=1e-9)
    assert rare.ece < 0.01, "at the prior that was asked for"


def test_a_forecast_that_is_always_right_half_the_time_has_no_error() -> None:
    told, truth = np.array([0.5, 0.5]), np.array([True, False])
    assert error_at_prior(told, truth, 0.5) == 0.0
    assert error_at_prior(told, truth, 0.1) == pytest.approx(0.4)
    assert math.isnan(error_at_prior(told, np.array([True, True]), 0.5))
