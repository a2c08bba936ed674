"""`proctor bench jobs`: does Ray Data cost more than it may? Exit 1 when it does."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.demo import end_in_order, wide_console
from deployments.cli.errors import EXIT_FAILED, read_settings
from deployments.cli.jobs import fetched
from proctor.domain.errors import InvalidInput


def throughput(
    media: Annotated[
        Path,
        typer.Option(envvar="PROCTOR_MEDIA", exists=True, file_okay=False, help="Any pictures."),
    ],
    frames: Annotated[
        int, typer.Option(min=8, help="Pictures of a round; some may come twice.")
    ] = 1200,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many work at a time; default: the cores.")
    ] = None,
    block: Annotated[int, typer.Option(min=1, help="Pictures of one block.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="Of each, one after the other.")] = 3,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
    ] = None,
) -> None:
    """Frames per second of the evaluation job against the bare model loop, from the same run."""
    from deployments.ray_client import connected
    from jobs.evaluate import EvaluateSpec, every_picture
    from jobs.throughput import WORTH, as_json, measure, table

    console = wide_console()
    settings = read_settings()
    folder = media.resolve()
    names = [item.partition(":")[2] for item in every_picture(folder)]
    if not names:
        raise InvalidInput(f"{media} holds no pictures")
    names = (names * -(-frames // len(names)))[:frames]
    fetched(settings, settings.pack, settings.models)
    workers = processes or os.cpu_count() or 1
    spec = EvaluateSpec(str(folder), settings.pack, settings.models)
    end_in_order()
    with connected(settings, None):
        found = measure(
            spec,
            names,
            workers,
            block,
            rounds,
            lambda step: Console(stderr=True).print(f"  · {step}"),
        )
    console.print(table(found))
    console.print(
        f"{found.frames} pictures a round, {found.processes} processes, load {found.load_average}"
    )
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(found), indent=2) + "\n", encoding="utf-8")
    if not found.is_enough:
        console.print(f"the job reaches {found.ratio:.1%}; it must reach {WORTH:.0%}", style="red")
        raise typer.Exit(EXIT_FAILED)
