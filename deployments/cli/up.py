"""`proctor up`: the supervisor between two signals."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
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
    with Told(as_json=as_json, steps=steps) as told, _signals():
        try:
            supervisor.start(told.step, told.fetching)
            told.done()
            _announce(supervisor, as_json=as_json)
            while True:
                threading.Event().wait(LOOK_EVERY_S)
                supervisor.require_alive()
        except Asked:
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            supervisor.stop(told.step)


def _announce(supervisor: Supervisor, *, as_json: bool) -> None:
    if as_json:
        ready = {
            "base_url": supervisor.base_url,
            "pid": os.getpid(),
            "home": str(supervisor.settings.home),
        }
        if supervisor.grpc_address:
            ready["grpc"] = supervisor.grpc_address
        typer.echo(json.dumps(ready))
        return
    console = Console(highlight=False, soft_wrap=True)
    url = supervisor.base_url
    console.print(f"\n[bold]RayProctor answers at {url}[/]")
    console.print(f"  proctor's page, one-time link   {sign_in_link(supervisor.settings, url)}")
    console.print(f"  candidate's page                {url}/candidate")
    console.print(f"  interface                       {url}/v1/openapi.json")
    if supervisor.grpc_address:
        console.print(f"  alerts over gRPC                {supervisor.grpc_address}")
    console.print("  a token for programs            proctor token --role admin")
    console.print(f"  logs                            {supervisor.settings.home / 'logs'}")
    console.print("Ctrl-C ends it.")


class Told:
    """Tells each step: as JSON lines, not at all, or with a spinner on the terminal."""

    def __init__(self, *, as_json: bool, steps: bool) -> None:
        self._says_json = as_json and steps
        console = Console(file=sys.stderr, highlight=False)
        self._status = None if as_json else console.status("starting")

    def step(self, step: str) -> None:
        """A step begins."""
        if self._says_json:
            typer.echo(json.dumps({"step": step}))
        if self._status is not None:
            self._status.console.print(f"[dim]·[/] {step}")
            self._status.update(step)

    def fetching(self, name: str, done: int, total: int) -> None:
        """A model file is being fetched."""
        if self._status is not None:
            self._status.update(f"{name} {done * 100 // max(total, 1)} %")

    def __enter__(self) -> "Told":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done()

    def done(self) -> None:
        """Nothing more is going on."""
        if self._status is not None:
            self._status.stop()


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
