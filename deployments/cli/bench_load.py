"""`proctor bench load`: candidates on a product of its own, at one number of them or at several."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deployments.cli.demo import (
    Media,
    end_in_order,
    fetch_models,
    find_media,
    own_home,
    wide_console,
)
from deployments.cli.errors import read_settings
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings

if TYPE_CHECKING:
    from bench.footage import Footage
    from bench.load import Asked, Product
    from bench.load_report import LoadFigures, LoadResult
    from deployments.launcher import Cluster
    from proctor.fusion.policy import Policy

MOST_SESSIONS = 500
JOINS_A_SECOND = 2.0
Say = Callable[[str], None]

JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here, too.")
]


def load(
    sessions: Annotated[
        int, typer.Option(min=1, max=MOST_SESSIONS, help="How many candidates at once.")
    ] = 25,
    seconds: Annotated[float, typer.Option(min=10, help="How long with all of them there.")] = 60,
    idle_seconds: Annotated[float, typer.Option(min=1, help="How long idle, before.")] = 20,
    join_over_s: Annotated[
        float | None,
        typer.Option(min=0, help="Over how long they join; default: two a second, 5 s at least."),
    ] = None,
    event_every_s: Annotated[
        float, typer.Option(min=18, help="How often each of them misbehaves, on average.")
    ] = 60,
    stock: Annotated[
        bool, typer.Option(help="Measure stock aiortc on the same footage first, for the ratio.")
    ] = True,
    stock_seconds: Annotated[float, typer.Option(min=5, help="How long, each of two times.")] = 20,
    sweep: Annotated[
        str | None,
        typer.Option(help="Several numbers of candidates instead, such as 1,10,25,50,100."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Draw the sweep's growth as PNG (needs matplotlib)."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Write a py-spy profile of the busiest process of each kind into this folder, one "
            "after another; costs processor time, so do not read the figures of the same run.",
        ),
    ] = None,
    people: Annotated[
        int, typer.Option(min=1, max=12, help="How many different people, where there is footage.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of the events' times.")] = 0,
    json_file: JsonFile = None,
    media: Media = None,
) -> None:
    """CPU per session-second of every process, memory, and the delay from event to alert.

    Candidates play encoded footage over real DTLS and SRTP from processes of their own, whose CPU is told
    apart. The footage is made of real pictures and recordings where PROCTOR_MEDIA has some, does not
    repeat within five minutes, and is encoded once into the user's cache folder.

    Exits 1 when a session did not join, or an expected alert was lost.
    """
    from bench.load import Asked
    from bench.sweep import SweepFigures, draw, print_sweep

    counts = _counts(sweep) if sweep is not None else [sessions]
    if plot is not None:
        if sweep is None:
            raise InvalidInput("--plot draws a sweep; name its numbers with --sweep 1,10,25")
        require_matplotlib()
    console = wide_console()

    def say(step: str) -> None:
        console.print(f"  · {step}", style="dim", highlight=False)

    end_in_order()
    found: list[LoadFigures] = []
    problems: set[str] = set()
    with own_home(read_settings()) as settings:
        footage, policy = ready(settings, console, say, media, event_every_s, people, (20,))
        baseline = _stock(footage, event_every_s, stock_seconds, say) if stock else (None, None)
        for count in counts:
            asked = Asked(
                sessions=count,
                seconds=seconds,
                idle_s=idle_seconds,
                join_over_s=max(5.0, count / JOINS_A_SECOND)
                if join_over_s is None
                else join_over_s,
                event_every_s=event_every_s,
                seed=seed,
            )
            result = _run(settings, footage, policy, asked, profile, say)
            found.append(_figures(result, footage, event_every_s, baseline))
            problems |= {one.problem for one in result.attended if one.problem}
            _show(found[-1], console)
    if sweep is None:
        if json_file is not None:
            json_file.write_text(found[0].model_dump_json(indent=2) + "\n")
    else:
        together = SweepFigures(runs=tuple(found))
        print_sweep(together, console)
        if json_file is not None:
            json_file.write_text(together.model_dump_json(indent=2) + "\n")
        if plot is not None:
            draw(together, plot)
    for problem in sorted(problems):
        console.print(f"[red]{problem}", highlight=False)
    failed = any(one.sessions_never_joined or one.lost_alerts for one in found)
    raise typer.Exit(1 if failed else 0)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or not all(1 <= count <= MOST_SESSIONS for count in counts):
        raise InvalidInput(f"--sweep takes numbers from 1 to {MOST_SESSIONS}, such as 1,10,25")
    return sorted(set(counts))


def require_matplotlib() -> None:
    """Raises `InvalidInput` with what to do when a plot cannot be drawn."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise InvalidInput(
            "--plot needs matplotlib, which the bench extra has: pip install -e .[bench]"
        )


def ready(
    settings: Settings,
    console: Console,
    say: Say,
    media: Path | None,
    event_every_s: float,
    people: int,
    also_ptime_ms: tuple[int, ...],
) -> "tuple[Footage, Policy]":
    """Models, footage and policy, fetched and encoded where they are not there yet."""
    from bench.footage import cache_folder, prepare, takes_for
    from bench.people import gather_people
    from proctor.fusion.policy import parse_policy

    portrait, speech = fetch_models(settings, console)
    takes = takes_for(event_every_s)
    who, speeches, source = gather_people(
        portrait, speech, find_media(media), people, takes, _looks_ahead(settings)
    )
    ptime_ms = settings.webrtc.audio_ptime_ms
    footage = prepare(
        who, speeches, source, ptime_ms, cache_folder(), say, also_ptime_ms=also_ptime_ms
    )
    say(f"footage: {source}")
    return footage, parse_policy((settings.policies_dir / "standard.yaml").read_text())


def _looks_ahead(settings: Settings) -> Callable[[bytes], bool]:
    """Whether somebody's eyes are near enough to the camera to be a session's baseline, with room."""
    from models.catalogue import Catalogue, default_dir
    from models.readers import open_group
    from models.selection import select
    from proctor.domain.perception import FaceAsk
    from proctor.sensing.limits import BaselineLimits

    catalogue = Catalogue(default_dir(settings.home, settings.models_dir))
    reader = open_group(select(settings.pack, settings.models), catalogue, "face")

    def looks_ahead(picture: bytes) -> bool:
        faces = reader.read(FaceAsk(picture=picture)).faces
        gaze = faces[0].gaze if faces else None
        return gaze is not None and abs(gaze.yaw_deg) <= BaselineLimits().within_deg / 2

    return looks_ahead


def product_of(cluster: "Cluster", lifetime: timedelta = timedelta(hours=1)) -> "Product":
    """A running product as the load generator sees it."""
    from bench.load import Product

    return Product(
        base_url=cluster.base_url,
        admin_token=cluster.mint("admin", lifetime=lifetime),
        proctor_token=cluster.mint("proctor", lifetime=lifetime),
        look=cluster.processes,
    )


def _stock(
    footage: "Footage", event_every_s: float, seconds: float, say: Say
) -> tuple[float | None, float | None]:
    from bench.stock import measure_stock

    return measure_stock(footage, event_every_s, seconds, say)


def _run(
    settings: Settings,
    footage: "Footage",
    policy: "Policy",
    asked: "Asked",
    profile: Path | None,
    say: Say,
) -> "LoadResult":
    from bench.load import run_load
    from bench.profile import profiler
    from deployments.launcher import Cluster

    say("starting a product of its own")
    with Cluster.start(settings, say) as cluster:
        product = product_of(cluster)
        beside = profiler(product.look, profile / str(asked.sessions), say) if profile else None
        return asyncio.run(run_load(product, footage, policy, asked, say, beside))


def _figures(
    result: "LoadResult",
    footage: "Footage",
    event_every_s: float,
    baseline: Sequence[float | None],
) -> "LoadFigures":
    from bench.footage import kbps_of
    from bench.load_report import Circumstances, figures

    about = Circumstances(
        stock_cpu_ms=baseline[0],
        stock_same_packets_cpu_ms=baseline[1],
        footage=footage.source,
        ptime_ms=footage.ptime_ms,
        event_every_s=event_every_s,
        cores=os.cpu_count() or 1,
        kbps_per_session=kbps_of(footage),
    )
    return figures(result, about)


def _show(found: "LoadFigures", console: Console) -> None:
    from bench.load_tables import print_figures

    print_figures(found, console)
