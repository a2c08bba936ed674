"""How an embedding model's distances are to be read, fitted on a folder of people.

The slope and the midpoint are a logistic fit to single frames (three enrolled pictures against one).
"Match" begins where the fit says nine in ten and no more than one wrong person in a thousand gets in,
over everybody and in each of two halves that share nobody. "No match" begins beyond every right person
that was seen, by a tenth, and where the fit says one in ten. Between them is "cannot tell".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from bench.accuracy_verification import (
    STATED_FMR,
    People,
    Rates,
    calibration_error,
    compare,
    halves,
    rates,
)
from proctor.domain.candidates import Decision
from proctor.identity.matching import MatchCalibration, Metric, match_probability

LEAST_RIGHT, LEAST_WRONG = 20, 80
"""People with six and with three good pictures. 80 people are 3,160 pairs: with none of them let in,
the rate of wrong matches is below 1e-3 with 95 % confidence (rule of three)."""
SURE, UNLIKELY = 0.9, 0.1
BEYOND_THE_LARGEST = 1.1
DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A calibration and what it does to the people that it was fitted on.

    Attributes:
        calibration: The fit.
        ece: Expected calibration error of a fit to one half, on the other; the mean of both ways.
        measured: Where it comes from, in words.
        groups: Rates under it: all, and two halves that share nobody.
    """

    calibration: MatchCalibration
    ece: float
    measured: str
    groups: tuple[tuple[str, Rates], ...]


class TooFewPeople(Exception):
    """The folder cannot carry the rates that a calibration states."""


def fit(people: People, metric: Metric, on: date) -> Fitted:
    """Fit to people whose pictures passed the enrolment's gate.

    Raises:
        TooFewPeople: Fewer than 20 with six good pictures, or 80 with three.
    """
    counts = [len(rows) for rows in people.embeddings.values()]
    right, wrong = (sum(count >= least for count in counts) for least in (6, 3))
    if right < LEAST_RIGHT or wrong < LEAST_WRONG:
        raise TooFewPeople(
            f"{right} people have six pictures that an enrolment would take and {wrong} have three: "
            f"{LEAST_RIGHT} and {LEAST_WRONG} are needed"
        )
    first, second = halves(people.embeddings)
    named = (("all", people.embeddings), ("one half", first), ("the other half", second))
    compared = [compare(each, metric) for _, each in named]
    whole = compared[0]
    line = MatchCalibration(
        metric=metric,
        slope=round(whole.slope, 1),
        midpoint=round(whole.midpoint, 3),
        match_above=SURE,
        no_match_below=UNLIKELY,
        fmr=STATED_FMR,
    )
    limits_at = [float(np.quantile(each.other.mean(axis=1), STATED_FMR)) for each in compared]
    largest = float(whole.same.mean(axis=1).max())
    match_at = min(_distance(SURE, line), *limits_at)
    no_match_at = max(_distance(UNLIKELY, line), BEYOND_THE_LARGEST * largest)
    limits = replace(
        line,
        match_above=_stated(match_probability(match_at, line)),
        no_match_below=_stated(match_probability(no_match_at, line)),
    )
    one, other = compared[1:]
    error = (calibration_error(one, other) + calibration_error(other, one)) / 2
    groups = tuple(
        (name, rates(each, limits)) for (name, _), each in zip(named, compared, strict=True)
    )
    worst = max(each.impostor[Decision.MATCH] for _, each in groups)
    pairs = wrong * (wrong - 1) / 2
    fitted = replace(limits, fmr=_two_digits_up(max(worst, 3 / pairs)))
    used = sum(counts)
    measured = (
        f"{on.isoformat()}, `proctor models calibrate`: slope and midpoint fitted to single frames, "
        f"{used:,} of {people.pictures:,} pictures past the quality gate, {right} people with six of them "
        f"and {wrong} with three, 3 enrolled x 3 frames, ten shuffles; match up to the mean distance "
        f"{match_at:.3f} (distance at FMR {STATED_FMR:g}: {limits_at[0]:.3f}), no match from "
        f"{no_match_at:.3f} (largest of a right person {largest:.3f}); wrong persons let in: "
        f"{100 * worst:.3f} % in the worst of all and two halves that share nobody"
    )
    return Fitted(calibration=fitted, ece=round(error, 4), measured=measured, groups=groups)


def lines(fitted: Fitted) -> Sequence[str]:
    """The calibration as a manifest states it."""
    made = fitted.calibration
    return (
        "calibration:",
        f"  metric: {made.metric}",
        f"  slope: {made.slope}",
        f"  midpoint: {made.midpoint}",
        f"  match_above: {made.match_above}",
        f"  no_match_below: {made.no_match_below}",
        f"  fmr: {made.fmr}",
        f"  ece: {fitted.ece}",
        "  measured: >-",
        f"    {fitted.measured}",
    )


def _distance(probability: float, line: MatchCalibration) -> float:
    return line.midpoint - math.log(probability / (1 - probability)) / line.slope


def _stated(probability: float) -> float:
    return min(max(round(probability, DIGITS), 10.0**-DIGITS), 1 - 10.0**-DIGITS)


def _two_digits_up(rate: float) -> float:
    """0.001005 -> 0.0011."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return round(math.ceil(rate / unit - 1e-9) * unit, 12)
