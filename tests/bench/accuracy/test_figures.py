"""What was measured, as JSON, as a table and as a section of a page."""

import io
from datetime import date

from rich.console import Console

from bench.accuracy.figures import (
    Estimate,
    Figure,
    Report,
    as_json,
    as_markdown,
    missing,
    on_page,
    table,
)


def report(pack: str = "small") -> Report:
    return Report(
        pack=pack,
        models={"voice": "voice", "words": None},
        conditions="one core",
        day=date(2026, 11, 22),
        figures=[
            Figure(
                key="verification.eer",
                label="equal error",
                unit="share",
                found=Estimate(0.0123, 0.01, 0.02),
                basis="12 pictures",
            ),
            Figure(
                key="head_pose.mae_deg.yaw",
                label="yaw",
                unit="degrees",
                found=Estimate(4.0, 4.0, 4.0),
                basis="one head",
            ),
            *missing([("gaze.auc", "aside", "area")], "no labelled clips"),
            Figure(
                key="cost_cpu_ms.yunet.v2",
                label="yunet.v2",
                unit="ms",
                found=Estimate(1.5, 1.0, 2.0),
                basis="a picture",
            ),
        ],
        remarks=["labels/gaze_videos.csv is missing"],
    )


def test_values_nest_by_key_and_what_is_missing_is_null() -> None:
    told = as_json(report())
    assert told["verification"] == {"eer": 0.0123}
    assert told["head_pose"] == {"mae_deg": {"yaw": 4.0}}
    assert told["gaze"] == {"auc": None}
    assert told["cost_cpu_ms"] == {"yunet.v2": 1.5}, "a model's dot is no level"
    assert told["interval_95"] == {
        "verification": {"eer": [0.01, 0.02]},
        "cost_cpu_ms": {"yunet.v2": [1.0, 2.0]},
    }
    assert told["remarks"] == ["labels/gaze_videos.csv is missing"]
    assert told["models"] == {"voice": "voice", "words": None}


def test_the_table_shows_figure_interval_and_basis() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(table(report()))
    for words in ("1.23 %", "1.00 % to 2.00 %", "4.0°", "not measured", "no labelled clips"):
        assert words in out.getvalue()


def test_a_section_is_replaced_by_its_newer_self_and_others_stay() -> None:
    page = on_page("# Accuracy\n\nWords.\n", as_markdown(report("small")))
    page = on_page(page, as_markdown(report("large")))
    assert page.index("# Accuracy") < page.index("## Pack `small`") < page.index("## Pack `large`")
    again = on_page(page, as_markdown(report("small")).replace("1.23 %", "9.99 %"))
    assert again.count("## Pack `small`") == again.count("## Pack `large`") == 1
    assert again.count("9.99 %") == 1 and again.count("1.23 %") == 1
    assert again.startswith("# Accuracy\n\nWords.\n")
    assert "| equal error | 1.23 % | 1.00 % to 2.00 % | 12 pictures |" in again
