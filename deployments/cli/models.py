"""`proctor models`: fetch, list and verify the model files, show their licences, measure them."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from deployments.cli.errors import read_settings
from models.catalogue import Catalogue, FileState, default_dir, match_calibration
from models.errors import ModelFileError
from models.selection import DEFAULT_PACK, Selection, select
from models.sources import Progress

if TYPE_CHECKING:
    from models.in_process import InProcessPerception

app = typer.Typer(no_args_is_help=True, help="Model files: fetch, list, verify, licences, measure.")

EXIT_UNUSABLE = 2
COLOURS = {FileState.PRESENT: "green", FileState.MISSING: "yellow", FileState.ALTERED: "red"}

Names = Annotated[
    list[str] | None, typer.Argument(help=f"Packs or files; default: {DEFAULT_PACK}.")
]


@app.command()
def fetch(
    names: Names = None,
    mirror: Annotated[
        str | None, typer.Option(help="Folder or address asked first (PROCTOR_MODELS_MIRROR).")
    ] = None,
) -> None:
    """Fetch and verify files; those that are there already are left alone."""
    console = Console(stderr=True)
    with _one_line_on_failure(console), progress_bars(console) as progress:
        catalogue = _catalogue(mirror)
        paths = catalogue.fetch(names or [DEFAULT_PACK], progress)
    console.print(f"{len(paths)} files verified in {catalogue.models_dir}", highlight=False)


@app.command("list")
def list_files(names: Names = None) -> None:
    """Show files with their task, size and state on disk; all of them by default."""
    console = Console()
    with _one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        states = catalogue.verify(names or list(catalogue.manifest.packs))
        table = Table("file", "version", "task", "runtime", "MB", "state")
        for file in catalogue.files(list(states)):
            state = states[file.id]
            table.add_row(
                file.id,
                file.version,
                file.task,
                file.runtime,
                "" if file.bytes is None else f"{file.bytes / 1e6:.1f}",
                f"[{COLOURS[state]}]{state}",
            )
    console.print(table)


@app.command()
def verify(names: Names = None) -> None:
    """Check digests; exits 2 unless every file is there and unaltered."""
    with _one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        states = catalogue.verify(names or [DEFAULT_PACK])
        wrong = [f"{name} {state}" for name, state in states.items() if state != FileState.PRESENT]
        if wrong:
            raise ModelFileError(f"{', '.join(wrong)}: run `proctor models fetch`")
    Console().print(f"{len(states)} files are what the manifest names", highlight=False)


@app.command()
def licences(names: Names = None) -> None:
    """Show under what terms each file may be used, and who is to be named."""
    with _one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        table = Table("file", "licence", "commercial use", "attribution")
        for file in catalogue.files(names or list(catalogue.manifest.packs)):
            allowed = "[green]yes" if file.licence.commercial_use else "[red]no"
            table.add_row(file.id, file.licence.name, allowed, file.licence.attribution)
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

    with _one_line_on_failure(Console(stderr=True)), _loaded(frozenset({"face"}), 2) as models:
        people = asyncio.run(accuracy_verification.read_people(models, folder))
        _, calibration = match_calibration(_selection(), _catalogue(None))
    first, second = accuracy_verification.halves(people.embeddings)
    named = (("all", people.embeddings), ("one half", first), ("the other half", second))
    rates = [(name, accuracy_verification.measure(each, calibration)) for name, each in named]
    Console().print(accuracy_verification.table(rates, people))
    _write(json_file, accuracy_verification.as_json(rates, people))


@app.command()
def cost(json_file: Json = None) -> None:
    """Measure what one call of each model group costs."""
    from bench import models_cost

    with _one_line_on_failure(Console(stderr=True)):
        catalogue = _catalogue(None)
        catalogue.fetch(["demo"])
        picture, sound = catalogue.read("astronaut"), catalogue.read("speech-sample")
        with _loaded(frozenset({"face", "body", "speech"}), 1) as models:
            costs = asyncio.run(models_cost.measure_costs(models, picture, sound))
    Console().print(models_cost.table(costs))
    _write(json_file, models_cost.as_json(costs))


def _loaded(groups: frozenset[str], threads: int) -> "InProcessPerception":
    from models.in_process import InProcessPerception

    return InProcessPerception(_catalogue(None).models_dir, groups, _selection(), threads=threads)


def _selection() -> Selection:
    settings = read_settings()
    return select(settings.pack, settings.models)


def _write(path: Path | None, figures: object) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """A bar per download, for `Catalogue.fetch` and `ensure`."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield report


@contextmanager
def _one_line_on_failure(console: Console) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        console.print(
            f"proctor models: {error.detail}", style="red", highlight=False, soft_wrap=True
        )
        raise typer.Exit(EXIT_UNUSABLE) from error


def _catalogue(mirror: str | None) -> Catalogue:
    settings = read_settings()
    folder: Path = default_dir(settings.home, settings.models_dir)
    return Catalogue(folder, mirror or settings.models_mirror)
