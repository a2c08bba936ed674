"""`proctor models`: fetch, list and verify the model files, show their licences, measure them."""

import asyncio
import getpass
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deployments.cli.errors import read_settings
from deployments.cli.model_tables import (
    licences_table,
    model_rows,
    models_table,
    one_line_on_failure,
    progress_bars,
)
from deployments.cli.triton import export_triton
from models.catalogue import Catalogue, FileState, default_dir, match_calibration
from models.errors import ModelFileError
from models.selection import Selection, select
from proctor.adapters.clock import SystemClock

if TYPE_CHECKING:
    from models.in_process import InProcessPerception

app = typer.Typer(no_args_is_help=True, help="Model files: fetch, list, verify, licences, measure.")

LIST_WIDTH = 200

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Packs, models or files; default: what the settings choose."),
]


@app.command()
def fetch(
    names: Names = None,
    mirror: Annotated[
        str | None, typer.Option(help="Folder or address asked first (PROCTOR_MODELS_MIRROR).")
    ] = None,
    accept_licence: Annotated[
        list[str] | None,
        typer.Option(help="Accept terms by their name, for this folder; may be repeated."),
    ] = None,
) -> None:
    """Fetch and verify files; those that are there already are left alone.

    Terms that ask for it must be accepted by name; who accepted and when is kept beside the files.
    """
    console = Console(stderr=True)
    with one_line_on_failure(console):
        catalogue = _catalogue(mirror)
        for licence in accept_licence or ():
            catalogue.accept(licence, by=_account(), at=SystemClock().now())
            console.print(f"accepted: {licence}", highlight=False)
        with progress_bars(console) as progress:
            paths = catalogue.fetch(_wanted(names), progress)
    console.print(f"{len(paths)} files verified in {catalogue.models_dir}", highlight=False)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="ID", help="The file, as the manifest calls it.")],
    path: Annotated[Path, typer.Argument(help="Where it lies now; it is copied.")],
    accept_licence: Annotated[
        list[str] | None,
        typer.Option(help="Accept terms by their name, for this folder; may be repeated."),
    ] = None,
) -> None:
    """Take in a file that only you can bring; its digest is recorded and checked from then on.

    What will read it opens it first: a file of another kind is refused, and nothing is kept.
    """
    from models.trial import opened  # OpenCV and the runtimes come with it: not for every command

    with one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        for licence in accept_licence or ():
            catalogue.accept(licence, by=_account(), at=SystemClock().now())
        placed = catalogue.add(name, path, at=SystemClock().now(), trial=opened)
    Console().print(f"{name} is in {placed}", highlight=False, soft_wrap=True)


@app.command("list")
def list_models(
    names: Names = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, for programs.")] = False,
) -> None:
    """Show every model: terms, size, what was measured, whether it is installed; all by default."""
    with one_line_on_failure(Console(stderr=True)):
        rows = model_rows(_catalogue(None), names)
    if as_json:
        typer.echo(json.dumps([asdict(row) | {"installed": row.installed} for row in rows]))
        return
    (Console() if Console().is_terminal else Console(width=LIST_WIDTH)).print(models_table(rows))


@app.command()
def verify(names: Names = None) -> None:
    """Check digests; exits 2 unless every file is there and unaltered."""
    with one_line_on_failure(Console(stderr=True)):
        states = _catalogue(None).verify(_wanted(names))
        wrong = [f"{name} {state}" for name, state in states.items() if state != FileState.PRESENT]
        if wrong:
            raise ModelFileError(f"{', '.join(wrong)}: run `proctor models fetch`")
    Console().print(f"{len(states)} files are what the manifest names", highlight=False)


@app.command()
def licences(names: Names = None) -> None:
    """Show under what terms each file may be used, who is to be named, and what was accepted."""
    with one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        files = catalogue.files(names or list(catalogue.manifest.packs))
        table = licences_table(files, catalogue)
    Console().print(table)


Json = Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")]


@app.command()
def accuracy(
    folder: Annotated[
        Path, typer.Argument(help="One folder of pictures per person, such as LFW.", exists=True)
    ],
    json_file: Json = None,
) -> None:
    """Measure how often the wrong person matches and the right one does not."""
    from bench import accuracy_verification  # OpenCV comes with it: not for every command

    with one_line_on_failure(Console(stderr=True)), _loaded(frozenset({"face"}), 2) as models:
        people = asyncio.run(accuracy_verification.read_people(models, folder))
        _, calibration = match_calibration(_selection(), _catalogue(None))
    first, second = accuracy_verification.halves(people.embeddings)
    named = (("all", people.embeddings), ("one half", first), ("the other half", second))
    rates = [(name, accuracy_verification.measure(each, calibration)) for name, each in named]
    Console().print(accuracy_verification.table(rates, people))
    _write(json_file, accuracy_verification.as_json(rates, people))


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="An embedding model, as the manifest calls it.")],
    folder: Annotated[
        Path, typer.Argument(help="One folder of pictures per person, such as LFW.", exists=True)
    ],
    json_file: Json = None,
) -> None:
    """Fit how an embedding model's distances are read, and keep it for a model that you brought."""
    from deployments.cli.calibration import calibrate_on, show

    with one_line_on_failure(Console(stderr=True)):
        now = SystemClock().now()
        shown, figures = calibrate_on(model, folder, _catalogue(None), read_settings(), now)
    show(Console(), shown)
    _write(json_file, figures)


@app.command()
def cost(json_file: Json = None) -> None:
    """Measure what one call of each model group costs."""
    from bench import models_cost

    with one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        catalogue.fetch(["demo"])
        picture, sound = catalogue.read("astronaut"), catalogue.read("speech-sample")
        with _loaded(frozenset({"face", "body", "speech"}), 1) as models:
            costs = asyncio.run(models_cost.measure_costs(models, picture, sound))
    Console().print(models_cost.table(costs))
    _write(json_file, models_cost.as_json(costs))


app.command("export-triton")(export_triton)


def _loaded(groups: frozenset[str], threads: int) -> "InProcessPerception":
    from models.in_process import InProcessPerception

    return InProcessPerception(_catalogue(None).models_dir, groups, _selection(), threads=threads)


def _selection() -> Selection:
    settings = read_settings()
    return select(settings.pack, settings.models)


def _wanted(names: Sequence[str] | None) -> Sequence[str]:
    """What was named, else every file of the models that the settings choose."""
    return names or _selection().files()


def _account() -> str:
    """Who runs this, for the record of an acceptance; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _write(path: Path | None, figures: object) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _catalogue(mirror: str | None) -> Catalogue:
    settings = read_settings()
    folder: Path = default_dir(settings.home, settings.models_dir)
    return Catalogue(folder, mirror or settings.models_mirror)
