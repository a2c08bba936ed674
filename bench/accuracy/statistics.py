"""The statistics of the accuracy command, pure: error rates, areas, and bootstrap intervals.

Distances of one person's pictures depend on each other, so an interval is found by drawing people
(pictures, recordings: whatever is independent) again, with replacement, and weighting what they make.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.accuracy.figures import Estimate

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

REPEATS = 200
CENTRAL = (2.5, 97.5)


def bootstrap(
    units: int, statistic: Callable[[Floats], float], repeats: int = REPEATS, seed: int = 0
) -> Estimate | None:
    """A statistic with its percentile interval.

    Args:
        units: How many independent units (people, pictures, recordings) there are.
        statistic: Takes a weight per unit (how often it was drawn) to a value; NaN for none.
        repeats: How many draws.
        seed: Of the draws.

    Returns:
        None when the statistic has no value on the whole set.
    """
    if units == 0:
        return None
    value = statistic(np.ones(units))
    if not math.isfinite(value):
        return None
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [
            statistic(rng.multinomial(units, np.full(units, 1 / units)).astype(np.float64))
            for _ in range(repeats if units > 1 else 0)
        ]
    )
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(value, value, value)
    low, high = np.percentile(drawn, CENTRAL)
    return Estimate(value, min(float(low), value), max(float(high), value))


def share(hits: npt.ArrayLike, units: npt.ArrayLike | None = None) -> Estimate | None:
    """Mean of 0 and 1 (or of any numbers) with its interval.

    Args:
        hits: One number per observation.
        units: Which unit each belongs to; default: each is one of its own.
    """
    values = np.asarray(hits, dtype=np.float64)
    if not len(values):
        return None
    owners = np.arange(len(values)) if units is None else _numbered(units)

    def mean(weights: Floats) -> float:
        each = weights[owners]
        return float(each @ values / each.sum()) if each.sum() else math.nan

    return bootstrap(int(owners.max()) + 1, mean)


def _numbered(units: npt.ArrayLike) -> Whole:
    return np.asarray(np.unique(np.asarray(units), return_inverse=True)[1], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparisons:
    """Distances of right and wrong persons, sorted, with who takes part in each.

    Attributes:
        right: (g,) distances of two pictures of one person.
        right_of: (g,) whose.
        wrong: (i,) distances of two people's pictures; the smallest, where not all were kept.
        wrong_of: (2, i) whose.
        pictures: (p,) how many pictures each person has: tells how many wrong comparisons there are.
        ordered: Whether (a, b) and (b, a) are two comparisons (enrolled against probes).
        rounds: How often everybody was compared (shuffles).
    """

    right: Floats
    right_of: Whole
    wrong: Floats
    wrong_of: Whole
    pictures: Whole
    ordered: bool = False
    rounds: int = 1

    @property
    def people(self) -> int:
        """How many people take part."""
        return len(self.pictures)

    def wrong_weight(self, weights: Floats) -> float:
        """How many wrong comparisons there are when each person is drawn so many times."""
        mine = weights * self.pictures
        twice = float(mine.sum() ** 2 - (mine**2).sum()) * self.rounds
        return twice if self.ordered else twice / 2


def sorted_comparisons(
    right: Floats,
    right_of: Whole,
    wrong: Floats,
    wrong_of: Whole,
    pictures: Whole,
    *,
    ordered: bool = False,
    rounds: int = 1,
) -> Comparisons:
    """Bring distances into the order that the rates need."""
    a, b = np.argsort(right, kind="stable"), np.argsort(wrong, kind="stable")
    return Comparisons(
        right=right[a],
        right_of=right_of[a],
        wrong=wrong[b],
        wrong_of=wrong_of[:, b],
        pictures=pictures,
        ordered=ordered,
        rounds=rounds,
    )


class Rates:
    """Error rates of one set of comparisons, for any weighting of its people."""

    def __init__(self, comparisons: Comparisons) -> None:
        self._all = comparisons
        self._under = np.searchsorted(comparisons.wrong, comparisons.right, side="right")

    def limit(self, fmr: float, weights: Floats) -> float:
        """The largest kept distance that at most this share of wrong persons stays within."""
        allowed = fmr * self._all.wrong_weight(weights)
        within = int(np.searchsorted(self._wrong(weights), allowed, side="right"))
        return float(self._all.wrong[within - 1]) if within else -math.inf

    def fnmr_at(self, fmr: float, weights: Floats) -> float:
        """Share of right persons beyond the distance at which so many wrong ones pass."""
        total, limit = weights[self._all.right_of], self.limit(fmr, weights)
        if not total.sum() or not self._all.wrong_weight(weights):
            return math.nan
        within = int(np.searchsorted(self._all.right, limit, side="right"))
        return float(total[within:].sum() / total.sum())

    def equal_error(self, weights: Floats) -> float:
        """Where as large a share of right persons is refused as of wrong ones passes.

        NaN when the two do not meet among the distances that were kept.
        """
        mine = weights[self._all.right_of]
        everything = self._all.wrong_weight(weights)
        if not mine.sum() or not everything:
            return math.nan
        refused = 1 - np.cumsum(mine) / mine.sum()
        passed = np.concatenate([[0.0], self._wrong(weights)])[self._under] / everything
        if passed[-1] < refused[-1]:
            return math.nan
        at = int(np.argmax(passed >= refused))
        return float((passed[at] + refused[at]) / 2)

    def _wrong(self, weights: Floats) -> Floats:
        first, second = self._all.wrong_of
        summed: Floats = np.cumsum(weights[first] * weights[second])
        return summed


def area_under_curve(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Chance that a positive scores higher than a negative, ties counted half; NaN without both."""
    values, wanted = np.asarray(scores, np.float64), np.asarray(positive, bool)
    high, low = values[wanted], np.sort(values[~wanted])
    if not len(high) or not len(low):
        return math.nan
    below = np.searchsorted(low, high, side="left")
    ties = np.searchsorted(low, high, side="right") - below
    return float((below + ties / 2).sum() / (len(high) * len(low)))


def poisson_rate(events: int, exposure: float) -> Estimate | None:
    """Events per unit of exposure with the exact 95 % interval (Garwood 1936); None without exposure."""
    if exposure <= 0:
        return None

    def solve(tail: Callable[[float], float]) -> float:
        low, high = 0.0, events + 20 * math.sqrt(events + 1) + 20
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle) > 0.025 else (low, middle)
        return low

    high = solve(lambda mean: _poisson_up_to(events, mean))
    low = 0.0
    if events:
        # the chance of so many or more grows with the mean, so look at its complement
        low = _falling(lambda mean: 1 - _poisson_up_to(events - 1, mean), high)
    return Estimate(events / exposure, low / exposure, high / exposure)


def _falling(chance: Callable[[float], float], most: float) -> float:
    low, high = 0.0, most
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) > 0.025 else (middle, high)
    return low


def _poisson_up_to(events: int, mean: float) -> float:
    term = total = math.exp(-mean)
    for at in range(1, events + 1):
        term *= mean / at
        total += term
    return total


def platt(logits: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[float, float]:
    """Slope and midpoint of logit(P) = slope * (logit - midpoint) by maximum likelihood (Platt 1999).

    With Platt's targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), so that classes that can be told
    apart without error still give a finite slope.

    Raises:
        ValueError: One of the two classes is empty, or the score does not rise with the truth.
    """
    x, y = np.asarray(logits, np.float64), np.asarray(truth, bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        raise ValueError("a calibration needs both classes")
    target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([np.ones_like(x), x])
    beta = np.array([math.log((positives + 1) / (negatives + 1)), 0.0])

    def loss(beta: Floats) -> float:
        z = beta @ design
        return float((np.logaddexp(0, z) - target * z).sum())

    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(beta @ design, -30, 30)))
        curvature = (design * (p * (1 - p))) @ design.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design @ (target - p))
        size = 1.0
        while loss(beta + size * step) > loss(beta) and size > 1e-6:
            size /= 2
        beta = beta + size * step
        if np.abs(size * step).max() < 1e-10:
            break
    if beta[1] <= 0:
        raise ValueError("the score does not rise with the truth: it cannot be calibrated")
    return float(beta[1]), float(-beta[0] / beta[1])
