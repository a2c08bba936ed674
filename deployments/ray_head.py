"""A Ray of our own on this machine: never joins another, listens on 127.0.0.1 only, leaves nothing.

Everything that Ray reads from the environment is set before it is imported, so this may be started
once per process and only where nobody imported Ray before.
"""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from deployments.environment import ROOT
from deployments.grpc_door import GRPC_ENVIRONMENT
from deployments.processes import family, kind_of
from deployments.yard import MEDIA_RESOURCE
from proctor.domain.errors import Unavailable

log = structlog.get_logger(__name__)

OBJECT_STORE_BYTES = 200 * 2**20
MEDIA_SLOTS = 1_000
LEAST_CPUS = 2
CONTROL_LOOP_S = "0.3"
"""How often Serve's controller looks. At its own 0.1 s it takes a twentieth of a core of a quiet machine,
for decisions that fall every 0.5 s at the soonest (deployments/scaling.py)."""
VITAL = ("gcs", "raylet")


def ray_environment(token: Path) -> dict[str, str]:
    """What Ray must be told: token mode, its file, loopback, our code, no telemetry.

    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 is Ray's switch for "this machine only": its processes then bind
    and advertise 127.0.0.1 (read in `ray._private.services.get_node_ip_address`, 2.60).
    Ray starts workers at niceness 15, which suits batch work; media must not wait behind a backup.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": CONTROL_LOOP_S,
        "PYTHONPATH": str(ROOT),
        **GRPC_ENVIRONMENT,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RayHead:
    """A running Ray of ours.

    Attributes:
        processes: Its control store and node manager; without them nothing works.
    """

    processes: tuple[psutil.Process, ...]

    @classmethod
    def start(cls, folder: Path, token: Path, environment: Mapping[str, str]) -> "RayHead":
        """Start Ray and connect this process to it.

        Its processes end when the calling thread ends (Ray asks the kernel for that), so the thread
        must live as long as they. In another thread than the main one Ray leaves SIGTERM alone.

        Args:
            folder: For the session; short, because Unix sockets lie in it. The caller's to remove.
            token: The file with the token of this Ray.
            environment: Variables that every process of it inherits.

        Raises:
            RuntimeError: Ray was imported before, so that it may have read another environment.
        """
        if "ray" in sys.modules:
            raise RuntimeError("Ray was imported before its environment was set")
        for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_NAMESPACE"):
            os.environ.pop(name, None)
        os.environ.update(environment)
        os.environ.update(ray_environment(token))
        with _standing_in(folder):  # workers see the start folder on sys.path: a neutral one
            import ray

            logging.getLogger("ray").handlers.clear()  # to our log, not to the terminal
            logging.getLogger("ray").propagate = True
            ray.init(
                address="local",
                namespace="proctor-launcher",
                num_cpus=max(os.cpu_count() or 1, LEAST_CPUS),
                resources={MEDIA_RESOURCE: MEDIA_SLOTS},
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                configure_logging=False,
                log_to_driver=False,
                _temp_dir=str(folder),
                _node_ip_address="127.0.0.1",
            )
        vital = tuple(p for p in family(os.getpid()) if kind_of(" ".join(p.cmdline())) in VITAL)
        log.info("ray started", folder=str(folder))
        return cls(processes=vital)

    def require_alive(self) -> None:
        """Raises `Unavailable` when the control store or the node manager has ended."""
        if not all(process.is_running() for process in self.processes):
            raise Unavailable("Ray ended by itself; its logs say why")

    def stop(self) -> None:
        """End every process of this Ray."""
        import ray

        ray.shutdown()


def make_session_folder() -> Path:
    """A short folder for a Ray session, for its owner only."""
    return Path(tempfile.mkdtemp(prefix="proctor-", dir="/tmp"))


def keep_logs(folder: Path, target: Path) -> None:
    """Copy the logs of a Ray session, in the place of those of an earlier one."""
    shutil.rmtree(target, ignore_errors=True)
    logs = folder / "session_latest" / "logs"
    if logs.is_dir():
        shutil.copytree(logs, target, ignore=shutil.ignore_patterns("old"))


@contextlib.contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
