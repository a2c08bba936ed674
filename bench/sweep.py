"""How a product grows with its candidates: a load run at several numbers of them, as table and plot."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from bench.load_report import LoadFigures


class SweepFigures(BaseModel):
    """Load runs by rising number of candidates, measured one after another on the same machine."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[LoadFigures, ...]


def print_sweep(found: SweepFigures, console: Console) -> None:
    """A row for each number of candidates."""
    table = Table(title="\nGrowth", title_justify="left")
    names = (
        "sessions",
        "CPU ms per session-s",
        "% of a core",
        "ratio",
        "generator ms",
        "delay p50 s",
        "p95 s",
        "lost",
        "false",
        "dropped",
        "MB (PSS)",
        "host MB a session",
    )
    for name in names:
        table.add_column(name, justify="right")
    for run in found.runs:
        growth, delay = run.host_mb_per_session_beyond_first, run.alert_delay_ms
        table.add_row(
            str(run.sessions),
            f"{run.server_cpu_ms_per_session_second['all']:.1f}",
            f"{run.busy_core_percent:.0f}",
            "-" if run.ratio is None else f"{run.ratio:.2f}",
            f"{run.generator_cpu_ms_per_session_second:.2f}",
            f"{delay['p50'] / 1000:.2f}" if delay else "-",
            f"{delay['p95'] / 1000:.2f}" if delay else "-",
            str(run.lost_alerts),
            str(run.false_alerts),
            str(run.sessions_dropped),
            f"{run.busy_pss_mb:.0f}",
            "-" if growth is None else f"{growth:.1f}",
        )
    console.print(table)


def draw(found: SweepFigures, path: Path) -> None:
    """Three panels over the number of candidates: CPU by kind of process, delay, memory. PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = [run.sessions for run in found.runs]
    figure, (cpu, delay, memory) = pyplot.subplots(1, 3, figsize=(15, 4.5))
    last = found.runs[-1]
    kinds = sorted(last.kinds, key=lambda kind: -last.kinds[kind].core_percent)
    rows = [
        [run.kinds[k].core_percent if k in run.kinds else 0 for run in found.runs] for k in kinds
    ]
    cpu.stackplot(counts, rows, labels=kinds)
    cpu.set(title="processor time of the product", xlabel="sessions", ylabel="% of a core")
    cpu.legend(loc="upper left", fontsize="x-small")
    for name in ("p50", "p95", "p99"):
        delay.plot(counts, [run.alert_delay_ms.get(name) for run in found.runs], "o-", label=name)
    delay.set(
        title="event to alert, less the dwell", xlabel="sessions", ylabel="ms", ylim=(0, None)
    )
    delay.legend(fontsize="x-small")
    memory.plot(counts, [run.busy_pss_mb for run in found.runs], "o-", label="all processes (PSS)")
    hosts = [run.kinds["host"].pss_mb if "host" in run.kinds else 0.0 for run in found.runs]
    memory.plot(counts, hosts, "o-", label="session hosts (PSS)")
    memory.set(title="memory", xlabel="sessions", ylabel="MB", ylim=(0, None))
    memory.legend(fontsize="x-small")
    figure.tight_layout()
    figure.savefig(path, dpi=120, format="png")
    pyplot.close(figure)
