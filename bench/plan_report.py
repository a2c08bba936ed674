"""A plan's inputs from files, and a plan for people: lines with formulae, inputs with sources."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.table import Table

from bench.growth import Compared, Measured, NotPlannable, lines_of
from bench.load_report import LoadFigures
from bench.plan import PER_SESSION, Figure, Step
from bench.sweep import SweepFigures

DEFAULTS = Path(__file__).with_name("plan_inputs.yaml")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    unit: str
    source: str
    date: date
    measured: bool


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    figures: dict[str, _Row]
    gpus: dict[str, dict[str, _Row]]


def default_inputs(gpu: str, path: Path = DEFAULTS) -> dict[str, Figure]:
    """The figures of the data file for a kind of GPU, or for `none`.

    Raises:
        NotPlannable: No such GPU, or the file is not as it must be.
    """
    try:
        page = _Page.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0]
        raise NotPlannable(f"{path.name} cannot be read: {line}") from None
    if gpu not in page.gpus:
        raise NotPlannable(f"no figures for a GPU {gpu!r}; there are {', '.join(page.gpus)}")
    rows = {**page.figures, **page.gpus[gpu]}
    found = {
        name: Figure(
            value=row.value,
            unit=row.unit,
            source=row.source,
            date=row.date.isoformat(),
            is_measured=row.measured,
        )
        for name, row in rows.items()
    }
    none = Figure(value=0.0, unit="USD", source="no GPU", date="", is_measured=True)
    found.setdefault("price_gpu_hour", none)
    return found


def read_runs(path: Path) -> tuple[LoadFigures, ...]:
    """The runs of a `bench load` JSON, of one number of candidates or of a sweep.

    Raises:
        NotPlannable: It is neither.
    """
    text = path.read_text(encoding="utf-8")
    try:
        told = json.loads(text)
        if isinstance(told, dict) and "runs" in told:
            return SweepFigures.model_validate_json(text).runs
        return (LoadFigures.model_validate_json(text),)
    except (ValidationError, ValueError):
        raise NotPlannable(f"{path} is no JSON of `proctor bench load`") from None


def measured_of(runs: Sequence[LoadFigures]) -> tuple[Measured, ...]:
    """The runs as points of a line; the idle product of the first is N = 0."""
    points = [
        Measured(
            sessions=run.sessions,
            cores=run.cores,
            core_s={kind: row.core_percent / 100 for kind, row in run.kinds.items()},
            memory_mb=run.busy_pss_mb,
        )
        for run in runs
    ]
    first = runs[0]
    idle = Measured(
        sessions=0,
        cores=first.cores,
        core_s={kind: row.idle_core_percent / 100 for kind, row in first.kinds.items()},
        memory_mb=first.idle_pss_mb,
    )
    return (idle, *points)


def not_full(points: Sequence[Measured]) -> tuple[Measured, ...]:
    """The points at which the product had room; where it has none, a line is bent."""
    return tuple(point for point in points if sum(point.core_s.values()) < 0.9 * point.cores)


def measured_inputs(runs: Sequence[LoadFigures], path: Path) -> dict[str, Figure]:
    """What load runs say: processor time and memory per session, and what the models are asked.

    Raises:
        NotPlannable: No run but the idle product had room left.
    """
    points = measured_of(runs)
    lines = lines_of(not_full(points) if len(not_full(points)) > 1 else points)
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()

    def figure(value: float, unit: str, what: str = "") -> Figure:
        told = f"{path.name}{', ' + what if what else ''}"
        return Figure(value=value, unit=unit, source=told, date=day, is_measured=True)

    grows = {kind: line.each * 1000 for kind, line in lines.items() if kind != "memory_mb"}
    fixed = sum(
        line.fixed for kind, line in lines.items() if kind not in ("memory_mb", *PER_SESSION)
    )
    last = max(runs, key=lambda run: run.sessions)
    found = {f"ms_{kind}": figure(grows.get(kind, 0.0), "ms", "slope") for kind in PER_SESSION}
    rest = sum(ms for kind, ms in grows.items() if kind not in PER_SESSION)
    found["ms_rest"] = figure(rest, "ms", "slope of all other kinds")
    found["machine_cores_fixed"] = figure(fixed, "cores", "all other kinds at no session")
    found |= {f"fps_{g}": figure(rate, "1/s") for g, rate in last.effective_fps.items()}
    if last.kbps_per_session > 0:
        found["kbps_session"] = figure(last.kbps_per_session, "kbit/s", "with all headers")
    growth = last.host_mb_per_session_beyond_first
    if growth is not None and growth > 0 and "host" in last.kinds:
        hosts = last.kinds["host"]
        found["host_mb_each"] = figure(growth, "MB")
        alone = (hosts.pss_mb - growth * (last.sessions - 1)) / hosts.processes
        found["host_mb_first"] = figure(max(0.0, alone), "MB")
    return found


def print_plan(
    inputs: Mapping[str, Figure], steps: Sequence[Step], sessions: int, gpu: str, console: Console
) -> None:
    """Inputs with their sources, then every line with its formula."""
    table = Table(title="\nInputs", title_justify="left")
    for name in ("figure", "value", "", "source", "of"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for name, figure in sorted(inputs.items()):
        state = "measured" if figure.is_measured else "assumed"
        value = f"{figure.value:.4g} {figure.unit}".strip()
        table.add_row(name, value, state, figure.source, figure.date)
    console.print(table)
    lines = Table(title=f"\n{sessions} sessions at once, GPU: {gpu}", title_justify="left")
    for name in ("what", "", "formula", "filled in"):
        lines.add_column(name, justify="right" if not name else "left")
    for step in steps:
        lines.add_row(step.name, _counted(step.value, step.unit), step.formula, step.filled)
    console.print(lines)
    assumed = sorted(name for name, figure in inputs.items() if not figure.is_measured)
    console.print(f"assumed: {', '.join(assumed) or 'nothing'}", highlight=False)


def _counted(value: float, unit: str) -> str:
    if value < 1:
        return f"{value:.4f} {unit}"
    return f"{value:,.2f} {unit}" if value % 1 else f"{value:,.0f} {unit}"


def print_check(compared: Sequence[Compared], how: str, console: Console) -> None:
    """Predicted against measured at each number of sessions."""
    table = Table(title=f"\nPredicted ({how}) against measured", title_justify="left")
    for name in ("sessions", "what", "predicted", "measured", "relative error", ""):
        table.add_column(name, justify="left" if name in ("what", "") else "right")
    for one in compared:
        table.add_row(
            str(one.sessions),
            one.what,
            f"{one.predicted:.3g}",
            f"{one.measured:.3g}",
            f"{one.relative_error:+.1%}",
            "more than the machine has" if one.is_full else "",
        )
    console.print(table)
