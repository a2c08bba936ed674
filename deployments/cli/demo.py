"""`proctor demo`: a scripted candidate over real WebRTC on a product of its own."""

import asyncio
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.errors import read_settings
from models.catalogue import default_dir, ensure, media_file
from models.selection import select
from proctor.settings import Settings

LOG_WIDTH = 132
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "media"
"""Where footage lies beside a checkout of this project, if anywhere."""

Keep = Annotated[
    bool, typer.Option("--keep", help="Stay up afterwards, with the pages to open. Ctrl-C ends it.")
]
Media = Annotated[
    Path | None,
    typer.Option(
        envvar="PROCTOR_MEDIA",
        exists=True,
        file_okay=False,
        help="Folder of real footage and a second person's pictures.",
    ),
]


def demo(keep: Keep = False, media: Media = None) -> None:
    """Show it all: enrol, verify, join over WebRTC, six things go wrong, every alert explained.

    Exits 1 when the alerts that came are not the alerts that were expected.
    """
    from bench.demo import play, rehearse
    from deployments.launcher import Cluster, sign_in_link
    from proctor.fusion.policy import parse_policy

    started_s = time.perf_counter()
    console = wide_console()
    end_in_order()
    with own_home(read_settings()) as settings, ThreadPoolExecutor(1) as backstage:
        assert settings.models_dir is not None
        portrait, speech = fetch_models(settings, console)
        policy = parse_policy((settings.policies_dir / "standard.yaml").read_text())
        show = backstage.submit(rehearse, portrait, speech, find_media(media), policy)
        console.print("starting a product of its own ...", style="dim")
        with Cluster.start(
            settings, lambda step: console.print(f"  · {step}", style="dim")
        ) as cluster:
            admin, proctor = cluster.mint("admin"), cluster.mint("proctor")
            holds = asyncio.run(
                play(cluster.base_url, admin, proctor, show.result(), console, started_s)
            )
            if keep:
                _stay(
                    console,
                    cluster.base_url,
                    sign_in_link(cluster.settings, cluster.base_url),
                    admin,
                )
            console.print("ending it ...", style="dim")
    raise typer.Exit(0 if holds else 1)


def end_in_order() -> None:
    """SIGTERM ends this as Ctrl-C does: the product that was started is stopped, not left behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def find_media(media: Path | None) -> Path | None:
    """The folder that was named, else the one beside the checkout, else none."""
    return media if media is not None or not BESIDE.is_dir() else BESIDE


def wide_console() -> Console:
    """The terminal as it is; in a log or a pipe wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


@contextmanager
def own_home(settings: Settings) -> Iterator[Settings]:
    """The settings with a port that is free and, unless PROCTOR_HOME is set, a passing home folder.

    Models stay where they are kept, so that they are fetched once.
    """
    kept = default_dir(settings.home.expanduser(), settings.models_dir)
    apart = {"port": 0, "grpc_port": 0, "models_dir": kept}
    if os.environ.get("PROCTOR_HOME"):
        yield settings.model_copy(update=apart).resolved()
        return
    with tempfile.TemporaryDirectory(prefix="proctor-", ignore_cleanup_errors=True) as folder:
        yield settings.model_copy(update={**apart, "home": Path(folder)}).resolved()


def fetch_models(settings: Settings, console: Console) -> tuple[Path, Path]:
    """Have the pack, the portrait and the recording; the paths of the last two."""
    from deployments.cli.model_tables import progress_bars

    assert settings.models_dir is not None
    folder, mirror = settings.models_dir, settings.models_mirror
    with progress_bars(console) as progress:
        ensure(select(settings.pack, settings.models), folder, mirror, progress)
        return (
            media_file("astronaut", folder, mirror, progress),
            media_file("speech-sample", folder, mirror, progress),
        )


def _stay(console: Console, base_url: str, proctor_link: str, admin_token: str) -> None:
    console.print("\n[bold]It stays up. Open (each link works once):[/]")
    for who, link in (
        ("the proctor's page   ", proctor_link),
        ("a candidate's page   ", _fresh_link(base_url, admin_token)),
    ):
        console.print(f"  {who}{link}", highlight=False, soft_wrap=True)
    console.print("Ctrl-C ends it.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _fresh_link(base_url: str, admin_token: str) -> str:
    from bench.demo import fresh_join_link

    return asyncio.run(fresh_join_link(base_url, admin_token))
