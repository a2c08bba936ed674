"""Starts the whole product on one machine, step by step, and ends it again without a trace.

`proctor up` runs one of these in its own process. Ctrl-C, SIGTERM and a failed step all end in
`stop`, which undoes in reverse what was done: Serve, the detached actors, Ray, Redis, the run file.
"""

import asyncio
import contextlib
import io
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO, TypeVar

import structlog
from pydantic import SecretStr

from deployments.environment import environment_of
from deployments.home import (
    RunFile,
    make_private_folder,
    ray_token,
    remove_run_file,
    require_private,
)
from deployments.preflight import require_startable
from deployments.prepare import ensure_tenant
from deployments.processes import Mark, end_leftovers, family
from deployments.ray_head import RayHead, keep_logs, make_session_folder
from deployments.roster import forget_roster
from deployments.serving import deploy, end_serving, wait_until_ready
from models.catalogue import ensure
from models.selection import select
from models.sources import Progress as Fetching
from models.sources import silent
from proctor.adapters.key_rings import FILE
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.logging import configure
from proctor.adapters.redis_server import start_redis
from proctor.adapters.seal import make_proof_key
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.tokens import make_keys
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings

log = structlog.get_logger(__name__)

Progress = Callable[[str], None]
LEFTOVER_PATIENCE_S = 5.0
RAY_STEP_PATIENCE_S = 30.0
Value = TypeVar("Value")


class Supervisor:
    """The product on this machine. `start` may be called once; `stop` always and repeatedly."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.resolved()
        self._undo = ExitStack()
        self._head: RayHead | None = None
        self._log_file: TextIO | None = None
        self._ray_folder: Path | None = None
        self._is_ready = False
        # Ray is spoken to from a thread of its own: a signal that raises in the main thread would
        # otherwise come out of the middle of Ray's C code. The thread lives as long as the process.
        self._ray_thread = ThreadPoolExecutor(1, thread_name_prefix="ray")
        self._ray_work: Future[None] | None = None

    @property
    def base_url(self) -> str:
        """Where the HTTP door is."""
        scheme = "https" if self.settings.tls_certificate else "http"
        return f"{scheme}://{self.settings.host}:{self.settings.port}"

    @property
    def grpc_address(self) -> str | None:
        """Where the gRPC door is; None where there is none."""
        port = self.settings.grpc_port
        return f"{self.settings.host}:{port}" if isinstance(port, int) else None

    def start(self, progress: Progress, fetching: Fetching = silent) -> None:
        """Bring everything up and wait until it answers.

        Args:
            progress: Told each step.
            fetching: Told how far the download of a model file is.

        Raises:
            ProctorError: What is wrong, in one line. Call `stop` all the same.
        """
        require_startable(self.settings)
        progress("home folder and keys")
        token = self._prepare_home()
        progress("models")
        folder = _known(self.settings.models_dir)
        chosen = select(self.settings.pack, self.settings.models)
        ensure(chosen, folder, self.settings.models_mirror, fetching)
        progress("live state")
        self._choose_port()
        self._start_redis()
        progress("database")
        self._migrate()
        progress("Ray")
        self._on_ray_thread(lambda: self._start_ray(token))
        progress("deployments")
        self._on_ray_thread(self._deploy)
        progress("session hosts and shards")
        wait_until_ready(self.settings, self.base_url)
        self._is_ready = True

    def require_alive(self) -> None:
        """Raises `Unavailable` when Ray has ended by itself."""
        if self._head is not None:
            self._head.require_alive()

    def stop(self, progress: Progress) -> None:
        """End everything that was started, in order, and whatever stayed behind by its own id."""
        if self._log_file is None:
            return
        progress("stopping")
        if self._ray_work is not None:
            wait({self._ray_work}, RAY_STEP_PATIENCE_S)
        ours = family(os.getpid())[1:]
        with contextlib.redirect_stdout(io.StringIO()):  # Ray prints there whom it misses
            self._undo.close()
        if ended := end_leftovers(ours, LEFTOVER_PATIENCE_S):
            log.warning("processes had to be ended", pids=ended)
        if self._ray_folder is not None:
            if not self._is_ready:  # what Ray and the replicas said before it failed
                keep_logs(self._ray_folder, self.settings.home / "logs" / "ray")
            shutil.rmtree(self._ray_folder, ignore_errors=True)
        logging.getLogger().handlers.clear()
        self._log_file.close()
        self._log_file = None

    def _on_ray_thread(self, step: Callable[[], None]) -> None:
        self._ray_work = self._ray_thread.submit(step)
        self._ray_work.result()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):  # Ray's C++ part puts its own there
                signal.signal(number, signal.getsignal(number))

    def _start_ray(self, token: Path) -> None:
        self._ray_folder = make_session_folder()
        self._head = RayHead.start(self._ray_folder, token, environment_of(self.settings))
        self._undo.callback(self._head.stop)

    def _prepare_home(self) -> Path:
        settings = self.settings
        metrics = settings.home / "run" / "metrics"  # numbers of processes that are gone
        shutil.rmtree(metrics, ignore_errors=True)
        for folder in (settings.home, settings.home / "logs", settings.home / "run", metrics):
            make_private_folder(folder)
        self._log_file = (settings.home / "logs" / "launcher.jsonl").open("a", buffering=1)
        configure(settings.log_level, "launcher", self._log_file)
        require_private(make_keys(_known(settings.token_keys)))
        if settings.key_ring == FILE:
            FileKeyRing(_known(settings.key_file))
        make_proof_key(_known(settings.proof_key))
        return ray_token(settings.home)

    def _start_redis(self) -> None:
        """A private server unless one is named; one that a killed launcher left is ended first."""
        home, mark = self.settings.home, None
        before = RunFile.read(home)
        if before is not None and before.redis is not None and (left := before.redis.find()):
            end_leftovers([left], 0)
        if self.settings.redis_url is None:
            server = start_redis(home / "redis")
            self._undo.callback(server.stop)
            mark = Mark.of(server.process.pid)
            self.settings = self.settings.model_copy(update={"redis_url": SecretStr(server.url)})
        asyncio.run(forget_roster(_known(self.settings.redis_url).get_secret_value()))
        RunFile(
            launcher=Mark.of(os.getpid()),
            redis=mark,
            redis_url=_known(self.settings.redis_url),
            base_url=self.base_url,
        ).write(home)
        self._undo.callback(remove_run_file, home)

    def _migrate(self) -> None:
        url = _known(self.settings.database_url)
        upgrade(url)
        asyncio.run(ensure_tenant(url))

    def _choose_port(self) -> None:
        host, wanted = self.settings.host, ("port", "grpc_port")
        with ExitStack() as held:
            for name in wanted:
                if getattr(self.settings, name) == 0:
                    probe = held.enter_context(socket.socket())
                    probe.bind((host, 0))
                    port = probe.getsockname()[1]
                    self.settings = self.settings.model_copy(update={name: port})

    def _deploy(self) -> None:
        self._undo.callback(end_serving)
        deploy(self.settings)


def _known(value: Value | None) -> Value:
    """A setting that `resolved()` or an earlier step has filled in."""
    if value is None:
        raise InvalidInput("a setting that should have a default has none")
    return value
