"""Sums over a tenant, and how sure one can be of a share that few have looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.incidents import Verdict
from proctor.domain.observations import Producer
from proctor.domain.sessions import SessionState

_Z_95 = 1.959964
HINT_FROM = 20
"""Fewer looked at say nothing about a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """How many incidents of one rule of one policy version have one verdict."""

    policy_id: str
    policy_version: int
    rule_id: str
    verdict: Verdict
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How often people agreed, of what they looked at.

    Attributes:
        confirmed: They said that it happened.
        dismissed: They said that it did not, or is nothing.
        unreviewed: Nobody has looked.
    """

    confirmed: int = 0
    dismissed: int = 0
    unreviewed: int = 0

    @property
    def looked_at(self) -> int:
        """Confirmed and dismissed."""
        return self.confirmed + self.dismissed

    @property
    def value(self) -> float | None:
        """The share that was confirmed; None when nobody has looked."""
        return self.confirmed / self.looked_at if self.looked_at else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share; None when nobody has looked."""
        return wilson(self.confirmed, self.looked_at)

    def plus(self, verdict: Verdict, count: int) -> "Precision":
        """With so many more of one verdict."""
        return Precision(
            confirmed=self.confirmed + count * (verdict is Verdict.CONFIRMED),
            dismissed=self.dismissed + count * (verdict is Verdict.DISMISSED),
            unreviewed=self.unreviewed + count * (verdict is Verdict.UNREVIEWED),
        )


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """Wilson's 95 % score interval of `hits` in `of` draws; None for no draw."""
    if of == 0:
        return None
    share, square = hits / of, _Z_95 * _Z_95
    middle = (share + square / (2 * of)) / (1 + square / of)
    spread = share * (1 - share) / of + square / (4 * of * of)
    half = _Z_95 * sqrt(spread) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def hint_of(precision: Precision) -> str | None:
    """A sentence for a rule of which people dismiss most; None where that cannot be said."""
    interval = precision.interval
    if interval is None or precision.looked_at < HINT_FROM or interval[1] >= 0.5:
        return None
    return (
        f"of {precision.looked_at} looked at, {precision.confirmed} confirmed: "
        "give the rule a lower severity, or ask more of it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTotal:
    """How long a modality of all sessions was in one state for one reason, in stretches that are over."""

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    closed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """A stretch of coverage of a session that still lasts.

    Attributes:
        since_ms: Session time.
        started_at: Wall time of the session's time 0.
    """

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    since_ms: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFigures:
    """What is counted of a tenant.

    Attributes:
        sessions: By state.
        alerts: Those that have their place in the feed.
        coverage: Stretches that are over.
        lasting: Stretches that are not, of live sessions.
        models: Every model of the newest alerts, and how many of them rest on it; most first.
        models_window: How many alerts were looked at.
        outbox: Alerts that wait for their place.
        retention: Days and how many exams keep for so long.
        evidence_bytes: Of the evidence that lies in the store, as it was before it was sealed.
    """

    sessions: dict[SessionState, int]
    alerts: int
    coverage: Sequence[CoverageTotal]
    lasting: Sequence[Lasting]
    models: Sequence[tuple[Producer, int]]
    models_window: int
    outbox: int
    retention: Sequence[tuple[int, int]]
    evidence_bytes: int
