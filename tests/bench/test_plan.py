"""A plan's arithmetic, its inputs with their sources, and how it is held against a sweep."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.growth import Line, Measured, NotPlannable, check, fit, lines_of
from bench.load_report import Circumstances, figures
from bench.plan import Figure, plan
from bench.plan_report import (
    default_inputs,
    measured_inputs,
    measured_of,
    not_full,
    print_check,
    print_plan,
    read_runs,
)
from bench.sweep import SweepFigures
from bench.window import Window
from tests.bench.test_load import Process, result


def given(**values: float) -> dict[str, Figure]:
    needed = {
        "utilisation": 0.5,
        "ms_host": 10.0,
        "ms_perception": 20.0,
        "ms_shard": 5.0,
        "ms_redis": 1.0,
        "ms_rest": 2.0,
        "host_mb_first": 100.0,
        "host_mb_each": 10.0,
        "host_mb_limit": 590.0,
        "core_ms_per_replica": 2000.0,
        "kbps_session": 300.0,
        "machine_cores": 10.0,
        "machine_cores_fixed": 2.0,
        "price_machine_hour": 3.0,
        "price_gpu_hour": 4.0,
        "fps_face": 2.0,
        "gpu_rate_face": 400.0,
    }
    return {
        name: Figure(value=value, unit="", source="here", date="2026-11-30", is_measured=True)
        for name, value in {**needed, **values}.items()
    }


def test_a_line_is_found_again() -> None:
    assert fit([(n, 3.0 + 0.5 * n) for n in (0, 10, 40)]) == Line(3.0, 0.5)
    noisy = fit([(0, 1.0), (10, 1.8), (20, 3.2), (30, 4.0)])  # by hand: 0.104, 0.94
    assert noisy.each == pytest.approx(0.104) and noisy.fixed == pytest.approx(0.94)


def test_nothing_begins_below_nothing() -> None:
    line = fit([(10, 0.5), (20, 2.0)])
    assert line.fixed == 0 and line.each == pytest.approx((10 * 0.5 + 20 * 2) / 500)
    assert fit([(10, 2.0), (20, 1.0)]) == Line(1.5, 0.0)
    with pytest.raises(NotPlannable, match="two different"):
        fit([(10, 1.0), (10, 2.0)])


def test_a_plan_is_worked_out_line_by_line() -> None:
    found = {step.name: step for step in plan(given(), 1000, ["face"])}
    values = {name: step.value for name, step in found.items()}
    assert values == {
        "sessions a host": 50,  # 1000 * 0.5 / 10; memory would hold as many
        "session hosts (one core each)": 20,
        "GPUs": 10,  # 1000 * 2 / 400 / 0.5
        "perception replicas": 20,
        "fusion shards": 10,
        "Redis shards": 2,
        "cores for everything else": 4,
        "cores": 20 + 40 + 10 + 2 + 4,
        "network, in": pytest.approx(0.3),
        "network of a host, in": pytest.approx(15),
        "machines": 10,  # 76 / 8
        "cost of a session-hour": pytest.approx((10 * 3 + 10 * 4) / 1000),
    }
    assert found["GPUs"].filled == "ceil(1000 * (2/400) / 0.5)"


def test_memory_may_be_what_bounds_a_host() -> None:
    steps = plan(given(host_mb_each=50.0), 1000, ["face"])
    assert (steps[0].value, steps[1].value) == (10, 100)


def test_without_a_group_on_a_gpu_there_is_none() -> None:
    assert next(s.value for s in plan(given(), 1000, ()) if s.name == "GPUs") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ms_host": 900.0}, "more than a host has"),
        ({"host_mb_first": 700.0}, "more than a host has"),
        ({"utilisation": 0.0}, "above 0"),
        ({"ms_redis": -1.0}, "negative"),
        ({"machine_cores_fixed": 10.0}, "none left"),
    ],
)
def test_figures_that_make_no_sense_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(NotPlannable, match=said):
        plan(given(**change), 1000, ["face"])


def test_a_missing_figure_is_named() -> None:
    inputs = given()
    del inputs["ms_shard"]
    with pytest.raises(NotPlannable, match="ms_shard"):
        plan(inputs, 10, ["face"])
    with pytest.raises(NotPlannable, match="fps_voice"):
        plan(given(), 10, ["voice"])


def point(sessions: int, cores: float, memory_mb: float) -> Measured:
    core_s = {"host": cores / 2, "shard": cores / 2}
    return Measured(sessions=sessions, cores=2, core_s=core_s, memory_mb=memory_mb)


def test_a_sweep_on_a_line_is_predicted_exactly_each_from_the_others() -> None:
    sweep = [point(n, 0.2 + 0.01 * n, 2000 + 8 * n) for n in (0, 10, 25, 50)]
    found = check(sweep)
    assert len(found) == 8 and all(abs(c.relative_error) < 1e-9 for c in found)
    with pytest.raises(NotPlannable, match="three"):
        check(sweep[:2])


def test_a_bend_shows_as_an_error_with_its_sign() -> None:
    lines = lines_of([point(0, 0.2, 2000), point(10, 0.3, 2100)])
    (cores, memory) = check([point(50, 1.0, 2000)], lines)
    assert cores.relative_error == pytest.approx(-0.3) and memory.relative_error == 0.25


def test_more_cores_than_there_are_cannot_be_measured_and_that_is_told() -> None:
    lines = lines_of([point(0, 0.2, 2000), point(10, 0.5, 2100)])
    (cores, _) = check([point(100, 1.9, 3000)], lines)
    assert cores.is_full and cores.predicted == 2.0
    page = StringIO()
    print_check([cores], "by x", Console(file=page, width=120))
    assert "more than the machine has" in page.getvalue() and "+5.3%" in page.getvalue()
    assert not_full([point(10, 1.0, 1), point(50, 1.9, 1)]) == (point(10, 1.0, 1),)


def sweep() -> SweepFigures:
    def run(sessions: int, cpu_s: float) -> object:
        busy = Window(
            before=[Process("host", 1, 100, 0.0), Process("redis", 9, 5, 0.0)],
            after=[Process("host", 1, 100 + sessions, cpu_s), Process("redis", 9, 5, 0.5)],
            seconds=50,
        )
        about = Circumstances(cores=2, kbps_per_session=280.0)
        return figures(replace(result(), sessions=sessions, busy=busy), about)

    return SweepFigures(runs=(run(10, 6.0), run(20, 11.0)))


def test_figures_come_from_a_sweep_and_are_told_as_measured(tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(sweep().model_dump_json())
    runs = read_runs(file)
    points = measured_of(runs)
    assert [p.sessions for p in points] == [0, 10, 20]
    found = measured_inputs(runs, file)
    assert found["ms_host"].value == pytest.approx(10.0) and found["ms_host"].is_measured
    assert found["kbps_session"].value == 280.0 and "sweep.json" in found["ms_host"].source
    inputs = {**default_inputs("none"), **found}
    page = StringIO()
    print_plan(inputs, plan(inputs, 100, ()), 100, "none", Console(file=page, width=160))
    told = page.getvalue()
    assumed = told[told.index("assumed: ") :]
    assert "utilisation" in assumed and "ms_host" not in assumed
    assert "ceil(S / sessions a host)" in told


@pytest.mark.parametrize("gpu", ["none", "h200", "l4"])
def test_the_default_figures_suffice_and_none_claims_to_be_measured_here(gpu: str) -> None:
    inputs = default_inputs(gpu)
    groups = [name[len("gpu_rate_") :] for name in inputs if name.startswith("gpu_rate_")]
    assert plan(inputs, 50_000, groups)[-1].value > 0
    assert all(figure.source for figure in inputs.values())
    assert bool(groups) == (gpu != "none")


def test_a_file_that_is_something_else_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("[]")
    with pytest.raises(NotPlannable, match="no JSON of `proctor bench load`"):
        read_runs(file)
    with pytest.raises(NotPlannable, match="there are none, h200, l4"):
        default_inputs("abacus")
    file.write_text("figures: [1]")
    with pytest.raises(NotPlannable, match="cannot be read"):
        default_inputs("none", file)
