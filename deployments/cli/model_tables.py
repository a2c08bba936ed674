"""What `proctor models` shows: a row per model, the terms of every file, a bar per download."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from deployments.cli.errors import EXIT_UNUSABLE
from models.catalogue import Catalogue, FileState
from models.errors import ModelFileError
from models.manifest import ModelFile
from models.sources import Progress

SHORT_DIGEST = 12
COLOURS = {FileState.PRESENT: "green", FileState.MISSING: "yellow", FileState.ALTERED: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model that can be chosen, or a file that no model needs (a picture, a recording).

    Attributes:
        task: What it is for.
        model: Its name; what a setting or a pack chooses.
        title: What it is, for people.
        packs: Packs that choose it.
        files: Ids of its files.
        version: Of its files.
        licence: Terms of its files.
        commercial_use: Whether all of them allow it.
        accept: Terms that must be accepted by name.
        accepted: Whether they were, in this folder.
        sha256: Of each file; None for one that an operator has still to bring.
        bytes: Of all files together; None when one is not known.
        accuracy: What was measured; the first line is the most telling.
        cost: What one call costs, as measured.
        state: Of the worst file: `present`, `missing` or `altered`.
    """

    task: str
    model: str
    title: str
    packs: tuple[str, ...]
    files: tuple[str, ...]
    version: str
    licence: str
    commercial_use: bool
    accept: tuple[str, ...]
    accepted: bool
    sha256: tuple[str | None, ...]
    bytes: int | None
    accuracy: tuple[str, ...]
    cost: str
    state: FileState

    @property
    def installed(self) -> bool:
        """Whether it can be used as it is."""
        return self.state is FileState.PRESENT and self.accepted


def model_rows(catalogue: Catalogue, names: Sequence[str] | None) -> list[ModelRow]:
    """The models of packs, models and files by name; all of them by default.

    Raises:
        ModelFileError: A name is no pack, model or file.
    """
    manifest = catalogue.manifest
    files = {file.id: file for file in catalogue.files(names or list(manifest.packs))}
    wanted = {
        name
        for name, model in manifest.models.items()
        if names is None or any(_is_meant(catalogue, name, model.files, each) for each in names)
    }
    files |= {file.id: file for name in wanted for file in catalogue.files([name])}
    rows = [
        _row(
            catalogue,
            task=model.task,
            name=name,
            title=model.title,
            files=[files[file] for file in model.files],
            accuracy=model.accuracy,
            cost=model.cost,
        )
        for name, model in manifest.models.items()
        if name in wanted
    ]
    used = {file for model in manifest.models.values() for file in model.files}
    rows += [
        _row(catalogue, task=file.task, name=file.id, title=file.licence.attribution, files=[file])
        for file in files.values()
        if file.id not in used
    ]
    return rows


def _is_meant(catalogue: Catalogue, model: str, files: Sequence[str], name: str) -> bool:
    """Whether a pack, a model or a file of this name means the model."""
    if name in catalogue.manifest.packs:
        return model in catalogue.manifest.packs[name].models.values()
    return name == model or (name not in catalogue.manifest.models and name in files)


def _row(
    catalogue: Catalogue,
    *,
    task: str,
    name: str,
    title: str,
    files: Sequence[ModelFile],
    accuracy: tuple[str, ...] = (),
    cost: str = "",
) -> ModelRow:
    records = catalogue.records
    accept = tuple(dict.fromkeys(f.licence.accept for f in files if f.licence.accept))
    brought = [records.brought.get(file.id) for file in files]
    sizes = [
        file.bytes if file.bytes is not None else (own.bytes if own else None)
        for file, own in zip(files, brought, strict=True)
    ]
    states = {catalogue.state(file) for file in files}
    packs = catalogue.manifest.packs
    return ModelRow(
        task=task,
        model=name,
        title=title,
        packs=tuple(p for p, each in packs.items() if name in (*each.models.values(), *each.files)),
        files=tuple(file.id for file in files),
        version=", ".join(dict.fromkeys(file.version for file in files)),
        licence=", ".join(dict.fromkeys(file.licence.name for file in files)),
        commercial_use=all(file.licence.commercial_use for file in files),
        accept=accept,
        accepted=all(terms in records.accepted for terms in accept),
        sha256=tuple(
            file.sha256 or (own.sha256 if own else None)
            for file, own in zip(files, brought, strict=True)
        ),
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        accuracy=accuracy or tuple(line for file in files for line in file.accuracy),
        cost=cost or "; ".join(file.cost for file in files if file.cost),
        state=next(
            (s for s in (FileState.ALTERED, FileState.MISSING) if s in states), FileState.PRESENT
        ),
    )


def models_table(rows: Sequence[ModelRow]) -> Table:
    """The rows as people read them; the first line of what was measured."""
    table = Table(
        "task", "model", "packs", "version", "licence", "commercial", "digest", "MB",
        "installed", "measured", "cost",
    )  # fmt: skip
    for row in rows:
        state = "terms not accepted" if row.accept and not row.accepted else str(row.state)
        if not row.files:
            state = "needs no file"
        table.add_row(
            row.task,
            row.model,
            ", ".join(row.packs),
            row.version,
            row.licence,
            "[green]yes" if row.commercial_use else "[red]no",
            "\n".join((digest or "brought")[:SHORT_DIGEST] for digest in row.sha256),
            "" if row.bytes is None else f"{row.bytes / 1e6:.1f}",
            f"[{COLOURS[row.state] if row.accepted else 'red'}]{state}",
            next(iter(row.accuracy), "not measured"),
            row.cost or "not measured",
        )
    return table


def licences_table(files: Sequence[ModelFile], catalogue: Catalogue) -> Table:
    """Under what terms each file may be used, who is to be named, and what was accepted when."""
    accepted = catalogue.records.accepted
    table = Table("file", "licence", "commercial use", "attribution", "accepted")
    for file in files:
        terms = file.licence
        record = accepted.get(terms.accept) if terms.accept else None
        told = (
            f"by {record.by}, {record.at:%Y-%m-%d %H:%M} UTC" if record else f"no: {terms.accept}"
        )
        table.add_row(
            file.id,
            terms.name,
            "[green]yes" if terms.commercial_use else "[red]no",
            terms.attribution,
            told if terms.accept else "needs no acceptance",
        )
    return table


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
def one_line_on_failure(console: Console) -> Iterator[None]:
    """What is wrong with a model file is one line and exit 2: who runs the command can mend it."""
    try:
        yield
    except ModelFileError as error:
        console.print(
            f"proctor models: {error.detail}",
            style="red",
            highlight=False,
            markup=False,  # a path or a shape may hold brackets
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_UNUSABLE) from error
