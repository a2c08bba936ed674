"""`proctor bench`: how right the models are; what a running product takes, and how fast it is.

Load and idle start a product of their own; accuracy needs none.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.bench_delivery import delivery
from deployments.cli.bench_jobs import throughput
from deployments.cli.bench_load import load
from deployments.cli.bench_plan import plan, soak
from deployments.cli.demo import (
    Media,
    end_in_order,
    fetch_models,
    find_media,
    own_home,
    wide_console,
)
from deployments.cli.errors import read_settings
from deployments.cli.model_tables import one_line_on_failure, progress_bars
from models.catalogue import Catalogue, default_dir
from models.selection import select
from proctor.adapters.clock import SystemClock
from proctor.domain.errors import InvalidInput


class Part(StrEnum):
    """A part of the accuracy command, as its JSON calls it."""

    VERIFICATION = "verification"
    DETECTION = "detection"
    HEAD_POSE = "head_pose"
    GAZE = "gaze"
    VAD = "vad"
    SPEAKERS = "speakers"
    LIVENESS = "liveness"
    COST = "cost_cpu_ms"


app = typer.Typer(no_args_is_help=True, help="Measure: accuracy, load, delay, memory.")
app.command()(load)
app.command()(plan)
app.command()(soak)
app.command()(delivery)
app.command("jobs")(throughput)


@app.command()
def idle(
    seconds: Annotated[float, typer.Option(min=1, help="Over how long.")] = 30,
    settle_seconds: Annotated[float, typer.Option(min=0, help="Rest after the start.")] = 20,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
    ] = None,
) -> None:
    """Memory and CPU of a product of its own while nobody is there."""
    import time

    from bench.idle import measure_idle, print_idle
    from deployments.launcher import Cluster

    console = wide_console()
    end_in_order()
    with own_home(read_settings()) as settings:
        fetch_models(settings, console)
        with Cluster.start(settings) as cluster:
            time.sleep(settle_seconds)
            found = measure_idle(cluster.processes, seconds)
    print_idle(found, console)
    if json_file is not None:
        json_file.write_text(found.model_dump_json(indent=2) + "\n")


@app.command()
def scaling(
    callers: Annotated[
        int, typer.Option(min=1, max=50, help="Session hosts that ask all the time.")
    ] = 3,
    builtin: Annotated[
        bool, typer.Option(help="Serve's own policy and windows, for comparison.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
    ] = None,
) -> None:
    """Seconds from load to the decision for a second replica, and until that serves."""
    from deployments.scaling_run import measure

    console = wide_console()
    end_in_order()
    with one_line_on_failure(Console(stderr=True)), own_home(read_settings()) as settings:
        fetch_models(settings, console)
        found = measure(settings.resolved(), callers, builtin)
    console.print(
        f"{found.policy}: decided after {found.decided_s:.1f} s, serving after {found.serving_s:.1f} s "
        f"({found.start_cpu_s:g} s of a core); "
        f"{found.calls_before:g} calls a second before, {found.calls_after:g} after; "
        f"load average {found.load_average:g}",
        highlight=False,
    )
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")


@app.command()
def networks(
    batches: Annotated[str, typer.Option(help="Items of one run.")] = "1,4,8,16,32",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures here.")
    ] = None,
) -> None:
    """Items per second of each network at several batch sizes, on one core (GPU: bench.gpu)."""
    from bench import batches as measuring

    asked = ["--batches", batches, *(["--json", str(json_file)] if json_file else [])]
    raise typer.Exit(measuring.main(asked))


@app.command()
def network(
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Sessions of each case.")] = 10,
    cases: Annotated[
        str | None, typer.Option(help="Only these, such as loss-20,cut-60; default: all.")
    ] = None,
    browsers: Annotated[
        int, typer.Option(min=0, help="How many of each case's sessions a real Chromium plays.")
    ] = 1,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Candidates at the same time.")] = 8,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the table here, too.")
    ] = None,
    media: Media = None,
) -> None:
    """Bad lines: loss, jitter, cuts, a changed address, TURN; in network namespaces. Needs root.

    Exits 1 when an alert was lost, somebody was accused by the network, or blindness or the return was
    told too late too often.
    """
    from bench.network.cases import CASES, cases_named
    from bench.network.lab import Lab
    from bench.network.matrix import jobs_of, load_average
    from bench.network.report import as_markdown, figures, print_figures
    from deployments.bad_lines import play_jobs

    console = wide_console()

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    end_in_order()
    chosen = cases_named(cases or ",".join(CASES))
    jobs = jobs_of(chosen, seeds, browsers)
    before = load_average()
    with own_home(read_settings()) as settings, Lab() as lab:
        files = fetch_models(settings, console)
        outcomes = play_jobs(settings, lab, jobs, at_once, files, find_media(media), say)
    found = figures(outcomes, (before, load_average()))
    print_figures(found, console)
    if json_file is not None:
        json_file.write_text(found.model_dump_json(indent=2) + "\n")
    if markdown is not None:
        markdown.write_text(as_markdown(found))
    for problem in found.problems:
        console.print(f"[red]{problem}", highlight=False)
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def accuracy(
    media: Annotated[
        Path,
        typer.Option(
            envvar="PROCTOR_MEDIA",
            exists=True,
            file_okay=False,
            help="Labelled pictures, clips and sound: images/, video/, audio/, labels/.",
        ),
    ],
    pack: Annotated[
        str | None, typer.Option(help="Which models; default: the settings' (PROCTOR_PACK).")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Put the pack's section into this page, too."),
    ] = None,
    people: Annotated[
        int | None, typer.Option(min=2, help="Only so many people of images/lfw: faster.")
    ] = None,
    only: Annotated[
        list[Part] | None, typer.Option(help="Only this part; may be repeated.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="How many cores to use.")] = 2,
) -> None:
    """How right the models of a pack are on labelled media, with 95 % intervals, and what they cost.

    Thresholds are the manifest's. What has no labels or no weights stays empty, and is told in a line.
    """
    from bench.accuracy.figures import as_json, as_markdown, on_page, table
    from deployments.accuracy import loadable, measure_accuracy

    console = wide_console()
    settings = read_settings()

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    with one_line_on_failure(Console(stderr=True)):
        name = pack or settings.pack
        selection = select(name, settings.models)
        folder = default_dir(settings.home, settings.models_dir)
        catalogue = Catalogue(folder, settings.models_mirror)
        with progress_bars(console) as progress:
            chosen = loadable(selection, catalogue, progress)
        report = asyncio.run(
            measure_accuracy(
                media,
                catalogue,
                chosen,
                selection,
                _named(name, settings.models),
                SystemClock().now().date(),
                people=people,
                only=only or (),
                threads=threads,
                say=say,
            )
        )
    console.print(table(report))
    for remark in report.remarks:
        console.print(f"not measured: {remark}", style="yellow", highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    if markdown is not None:
        page = markdown.read_text(encoding="utf-8") if markdown.exists() else ""
        markdown.write_text(on_page(page, as_markdown(report)), encoding="utf-8")


def _named(pack: str, instead: Mapping[str, str]) -> str:
    """A pack and what the settings choose instead of its own models."""
    others = ", ".join(f"{task} {model}" for task, model in sorted(instead.items()))
    return f"{pack} with {others}" if others else pack


@app.command()
def speakers(
    model: Annotated[
        str, typer.Argument(help="A model for the task, as `proctor models list` says.")
    ],
    media: Annotated[
        Path,
        typer.Option(
            envvar="PROCTOR_MEDIA", exists=True, file_okay=False, help="Labelled sound, as above."
        ),
    ],
) -> None:
    """How well one model tells speakers apart: trials, and error rates of whole recordings."""
    from bench.accuracy.media import Media as Labelled
    from bench.speakers import report
    from models.readers import open_model

    settings = read_settings()
    with one_line_on_failure(Console(stderr=True)):
        selection = select(settings.pack, {"speakers": model})
        folder = default_dir(settings.home, settings.models_dir)
        catalogue = Catalogue(folder, settings.models_mirror)
        catalogue.fetch(["speaker-embedding", model])
        same_speaker = catalogue.threshold("speaker-embedding", "same_speaker")
        read = open_model(selection, catalogue, "speakers").read
    for line in report(read, Labelled(media), same_speaker):
        typer.echo(line)


@app.command()
def calibrate(
    media: Annotated[
        Path,
        typer.Option(
            envvar="PROCTOR_MEDIA", exists=True, file_okay=False, help="Labelled sound, as above."
        ),
    ],
    prior: Annotated[
        float, typer.Option(min=0.001, max=0.999, help="How much of an exam is speech.")
    ] = 0.04,
) -> None:
    """Fit how the voice detector's score is read as a probability; prints the manifest's lines."""
    from bench.accuracy.calibration import as_yaml, fit
    from bench.accuracy.media import Media as Labelled
    from bench.accuracy.voice import hear
    from deployments.accuracy import raw_voice

    console = Console(stderr=True)
    settings = read_settings()
    labelled = Labelled(media)
    with one_line_on_failure(console):
        folder = default_dir(settings.home, settings.models_dir)
        catalogue = Catalogue(folder, settings.models_mirror)
        selection = select(settings.pack, settings.models)
        heard = asyncio.run(hear(raw_voice(selection, catalogue), labelled))
    for remark in labelled.remarks:
        console.print(remark, style="yellow", highlight=False, soft_wrap=True)
    if not heard:
        raise InvalidInput(f"{media} holds no labelled recordings to fit on")
    try:
        found = fit(
            [p for each in heard for p in each.probability],
            [t for each in heard for t in each.true],
            prior,
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    data = f"{len(heard)} labelled recordings, {found.items} pieces of 32 ms"
    typer.echo(as_yaml(found, data, prior, SystemClock().now().date().isoformat()))
