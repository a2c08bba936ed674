"""A Ray for one command: a private one that leaves nothing, or the cluster that the caller names."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.environment import environment_of
from deployments.home import make_private_folder, ray_token, require_private
from deployments.ray_head import RayHead, make_session_folder
from proctor.adapters.logging import configure
from proctor.domain.errors import InvalidInput, Unavailable
from proctor.settings import Settings

QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Its logs go with it, and what matters of them comes as an exception."""
ADDRESS = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}")


@contextmanager
def connected(settings: Settings, address: str | None) -> Iterator[int]:
    """Connect this process to Ray; gives the number of cores there.

    Args:
        settings: Given to the workers of a private Ray through their environment. Those of a named cluster
            have their nodes' own.
        address: `host:port` of a cluster's control store, whose token RAY_AUTH_TOKEN_PATH names (else that
            of the home folder); None for a private Ray. No other word: none is joined by chance.

    Raises:
        InvalidInput: The address is none.
        Unavailable: Nobody answers there.
    """
    known = settings.resolved()
    configure("warning", "jobs")
    home = make_private_folder(known.home)
    if address is not None:
        yield _join(address, os.environ.get("RAY_AUTH_TOKEN_PATH"), settings)
        return
    folder = make_session_folder()
    try:
        head = RayHead.start(folder, ray_token(home), environment_of(known) | QUIET)
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            yield os.cpu_count() or 1
        finally:
            head.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_address(address: str) -> str:
    """Raises `InvalidInput` for anything but `host:port`."""
    if not ADDRESS.fullmatch(address):
        raise InvalidInput(f"--address must be host:port of a cluster, not {address!r}")
    return address


def _join(address: str, token_path: str | None, settings: Settings) -> int:
    check_address(address)
    token = require_private(Path(token_path)) if token_path else ray_token(settings.resolved().home)
    for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_NAMESPACE", "RAY_AUTH_TOKEN"):
        os.environ.pop(name, None)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=address, namespace="proctor-jobs", log_to_driver=False, configure_logging=False
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Unavailable(f"no Ray cluster answers at {address}") from error
    return int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
