"""How sure one can be of a share that few have looked at."""

import pytest

from proctor.domain.figures import Precision, hint_of, wilson
from proctor.domain.incidents import Verdict


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # R: binom::binom.wilson; statsmodels: proportion_confint(method="wilson")
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (3, 40, 0.0258, 0.1986),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=1e-4)


def test_of_nothing_looked_at_nothing_is_said() -> None:
    nothing = Precision(unreviewed=7)
    assert (nothing.value, nothing.interval, hint_of(nothing)) == (None, None, None)


def test_a_hint_needs_enough_that_was_looked_at_and_mostly_dismissed() -> None:
    assert hint_of(Precision(confirmed=0, dismissed=19)) is None  # too few
    assert hint_of(Precision(confirmed=12, dismissed=18)) is None  # it may as well be half
    told = hint_of(Precision(confirmed=3, dismissed=37))
    assert told is not None and told.startswith("of 40 looked at, 3 confirmed")


def test_counts_add_up_by_verdict() -> None:
    found = Precision()
    for verdict, count in ((Verdict.CONFIRMED, 3), (Verdict.DISMISSED, 1), (Verdict.UNREVIEWED, 9)):
        found = found.plus(verdict, count)
    assert (found.looked_at, found.value, found.unreviewed) == (4, 0.75, 9)
