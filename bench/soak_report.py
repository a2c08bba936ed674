"""What a soak was asked, what its candidates went through, and what its looks say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.soak_verdict import KindGrowth, Sample, after_warm_up, growth


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakAsked:
    """What to do.

    Attributes:
        hours: For how long.
        sessions: How many candidates at once, at most.
        event_every_s: How often each misbehaves.
        seed: Of who comes and goes when.
    """

    hours: float
    sessions: int
    event_every_s: float
    seed: int

    @property
    def seconds(self) -> float:
        """The same as `hours`."""
        return self.hours * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Churned:
    """What the candidates of a worker went through.

    Attributes:
        stays: Sessions that were held to their end.
        drops: Connections that were lost on purpose.
        resumed: Of those, how many came back.
        problems: What went wrong, counted by its text.
    """

    stays: int
    drops: int
    resumed: int
    problems: dict[str, int]


class SoakKind(BaseModel):
    """One kind of process; memory with shared pages counted whole."""

    model_config = ConfigDict(frozen=True)

    rss_mb: float
    rss_percent_per_hour: float
    rss_percent_per_hour_error: float
    descriptors: float
    descriptors_per_hour: float
    was_replaced: bool
    problems: tuple[str, ...]


class SoakFigures(BaseModel):
    """A soak in numbers."""

    model_config = ConfigDict(frozen=True)

    hours: float
    sessions: int
    samples: int
    stays: int
    drops: int
    resumed: int
    problems: dict[str, int]
    kinds: dict[str, SoakKind]

    @property
    def holds(self) -> bool:
        """Whether no limit is passed."""
        return not any(kind.problems for kind in self.kinds.values())


def soak_figures(
    samples: Sequence[Sample], churned: Sequence[Churned], asked: SoakAsked
) -> SoakFigures:
    """Work the looks out.

    Raises:
        ValueError: There are too few after the warm-up.
    """
    left = after_warm_up(samples)
    problems: Counter[str] = Counter()
    for part in churned:
        problems.update(part.problems)
    return SoakFigures(
        hours=asked.hours,
        sessions=asked.sessions,
        samples=len(left),
        stays=sum(part.stays for part in churned),
        drops=sum(part.drops for part in churned),
        resumed=sum(part.resumed for part in churned),
        problems=dict(problems),
        kinds={kind: _kind(found) for kind, found in growth(left).items()},
    )


def _kind(found: KindGrowth) -> SoakKind:
    return SoakKind(
        rss_mb=found.rss.mean,
        rss_percent_per_hour=found.rss.percent_per_hour,
        rss_percent_per_hour_error=found.rss.error_percent,
        descriptors=found.descriptors.mean,
        descriptors_per_hour=found.descriptors.per_hour,
        was_replaced=found.was_replaced,
        problems=found.problems,
    )


def print_soak(found: SoakFigures, console: Console) -> None:
    """The same for people."""
    table = Table(
        title=f"\n{found.hours:g} h, {found.sessions} at once, {found.samples} looks",
        title_justify="left",
    )
    table.add_column("process")
    for name in ("MB (RSS)", "% an hour", "+-", "descriptors", "more an hour", ""):
        table.add_column(name, justify="left" if not name else "right")
    for kind, row in found.kinds.items():
        remark = "; ".join(row.problems)
        table.add_row(
            kind,
            f"{row.rss_mb:.0f}",
            f"{row.rss_percent_per_hour:+.2f}",
            f"{row.rss_percent_per_hour_error:.2f}",
            f"{row.descriptors:.1f}",
            f"{row.descriptors_per_hour:+.1f}",
            "not as many all the time: not judged" if row.was_replaced else remark,
        )
    console.print(table)
    console.print(
        f"{found.stays} sessions held to their end, {found.drops} connections lost on purpose, "
        f"{found.resumed} of them back; problems: {found.problems or 'none'}",
        highlight=False,
    )
