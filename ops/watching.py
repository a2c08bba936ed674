"""Writes the table of metrics into docs/watching.md: `python -m ops.watching`."""

from pathlib import Path

from proctor.adapters.metric_names import METRICS, Metric

PAGE = Path(__file__).resolve().parents[1] / "docs" / "watching.md"
BEGIN, END = "<!-- metrics: made by `python -m ops.watching` -->", "<!-- end of metrics -->"
UNITS = {"seconds": "s", "bytes": "bytes"}


def unit_of(name: str) -> str:
    """By the last word of the name, as Prometheus wants it; else a number of things."""
    return UNITS.get(name.rpartition("_")[2], "")


def row(name: str, metric: Metric) -> str:
    """One line of the table."""
    shown = f"proctor_{name}_total" if metric.kind == "counter" else f"proctor_{name}"
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{shown}` | {metric.kind} | {labels} | {unit_of(name)} | {metric.help} |"


def table() -> str:
    """All of them."""
    head = ["| metric | kind | labels | unit | what it says |", "|---|---|---|---|---|"]
    return "\n".join(head + [row(name, metric) for name, metric in METRICS.items()])


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
