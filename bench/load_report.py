"""What a load run measured: processor time and memory by kind of process, delays, losses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.candidate.wire import SessionView
from bench.crowd import Attended
from bench.verdict import Row, Verdict, percentiles, unaccounted_ms


class ProcessRow(Protocol):
    """One process of the product, as the launcher lists them."""

    @property
    def kind(self) -> str:
        """What it is."""
        ...

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    @property
    def pss_mb(self) -> float:
        """Memory with shared pages counted by share."""
        ...

    @property
    def cpu_s(self) -> float:
        """Processor time so far."""
        ...


Look = Callable[[], Sequence[ProcessRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Every process at both ends of a stretch of time.

    Attributes:
        before: At its beginning.
        after: At its end.
        seconds: Its length.
    """

    before: Sequence[ProcessRow]
    after: Sequence[ProcessRow]
    seconds: float

    def cpu_s_by_kind(self) -> dict[str, float]:
        """Processor time within the stretch; a process that began in it counts whole."""
        earlier = {row.pid: row.cpu_s for row in self.before}
        found: dict[str, float] = {}
        for row in self.after:
            found[row.kind] = found.get(row.kind, 0.0) + row.cpu_s - earlier.get(row.pid, 0.0)
        return found

    def memory_mb_by_kind(self) -> dict[str, tuple[int, float, float]]:
        """(processes, sum, largest) of the memory at the end."""
        found: dict[str, tuple[int, float, float]] = {}
        for row in self.after:
            count, total, largest = found.get(row.kind, (0, 0.0, 0.0))
            found[row.kind] = (count + 1, total + row.pss_mb, max(largest, row.pss_mb))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """All that was measured.

    Attributes:
        sessions: How many were asked for.
        idle: The product before anybody joined.
        busy: The product with everybody there.
        client_cpu_s: The load generator's own processor time, all workers, whole run.
        client_s: How long the workers ran.
        attended: How it went for each candidate.
        views: Each session as it ended.
        verdicts: Each session's alerts against its script.
        undelivered: Alerts in the store that the live feed did not bring.
    """

    sessions: int
    idle: Window
    busy: Window
    client_cpu_s: float
    client_s: float
    attended: Sequence[Attended]
    views: Mapping[str, SessionView]
    verdicts: Mapping[str, Verdict]
    undelivered: int


class KindFigures(BaseModel):
    """One kind of process. CPU in ms per session and second, memory as proportional set size."""

    model_config = ConfigDict(frozen=True)

    processes: int
    cpu_ms_per_session_s: float
    core_percent: float
    idle_core_percent: float
    pss_mb: float
    largest_pss_mb: float


class LoadFigures(BaseModel):
    """A load run in numbers; delays in seconds."""

    model_config = ConfigDict(frozen=True)

    sessions: int
    seconds: float
    kinds: dict[str, KindFigures]
    idle_core_percent: float
    idle_pss_mb: float
    busy_core_percent: float
    busy_pss_mb: float
    client_core_percent: float
    expected_alerts: int
    delay_s: dict[str, float]
    beyond_dwell_s: dict[str, float]
    beyond_dwell_by_rule_s: dict[str, dict[str, float]]
    monitored_after_s: dict[str, float]
    coverage_share: dict[str, float]
    lost_alerts: int
    undelivered_alerts: int
    repeated_alerts: int
    false_alerts: int
    false_by_rule: dict[str, int]
    sessions_never_joined: int
    sessions_dropped: int
    breaks: dict[str, int]
    coverage_unaccounted_ms: int


def figures(result: LoadResult) -> LoadFigures:
    """Work the measurements out."""
    busy, idle = result.busy, result.idle
    busy_cpu, idle_cpu = busy.cpu_s_by_kind(), idle.cpu_s_by_kind()
    kinds = {
        kind: KindFigures(
            processes=count,
            cpu_ms_per_session_s=1000 * busy_cpu[kind] / busy.seconds / result.sessions,
            core_percent=100 * busy_cpu[kind] / busy.seconds,
            idle_core_percent=100 * idle_cpu.get(kind, 0.0) / idle.seconds,
            pss_mb=total,
            largest_pss_mb=largest,
        )
        for kind, (count, total, largest) in sorted(busy.memory_mb_by_kind().items())
    }
    rows = [row for verdict in result.verdicts.values() for row in verdict.rows]
    false = [news for verdict in result.verdicts.values() for news in verdict.unexpected]
    rules = sorted({row.expected.rule_id for row in rows})
    ended = [view for view in result.views.values() if view.started_at and view.ended_at]
    return LoadFigures(
        sessions=result.sessions,
        seconds=busy.seconds,
        kinds=kinds,
        idle_core_percent=100 * sum(idle_cpu.values()) / idle.seconds,
        idle_pss_mb=sum(row.pss_mb for row in idle.after),
        busy_core_percent=sum(kind.core_percent for kind in kinds.values()),
        busy_pss_mb=sum(kind.pss_mb for kind in kinds.values()),
        client_core_percent=100 * result.client_cpu_s / result.client_s,
        expected_alerts=len(rows),
        delay_s=percentiles([row.delay_s for row in rows if row.delay_s is not None]),
        beyond_dwell_s=percentiles(_beyond(rows)),
        beyond_dwell_by_rule_s={
            rule: percentiles(_beyond(row for row in rows if row.expected.rule_id == rule))
            for rule in rules
        },
        monitored_after_s=percentiles([_monitored_from_s(view) for view in ended]),
        coverage_share=_coverage_share(ended),
        lost_alerts=sum(len(verdict.missing) for verdict in result.verdicts.values()),
        undelivered_alerts=result.undelivered,
        repeated_alerts=sum(len(verdict.tolerated) for verdict in result.verdicts.values()),
        false_alerts=len(false),
        false_by_rule=_counted(news.alert.rule_id for news in false),
        sessions_never_joined=sum(not one.connections for one in result.attended),
        sessions_dropped=sum(one.connections > 1 or bool(one.problem) for one in result.attended),
        breaks=_counted(why for one in result.attended for why in one.breaks),
        coverage_unaccounted_ms=max((unaccounted_ms(view) for view in ended), default=0),
    )


def _beyond(rows: Iterable[Row]) -> list[float]:
    return [row.beyond_dwell_s for row in rows if row.beyond_dwell_s is not None]


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def _monitored_from_s(view: SessionView) -> float:
    """When the later of the two modalities was first monitored; a session's length when never."""
    assert view.started_at is not None
    assert view.ended_at is not None
    length_s = (view.ended_at - view.started_at).total_seconds()
    firsts = [
        min(
            (
                p.start_ms / 1000
                for p in view.coverage
                if p.modality == m and p.state == "monitored"
            ),
            default=length_s,
        )
        for m in ("video", "audio")
    ]
    return max(firsts)


def _coverage_share(views: Sequence[SessionView]) -> dict[str, float]:
    """Share of all sessions' time by modality, state and reason, the largest first."""
    sums: dict[str, int] = {}
    lengths: dict[str, int] = {}
    for part in (part for view in views for part in view.coverage if part.end_ms is not None):
        name = f"{part.modality} {part.state}" + (f" ({part.reason})" if part.reason else "")
        length = (part.end_ms or 0) - part.start_ms
        sums[name] = sums.get(name, 0) + length
        lengths[part.modality] = lengths.get(part.modality, 0) + length
    shares = {name: total / max(1, lengths[name.split()[0]]) for name, total in sums.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def print_figures(found: LoadFigures, console: Console) -> None:
    """The same for people."""
    table = Table(
        title=f"\n{found.sessions} sessions for {found.seconds:.0f} s", title_justify="left"
    )
    table.add_column("process")
    for name in ("count", "CPU ms per session-s", "% of a core", "idle %", "MB", "largest MB"):
        table.add_column(name, justify="right")
    for kind, row in found.kinds.items():
        table.add_row(
            kind,
            str(row.processes),
            f"{row.cpu_ms_per_session_s:.2f}",
            f"{row.core_percent:.1f}",
            f"{row.idle_core_percent:.1f}",
            f"{row.pss_mb:.0f}",
            f"{row.largest_pss_mb:.0f}",
        )
    table.add_section()
    table.add_row(
        "all",
        str(sum(row.processes for row in found.kinds.values())),
        f"{10 * found.busy_core_percent / found.sessions:.2f}",
        f"{found.busy_core_percent:.1f}",
        f"{found.idle_core_percent:.1f}",
        f"{found.busy_pss_mb:.0f}",
        "",
    )
    console.print(table)
    delays = Table(title="\nFrom event to alert, s", title_justify="left")
    for name in ("", "p50", "p95", "p99", "max"):
        delays.add_column(name, justify="right" if name else "left")
    for name, values in {
        "delay": found.delay_s,
        "less the dwell": found.beyond_dwell_s,
        **{f"  {rule}": values for rule, values in found.beyond_dwell_by_rule_s.items()},
        "monitored after": found.monitored_after_s,
    }.items():
        delays.add_row(
            name, *(f"{values[p]:.2f}" if values else "-" for p in ("p50", "p95", "p99", "max"))
        )
    console.print(delays)
    broken = found.breaks or ""
    lines = (
        f"alerts: {found.expected_alerts} expected, {found.lost_alerts} lost, "
        f"{found.undelivered_alerts} stored but not delivered, "
        f"{found.repeated_alerts} told twice, {found.false_alerts} false "
        f"{found.false_by_rule or ''}",
        f"sessions: {found.sessions_never_joined} never joined, {found.sessions_dropped} dropped {broken}",
        "coverage: "
        + ", ".join(f"{name} {share:.1%}" for name, share in found.coverage_share.items()),
        f"coverage unaccounted for: {found.coverage_unaccounted_ms} ms at most",
        f"idle system: {found.idle_core_percent:.1f} % of a core, {found.idle_pss_mb / 1024:.2f} GB",
        f"the clients took {found.client_core_percent:.0f} % of a core",
    )
    console.print("\n".join(lines), highlight=False)
