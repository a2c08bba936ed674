"""`proctor jobs`: Ray Data over what is stored. Bad input is one line and exit 2; bad items are rows."""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deployments.cli.errors import read_settings
from deployments.cli.model_tables import one_line_on_failure, progress_bars
from deployments.cli.replay import checked_policy, keys_of
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import TenantId

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.pipeline import Advance, Order
    from jobs.run_folder import RunFolder
    from models.selection import Selection
    from proctor.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Work over what is stored, with Ray Data; a run that was killed goes on where it was.",
)

Run = Annotated[
    Path,
    typer.Option(file_okay=False, help="The run's folder: finished blocks, then result.parquet."),
]
Tenant = Annotated[str, typer.Option(help="Whose data.")]
Address = Annotated[
    str | None,
    typer.Option(help="host:port of the Ray cluster to work on; default: a private Ray, here."),
]
Actors = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="How many work at a time; default: one per core."),
]
Json = Annotated[bool, typer.Option("--json", help="The summary as JSON.")]
Pack = Annotated[
    str | None, typer.Option(help="Which models; default: the settings' (PROCTOR_PACK).")
]


def block_option(default: int) -> int:
    """How many items are finished, or lost, together."""
    option: int = typer.Option(
        default, "--block", min=1, max=100_000, help="Items that are finished together."
    )
    return option


@app.command()
def rescore(
    run: Run,
    exam: Annotated[str | None, typer.Option(help="Every recorded session of this exam.")] = None,
    session: Annotated[str | None, typer.Option(help="This session.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Judge by this policy; default: their own."),
    ] = None,
    tenant: Tenant = "default",
    address: Address = None,
    actors: Actors = None,
    block: int = block_option(4),
    as_json: Json = False,
) -> None:
    """Judge recorded sessions again, from their observations; another model needs pixels: see evaluate."""
    if (session is None) == (exam is None):
        raise InvalidInput("name a session, or an exam with --exam")
    check(address)
    from jobs.rescore import RescoreSpec, rescore_order, summary

    settings = read_settings()
    text = None if policy is None else checked_policy(policy)
    keys = asyncio.run(keys_of(TenantId(tenant), session, exam))
    items = sorted(f"{key.exam_id}/{key.session_id}" for key in keys)
    parameters = {
        "tenant": tenant,
        "policy_sha256": "own" if text is None else hashlib.sha256(text.encode()).hexdigest(),
    }
    order = rescore_order(RescoreSpec(tenant, text))
    rows, result = work(settings, run, "rescore", parameters, items, order, address, actors, block)
    tell(summary(rows), result, as_json)


@app.command()
def evaluate(
    run: Run,
    media: Annotated[
        Path,
        typer.Option(
            envvar="PROCTOR_MEDIA",
            exists=True,
            file_okay=False,
            help="Pictures; labels where known.",
        ),
    ],
    pack: Pack = None,
    people: Annotated[
        int | None, typer.Option(min=2, help="Only so many people of images/lfw: faster.")
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Every picture below the folder, without labels.")
    ] = False,
    address: Address = None,
    actors: Actors = None,
    block: int = block_option(32),
    as_json: Json = False,
) -> None:
    """What the models read of every picture of a folder; figures as of `proctor bench accuracy`."""
    check(address)
    from bench.accuracy.media import Media
    from jobs.evaluate import (
        EvaluateSpec,
        evaluate_order,
        every_picture,
        figures_of,
        labelled,
        stamps,
    )
    from jobs.evaluate import (
        as_json as told,
    )
    from jobs.run_folder import digest_of

    settings = read_settings()
    name = pack or settings.pack
    folder = Media(media.resolve())
    items = every_picture(folder.root) if unlabelled else labelled(folder, people)
    if not items:
        raise InvalidInput(f"{media} holds no {'' if unlabelled else 'labelled '}pictures")
    digests = fetched(settings, name, settings.models)
    parameters = {"models": digests, "files": digest_of(stamps(folder.root, items))}
    order = evaluate_order(EvaluateSpec(str(folder.root), name, settings.models))
    rows, result = work(settings, run, "evaluate", parameters, items, order, address, actors, block)
    failed = rows["outcome"].to_pylist().count("failed")
    figures = {} if unlabelled else told(figures_of(folder, rows, people))
    tell({"items": len(rows), "failed": failed, "figures": figures}, result, as_json)


@app.command()
def reembed(
    run: Run,
    model: Annotated[str, typer.Option(help="The new face embedding model, by its name.")],
    pictures: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, exists=True, help="FOLDER/CANDIDATE_ID/*.jpg, three or more each."
        ),
    ] = None,
    tenant: Tenant = "default",
    address: Address = None,
    actors: Actors = None,
    block: int = block_option(8),
    as_json: Json = False,
) -> None:
    """Make templates of enrolled faces for another model, from pictures that you supply."""
    check(address)
    from jobs.reembed import ReembedSpec, candidates_in, reembed_order, summary

    if pictures is None:
        raise InvalidInput(
            "no picture of an enrolment is kept, and a template of one model says nothing to another: "
            "supply pictures with --pictures FOLDER, in a folder per candidate id"
        )
    settings = read_settings()
    items = candidates_in(pictures)
    if model == settings.models.get("face_embedding"):
        raise InvalidInput(f"{model} is the model in use already")
    new = {**settings.models, "face_embedding": model}
    parameters = {
        "tenant": tenant,
        "pictures": str(pictures.resolve()),
        "old": fetched(settings, settings.pack, settings.models),
        "new": fetched(settings, settings.pack, new, calibrated=True),
    }
    if parameters["old"] == parameters["new"]:
        raise InvalidInput(f"{model} is the model in use already")
    order = reembed_order(
        ReembedSpec(tenant, str(pictures.resolve()), settings.pack, settings.models, model)
    )
    rows, result = work(settings, run, "reembed", parameters, items, order, address, actors, block)
    tell(summary(rows), result, as_json)


def check(address: str | None) -> None:
    """Raises `InvalidInput` for an address that names no cluster."""
    from deployments.ray_client import check_address

    if address is not None:
        check_address(address)


def fetched(
    settings: "Settings", pack: str, instead: dict[str, str], *, calibrated: bool = False
) -> str:
    """Have the face group's files here; the digest of all of them. Exits 2 when one cannot be had."""
    from jobs.run_folder import digest_of
    from models.catalogue import Catalogue, default_dir, match_calibration
    from models.selection import select

    with one_line_on_failure(Console(stderr=True)):
        selection = select(pack, instead)
        catalogue = Catalogue(
            default_dir(settings.home, settings.models_dir), settings.models_mirror
        )
        with progress_bars(Console(stderr=True)) as bars:
            catalogue.fetch(face_files(selection), bars)
        if calibrated:
            match_calibration(selection, catalogue)
        return digest_of([catalogue.producer(name).digest for name in face_files(selection)])


def face_files(selection: "Selection") -> list[str]:
    """The files of the models that look at faces."""
    from models.selection import GROUP_TASKS

    chosen = [selection.model(task) for task in GROUP_TASKS["face"]]
    return sorted({name for model in chosen if model is not None for name in model.files})


def work(
    settings: "Settings",
    folder: Path,
    job: str,
    parameters: dict[str, str],
    items: Sequence[str],
    order: "Order",
    address: str | None,
    actors: int | None,
    block: int,
) -> "tuple[pa.Table, Path]":
    """Begin or go on with a run; its rows and where they are. Ray starts only for work that is left."""
    from jobs.run_folder import RunFolder

    with RunFolder.open(folder, job, parameters, items, block) as run:
        if run.blocks_left():
            _work(settings, run, order, address, actors)
        return run.finish(), run.result


def _work(
    settings: "Settings",
    run: "RunFolder",
    order: "Order",
    address: str | None,
    actors: int | None,
) -> None:
    from deployments.cli.demo import end_in_order
    from deployments.ray_client import connected
    from jobs.pipeline import run as work_through

    end_in_order()
    with connected(settings, address) as cores, shown() as advance:
        work_through(run, order, actors or cores, advance)


@contextmanager
def shown() -> "Iterator[Advance]":
    """A bar on stderr that counts finished items."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("items", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def tell(summary: "dict[str, object] | dict[str, int]", result: Path, as_json: bool) -> None:
    """The summary, and where the rows are."""
    if as_json:
        typer.echo(json.dumps({**summary, "result": str(result)}))
        return
    for name, value in summary.items():
        if isinstance(value, dict):
            for key, found in value.items():
                typer.echo(f"{key}: {_figure(found)}")
        else:
            typer.echo(f"{name}: {value}")
    typer.echo(f"rows: {result}")


def _figure(found: object) -> str:
    return f"{found['value']:.4g}" if isinstance(found, dict) else "not measured"
