"""In which order sessions are worth a look. A ranking aid: no probability of guilt, and no verdict."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.signals import SignalKind

WITHHELD_RANK = -1
_MILLIONTHS = 1_000_000


class Withheld(StrEnum):
    """Why there is no priority."""

    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one signal adds.

    Attributes:
        kind: Which signal; of those that rest on one source the strongest.
        source: What it rests on.
        log_odds: What it adds to the sum, after weight, habit and decay; above 0.
        since_ms: When the behaviour began.
    """

    kind: SignalKind
    source: str
    log_odds: float
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """The review priority of one session at one moment, with all that it is made of.

    Attributes:
        at_ms: Session time.
        value: 0..1; None when it is withheld. The logistic function of `log_odds`.
        withheld: Why it is withheld.
        base_log_odds: Where every session begins.
        log_odds: `base_log_odds` and every contribution together.
        contributions: The strongest first.
        peak: The highest that was not withheld, None before there was one.
        peak_ms: When that was.
        peak_contributions: What it was made of.
        is_final: The session is over: it is ranked by its peak from now on.
    """

    at_ms: int
    value: float | None
    withheld: Withheld | None
    base_log_odds: float
    log_odds: float
    contributions: tuple[Contribution, ...]
    peak: float | None = None
    peak_ms: int | None = None
    peak_contributions: tuple[Contribution, ...] = ()
    is_final: bool = False

    @property
    def rank(self) -> int:
        """What sessions are sorted by: millionths, of the peak once it is over; -1 when withheld."""
        ranked = self.peak if self.is_final else self.value
        return WITHHELD_RANK if ranked is None else round(ranked * _MILLIONTHS)
