"""Whether a product that ran for hours keeps its memory and closes its files. Pure.

The slope of memory over time is found by least squares after a warm-up, with its standard error: a slope
that is not larger than twice its error is noise, and is not held against the product.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_PERCENT_PER_HOUR = 1.0
MOST_DESCRIPTORS_PER_HOUR = 2.0
"""Slower growth than this is one connection more or less at the ends of the run."""
WARM_UP_SHARE = 0.2
SURE = 2.0
"""Standard errors: about 95 % of a normal distribution lie within."""
LEAST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Slope:
    """A line's steepness.

    Attributes:
        per_hour: Of the value, in its unit.
        error: Standard error of that; infinite for two points or fewer.
        mean: Of the value.
    """

    per_hour: float
    error: float
    mean: float

    @property
    def percent_per_hour(self) -> float:
        """The slope as a share of the mean; 0 for a mean of 0."""
        return 100 * self.per_hour / self.mean if self.mean else 0.0

    @property
    def error_percent(self) -> float:
        """The error as a share of the mean."""
        return 100 * self.error / self.mean if self.mean else 0.0

    @property
    def is_sure(self) -> bool:
        """Whether the slope is more than noise."""
        return self.per_hour > SURE * self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the product.

    Attributes:
        at_s: When, in seconds from the first.
        rss_mb: Memory by kind of process.
        descriptors: Open files and sockets by kind.
        processes: How many processes of each kind.
    """

    at_s: float
    rss_mb: Mapping[str, float]
    descriptors: Mapping[str, int]
    processes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindGrowth:
    """One kind of process over a soak.

    Attributes:
        rss: Memory, MB.
        descriptors: Open files and sockets.
        was_replaced: Its processes were not as many all the time: no slope can be told.
    """

    rss: Slope
    descriptors: Slope
    was_replaced: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """Which limits are passed; empty when none is."""
        if self.was_replaced:
            return ()
        found: list[str] = []
        if self.rss.is_sure and self.rss.percent_per_hour >= MOST_PERCENT_PER_HOUR:
            found.append(
                f"memory grows by {self.rss.percent_per_hour:.2f} % an hour "
                f"(limit {MOST_PERCENT_PER_HOUR:g})"
            )
        if self.descriptors.is_sure and self.descriptors.per_hour > MOST_DESCRIPTORS_PER_HOUR:
            found.append(f"{self.descriptors.per_hour:.1f} descriptors more an hour")
        return tuple(found)


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Least squares through (seconds, value).

    The error is that of ordinary least squares: sqrt(sum of squared residuals / (n - 2) / spread of times).

    Raises:
        ValueError: No two different times.
    """
    if len({at for at, _ in points}) < 2:
        raise ValueError("a slope needs two different times")
    count = len(points)
    mean_t = sum(at for at, _ in points) / count
    mean = sum(value for _, value in points) / count
    spread = sum((at - mean_t) ** 2 for at, _ in points)
    each = sum((at - mean_t) * (value - mean) for at, value in points) / spread
    left = sum((value - mean - each * (at - mean_t)) ** 2 for at, value in points)
    error = math.sqrt(left / (count - 2) / spread) if count > 2 else math.inf
    return Slope(per_hour=each * 3600, error=error * 3600, mean=mean)


def after_warm_up(samples: Sequence[Sample], share: float = WARM_UP_SHARE) -> tuple[Sample, ...]:
    """The samples without those of the first part.

    Raises:
        ValueError: Fewer than `LEAST_SAMPLES` are left: the run was too short.
    """
    ends_s = samples[-1].at_s * share if samples else 0.0
    left = tuple(sample for sample in samples if sample.at_s >= ends_s)
    if len(left) < LEAST_SAMPLES:
        raise ValueError(f"{len(left)} looks after the warm-up are too few; run longer")
    return left


def growth(samples: Sequence[Sample]) -> dict[str, KindGrowth]:
    """Each kind of process over the samples given, which must follow the warm-up.

    Raises:
        ValueError: No two different times.
    """
    kinds = sorted({kind for sample in samples for kind in sample.rss_mb})
    return {
        kind: KindGrowth(
            rss=slope([(s.at_s, s.rss_mb.get(kind, 0.0)) for s in samples]),
            descriptors=slope([(s.at_s, float(s.descriptors.get(kind, 0))) for s in samples]),
            was_replaced=len({s.processes.get(kind, 0) for s in samples}) > 1,
        )
        for kind in kinds
    }
