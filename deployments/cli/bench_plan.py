"""`proctor bench plan` and `proctor bench soak`: how large, and for how long."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.bench_load import JsonFile, product_of, ready
from deployments.cli.demo import Media, end_in_order, own_home, wide_console
from deployments.cli.errors import read_settings
from proctor.domain.errors import InvalidInput

_READ = {"exists": True, "dir_okay": False}


def plan(
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions at once.")] = 1000,
    gpu: Annotated[str, typer.Option(help="none, l4 or h200.")] = "none",
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from", **_READ, help="JSON of `bench load`, of one number of sessions or a sweep."
        ),
    ] = None,
    check_file: Annotated[
        Path | None,
        typer.Option(
            "--check",
            **_READ,
            help="JSON of a sweep: predicted against measured at each number of its sessions.",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Hosts, replicas, GPUs, shards, network and cost of many sessions, from the figures measured.

    What was not measured is printed as `assumed`; every line shows its formula. With --check alone each
    number of sessions is predicted from the others of the sweep, with --from by what that file says.
    """
    import json
    from dataclasses import asdict

    from bench.growth import Compared, NotPlannable, check, lines_of
    from bench.plan import plan as work_out
    from bench.plan_report import (
        default_inputs,
        measured_inputs,
        measured_of,
        print_check,
        print_plan,
        read_runs,
    )

    console = wide_console()
    try:
        inputs = default_inputs(gpu)
        source = from_file or check_file
        if source is not None:
            found = measured_inputs(read_runs(source), source)
            if gpu != "none":
                del found["ms_perception"]  # measured without one
            inputs |= found
        groups = [name[len("gpu_rate_") :] for name in inputs if name.startswith("gpu_rate_")]
        steps = work_out(inputs, sessions, groups)
        compared: tuple[Compared, ...] = ()
        if check_file is not None:
            points = measured_of(read_runs(check_file))
            lines = lines_of(measured_of(read_runs(from_file))) if from_file else None
            compared = tuple(c for c in check(points, lines) if c.sessions > 0)
    except NotPlannable as error:
        raise InvalidInput(str(error)) from error
    print_plan(inputs, steps, sessions, gpu, console)
    if compared:
        how = f"by {from_file.name}" if from_file else "each from the others"
        print_check(compared, how, console)
    if json_file is not None:
        told = {
            "sessions": sessions,
            "gpu": gpu,
            "inputs": {name: asdict(figure) for name, figure in sorted(inputs.items())},
            "steps": [asdict(step) for step in steps],
            "check": [{**asdict(c), "relative_error": c.relative_error} for c in compared],
        }
        json_file.write_text(json.dumps(told, indent=2) + "\n")


def soak(
    hours: Annotated[float, typer.Option(min=0.05, max=11, help="For how long.")] = 1.0,
    sessions: Annotated[int, typer.Option(min=1, max=200, help="How many at once.")] = 10,
    event_every_s: Annotated[
        float, typer.Option(min=18, help="How often each of them misbehaves, on average.")
    ] = 60,
    people: Annotated[int, typer.Option(min=1, max=12, help="How many different people.")] = 4,
    seed: Annotated[int, typer.Option(help="Of who comes and goes when.")] = 0,
    json_file: JsonFile = None,
    media: Media = None,
) -> None:
    """Candidates join, lose their connection, come back and leave for hours; memory and files are watched.

    After a fifth of the time the memory of each kind of process must not grow by 1 % an hour, nor may its
    open files rise; a growth within twice its own error is noise. Exits 1 when a limit is passed.
    """
    from bench.soak import run_soak
    from bench.soak_report import SoakAsked, print_soak, soak_figures
    from deployments.launcher import Cluster

    console = wide_console()

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    end_in_order()
    asked = SoakAsked(hours=hours, sessions=sessions, event_every_s=event_every_s, seed=seed)
    with own_home(read_settings()) as settings:
        footage, _ = ready(settings, console, say, media, event_every_s, people, ())
        say("starting a product of its own")
        with Cluster.start(settings, say) as cluster:
            product = product_of(cluster, timedelta(hours=hours + 0.5))
            samples, churned = asyncio.run(run_soak(product, footage, asked, say))
    try:
        found = soak_figures(samples, churned, asked)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    print_soak(found, console)
    if json_file is not None:
        json_file.write_text(found.model_dump_json(indent=2) + "\n")
    raise typer.Exit(0 if found.holds else 1)
