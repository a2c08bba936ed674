"""A load run's figures for people."""

from rich.console import Console
from rich.table import Table

from bench.load_report import LoadFigures


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
        **{
            f"  {severity}": {name: ms / 1000 for name, ms in values.items()}
            for severity, values in found.alert_delay_ms_by_severity.items()
        },
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
        f"the generator took {found.generator_cpu_ms_per_session_second:.2f} ms per session-second "
        f"({found.client_core_percent:.0f} % of a core)",
        "hosts grew by "
        + (
            f"{found.host_mb_per_session_beyond_first:.2f} MB"
            if found.host_mb_per_session_beyond_first is not None
            else "-"
        )
        + " for each session beyond the first",
        "asked of the models, per session and second: "
        + ", ".join(f"{group} {rate:.2f}" for group, rate in found.effective_fps.items()),
        *_stock_lines(found),
        f"footage: {found.footage}; an event every {found.event_every_s:.0f} s of each candidate",
    )
    console.print("\n".join(lines), highlight=False)


def _stock_lines(found: LoadFigures) -> tuple[str, ...]:
    if found.ratio is None or found.ratio_same_packets is None:
        return ("stock aiortc: not measured in this run",)
    stock = found.stock_aiortc_cpu_ms_per_session_second
    same = found.stock_aiortc_same_packets_cpu_ms_per_session_second
    return (
        f"stock aiortc only receiving: {stock:.2f} ms per session-second with sound of 20 ms, "
        f"{same:.2f} with ours of {found.ptime_ms} ms",
        f"ratio: {found.ratio:.2f}; with the same packets: {found.ratio_same_packets:.2f}",
    )


def _mb(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} MB"
