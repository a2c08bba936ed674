"""What was measured: one flat list of figures that becomes the table, the JSON and the page.

A figure without a value is one that could not be measured, and says why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rich.table import Table

Unit = Literal["share", "degrees", "seconds", "per minute", "ms", "area", "number"]

Wanted = tuple[str, str, Unit]
"""Key, label and unit of a figure that a part promises."""

_SECTIONS = {
    "verification": "Who it is",
    "detection": "Faces found",
    "head_pose": "Where the head points",
    "gaze": "Where the eyes look",
    "vad": "Speech",
    "speakers": "Voices",
    "liveness": "In the flesh",
    "cost_cpu_ms": "Cost",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; equal to the value where none can be given.

    Attributes:
        value: As measured on everything there is.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        key: Its place in the JSON, dots between the levels.
        label: What it is, for people.
        unit: How the value reads.
        found: The value; None when it was not measured.
        basis: What it rests on, or why there is none.
    """

    key: str
    label: str
    unit: Unit
    found: Estimate | None
    basis: str

    @property
    def told(self) -> str:
        """The value as people read it."""
        return "not measured" if self.found is None else _number(self.found.value, self.unit)

    @property
    def interval(self) -> str:
        """The interval as people read it; empty where none can be given."""
        found = self.found
        if found is None or found.low == found.high:
            return ""
        return f"{_number(found.low, self.unit)} to {_number(found.high, self.unit)}"


def missing(wanted: Iterable[Wanted], why: str) -> list[Figure]:
    """(key, label, unit) that could not be measured, for one reason."""
    return [
        Figure(key=key, label=label, unit=unit, found=None, basis=why)
        for key, label, unit in wanted
    ]


def _number(value: float, unit: Unit) -> str:
    match unit:
        case "share":
            return f"{100 * value:.2f} %"
        case "degrees":
            return f"{value:.1f}°"
        case "seconds":
            return f"{value:.2f} s"
        case "per minute":
            return f"{value:.2f} a minute"
        case "ms":
            return f"{value:.2f} ms"
        case "area":
            return f"{value:.3f}"
        case "number":
            return f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run found.

    Attributes:
        pack: Name of the pack.
        models: Task -> model, None for a task that is off.
        conditions: Machine, threads, date and so on, for people.
        day: When.
        figures: The lines.
        remarks: What was missing or refused, one line each.
    """

    pack: str
    models: dict[str, str | None]
    conditions: str
    day: date
    figures: Sequence[Figure]
    remarks: Sequence[str]


def as_json(report: Report) -> dict[str, object]:
    """Values nested by key, null where not measured; the intervals beside them in the same tree."""
    values: dict[str, object] = {}
    intervals: dict[str, object] = {}
    for figure in report.figures:
        found = figure.found
        _put(values, figure.key, None if found is None else found.value)
        if found is not None and found.low != found.high:
            _put(intervals, figure.key, [found.low, found.high])
    return {
        "pack": report.pack,
        "models": report.models,
        "day": report.day.isoformat(),
        "conditions": report.conditions,
        **values,
        "interval_95": intervals,
        "basis": {figure.key: figure.basis for figure in report.figures},
        "remarks": list(report.remarks),
    }


def _put(tree: dict[str, object], key: str, value: object) -> None:
    """`cost_cpu_ms.a.b` is one model with a dot in its name; everything else nests."""
    first, _, rest = key.partition(".")
    parts = [first, rest] if first == "cost_cpu_ms" else key.split(".")
    for part in parts[:-1]:
        branch = tree.setdefault(part, {})
        assert isinstance(branch, dict), f"{key} is both a value and a branch"
        tree = branch
    tree[parts[-1]] = value


def table(report: Report) -> Table:
    """The figures as people read them."""
    made = Table(title=f"Pack {report.pack}: {report.conditions}", title_justify="left")
    made.add_column("what", ratio=3)
    made.add_column("figure", justify="right", no_wrap=True)
    made.add_column("95 % interval", no_wrap=True)
    made.add_column("on", ratio=4)
    section = ""
    for figure in report.figures:
        here = figure.key.partition(".")[0]
        if here != section:
            section = here
            made.add_section()
            made.add_row(f"[bold]{_SECTIONS.get(here, here)}", "", "", "")
        made.add_row(figure.label, figure.told, figure.interval, figure.basis)
    return made


def as_markdown(report: Report) -> str:
    """The same as a section of a page."""
    lines = [
        f"## Pack `{report.pack}`",
        "",
        f"{report.day.isoformat()}, {report.conditions}.",
        "",
        "Models: "
        + ", ".join(f"{task} `{model}`" for task, model in report.models.items() if model)
        + ".",
        "",
        "| what | figure | 95 % interval | on |",
        "|---|---|---|---|",
    ]
    section = ""
    for figure in report.figures:
        here = figure.key.partition(".")[0]
        if here != section:
            section = here
            lines.append(f"| **{_SECTIONS.get(here, here)}** | | | |")
        cells = (figure.label, figure.told, figure.interval, figure.basis)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    if report.remarks:
        lines += ["", "Remarks:", "", *(f"- {remark}" for remark in report.remarks)]
    return "\n".join(lines) + "\n"


def on_page(page: str, section: str) -> str:
    """The page with this section put in, in place of one about the same pack or at its end."""
    title = section.partition("\n")[0]
    before, found, rest = page.partition(title + "\n")
    if not found:
        return f"{page.rstrip()}\n\n{section}" if page.strip() else section
    _, following, after = rest.partition("\n## ")
    return before + section + (f"\n## {after}" if following else "")
