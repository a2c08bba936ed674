"""The matrix in numbers, and whether it is what was promised."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.network.outcome import BACK_WITHIN_S, Outcome

BLIND_WITHIN_S, BLIND_SHARE = 3.0, 0.99
BACK_SHARE = 0.95
COVERAGE_TOLERANCE_MS = 100


class CaseFigures(BaseModel):
    """One case; times in seconds, None where nothing breaks."""

    model_config = ConfigDict(frozen=True)

    case: str
    sessions: int
    in_browser: int
    failed: int
    packets_lost: float
    seen_share: float
    heard_share: float
    blind_p50_s: float | None
    blind_max_s: float | None
    seen_p95_s: float | None
    monitored_p50_s: float | None
    monitored_p95_s: float | None
    monitored_max_s: float | None
    alerts_expected: int
    alerts_lost: int
    alerts_of_told_blindness: int
    accusations: int
    accused_of: dict[str, int]
    coverage_unaccounted_ms: int


class MatrixFigures(BaseModel):
    """The whole matrix. Shares are of the sessions in which the line broke."""

    model_config = ConfigDict(frozen=True)

    cases: list[CaseFigures]
    sessions: int
    failed: int
    broken: int
    blind_in_time: int
    monitored_in_time: int
    seen_in_time: int
    late: dict[str, int]
    alerts_expected: int
    alerts_lost: int
    accusations: int
    coverage_unaccounted_ms: int
    load_average: tuple[float, float]

    @property
    def problems(self) -> list[str]:
        """What is not as promised, one line each."""
        found = []
        if self.failed:
            found.append(f"{self.failed} sessions could not be counted")
        for name, count, share in (
            (f"blind told within {BLIND_WITHIN_S:.0f} s", self.blind_in_time, BLIND_SHARE),
            (f"monitored again within {BACK_WITHIN_S:.0f} s", self.monitored_in_time, BACK_SHARE),
        ):
            if self.broken and count < share * self.broken:
                found.append(f"{name}: {count} of {self.broken}, {share:.0%} are asked for")
        if self.alerts_lost:
            found.append(f"{self.alerts_lost} alerts lost")
        if self.accusations:
            found.append(f"{self.accusations} accusations that nobody's behaviour caused")
        if self.coverage_unaccounted_ms > COVERAGE_TOLERANCE_MS:
            found.append(f"coverage leaves {self.coverage_unaccounted_ms} ms unaccounted for")
        return found


def figures(outcomes: Sequence[Outcome], load: tuple[float, float]) -> MatrixFigures:
    """Work the outcomes out. A session that never says blind, or never is seen again, is late."""
    good = [one for one in outcomes if not one.problem]
    broken = [one for one in good if one.job.case.breaks]
    names = list(dict.fromkeys(one.job.case.name for one in outcomes))
    return MatrixFigures(
        cases=[_case(name, [o for o in outcomes if o.job.case.name == name]) for name in names],
        sessions=len(outcomes),
        failed=len(outcomes) - len(good),
        broken=len(broken),
        blind_in_time=_in_time([one.blind_after_s for one in broken], BLIND_WITHIN_S),
        monitored_in_time=_in_time([one.monitored_after_s for one in broken], BACK_WITHIN_S),
        seen_in_time=_in_time([one.seen_after_s for one in broken], BACK_WITHIN_S),
        late=_late(broken),
        alerts_expected=sum(one.expected for one in good),
        alerts_lost=sum(len(one.lost) for one in good),
        accusations=sum(len(one.accusations) for one in good),
        coverage_unaccounted_ms=max((one.unaccounted_ms for one in good), default=0),
        load_average=load,
    )


def _in_time(values: Sequence[float | None], limit_s: float) -> int:
    return sum(1 for value in values if value is not None and value <= limit_s)


def _late(broken: Sequence[Outcome]) -> dict[str, int]:
    """How well those were seen who were not monitored in time."""
    late = [
        one.in_time
        for one in broken
        if one.monitored_after_s is None or one.monitored_after_s > BACK_WITHIN_S
    ]
    return {state: late.count(state) for state in sorted(set(late))}


def _case(name: str, outcomes: Sequence[Outcome]) -> CaseFigures:
    good = [one for one in outcomes if not one.problem]
    blind = [one.blind_after_s for one in good if one.blind_after_s is not None]
    seen = [one.seen_after_s for one in good if one.seen_after_s is not None]
    monitored = [one.monitored_after_s for one in good if one.monitored_after_s is not None]
    accused = [rule for one in good for rule in one.accusations]
    return CaseFigures(
        case=name,
        sessions=len(outcomes),
        in_browser=sum(one.job.in_browser for one in outcomes),
        failed=len(outcomes) - len(good),
        packets_lost=float(np.mean([one.packets_lost for one in good])) if good else 0.0,
        seen_share=float(np.mean([one.seen_share for one in good])) if good else 0.0,
        heard_share=float(np.mean([one.heard_share for one in good])) if good else 0.0,
        blind_p50_s=_percentile(blind, 50),
        blind_max_s=max(blind, default=None),
        seen_p95_s=_percentile(seen, 95),
        monitored_p50_s=_percentile(monitored, 50),
        monitored_p95_s=_percentile(monitored, 95),
        monitored_max_s=max(monitored, default=None),
        alerts_expected=sum(one.expected for one in good),
        alerts_lost=sum(len(one.lost) for one in good),
        alerts_of_told_blindness=sum(len(one.untold) for one in good),
        accusations=len(accused),
        accused_of={rule: accused.count(rule) for rule in sorted(set(accused))},
        coverage_unaccounted_ms=max((one.unaccounted_ms for one in good), default=0),
    )


def _percentile(values: Sequence[float], rank: float) -> float | None:
    return float(np.percentile(np.asarray(values, float), rank)) if values else None


_COLUMNS = (
    "case",
    "sessions (Chromium)",
    "packets lost",
    "seen / heard",
    "blind told p50 / max",
    "seen again p95",
    "monitored again p50 / p95 / max",
    "alerts",
    "lost",
    "while told blind",
    "accusations",
    "unaccounted ms",
)


def _rows(found: MatrixFigures) -> list[tuple[str, ...]]:
    return [
        (
            one.case,
            f"{one.sessions - one.failed} ({one.in_browser})",
            "-" if one.case == "moved" else f"{one.packets_lost:.0%}",
            f"{one.seen_share:.0%} / {one.heard_share:.0%}",
            _times(one.blind_p50_s, one.blind_max_s),
            _times(one.seen_p95_s),
            _times(one.monitored_p50_s, one.monitored_p95_s, one.monitored_max_s),
            str(one.alerts_expected),
            str(one.alerts_lost),
            str(one.alerts_of_told_blindness),
            str(one.accusations),
            str(one.coverage_unaccounted_ms),
        )
        for one in found.cases
    ]


def _times(*values: float | None) -> str:
    return " / ".join("-" if value is None else f"{value:.1f}" for value in values)


def _lines(found: MatrixFigures) -> tuple[str, ...]:
    return (
        f"blind told within {BLIND_WITHIN_S:.0f} s: {found.blind_in_time} of {found.broken}; "
        f"after the link's return within {BACK_WITHIN_S:.0f} s monitored: "
        f"{found.monitored_in_time} of {found.broken}, seen (monitored or degraded): "
        f"{found.seen_in_time} of {found.broken}"
        + "".join(f"; {count} were {state} then" for state, count in found.late.items()),
        f"alerts: {found.alerts_expected} expected, {found.alerts_lost} lost; "
        f"accusations caused by the network: {found.accusations}; "
        f"coverage unaccounted for: {found.coverage_unaccounted_ms} ms at most",
        f"load average of the machine at the start and at the end: {found.load_average[0]:.1f}, "
        f"{found.load_average[1]:.1f}; {found.failed} of {found.sessions} sessions did not count",
    )


def print_figures(found: MatrixFigures, console: Console) -> None:
    """The table for people; times in seconds."""
    table = Table(title="\nBad lines", title_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "case" else "right")
    for row in _rows(found):
        table.add_row(*row)
    console.print(table)
    console.print("\n".join(_lines(found)), highlight=False)


def as_markdown(found: MatrixFigures) -> str:
    """The same as a page's section."""
    head = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n"
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _rows(found))
    return head + rows + "\n" + "".join(f"- {line}\n" for line in _lines(found))
