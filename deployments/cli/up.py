"""`proctor up`: the supervisor between two signals."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.console import Console

from deployments.launcher import sign_in_link
from deployments.supervisor import Supervisor
from proctor.settings import Settings

LOOK_EVERY_S = 2.0


class Asked(BaseException):
    """A signal asked us to end; not an `Exception`, so that nothing on the way swallows it."""


def run(settings: Settings, *, as_json: bool, steps: bool) -> None:
    """Start, wait for Ctrl-C or SIGTERM, stop.

    Raises:
        ProctorError: It could not start, or a part of it ended by itself; all is stopped then.
    """
    supervisor = Supervisor(settings)
    with _progress(as_json=as_json, steps=steps) as progress, _signals():
        try:
            supervisor.start(progress)
            _announce(supervisor, as_json=as_json)
            while True:
                threading.Event().wait(LOOK_EVERY_S)
                supervisor.require_alive()
        except Asked:
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            supervisor.stop(progress)


def _announce(supervisor: Supervisor, *, as_json: bool) -> None:
    if as_json:
        ready = {
            "base_url": supervisor.base_url,
            "pid": os.getpid(),
            "home": str(supervisor.settings.home),
        }
        typer.echo(json.dumps(ready))
        return
    console = Console(highlight=False, soft_wrap=True)
    url = supervisor.base_url
    console.print(f"\n[bold]RayProctor answers at {url}[/]")
    console.print(f"  proctor's page, one-time link   {sign_in_link(supervisor.settings, url)}")
    console.print(f"  candidate's page                {url}/candidate")
    console.print(f"  interface                       {url}/v1/openapi.json")
    console.print("  a token for programs            proctor token --role admin")
    console.print(f"  logs                            {supervisor.settings.home / 'logs'}")
    console.print("Ctrl-C ends it.")


@contextmanager
def _progress(*, as_json: bool, steps: bool) -> Iterator[Callable[[str], None]]:
    """Tells each step: as JSON lines, not at all, or as a spinner on the terminal."""
    if as_json:
        yield lambda step: typer.echo(json.dumps({"step": step})) if steps else None
        return
    console = Console(stderr=True)
    with console.status("starting") as status:

        def tell(step: str) -> None:
            status.console.print(f"[dim]·[/] {step}")
            status.update(step)

        yield tell


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Asked` in the main thread."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        raise Asked

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
