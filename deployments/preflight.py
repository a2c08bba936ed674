"""What must be true of a machine before the product starts on it; `proctor doctor` shows it as a table."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from deployments.gpus import count_gpus, fits, share_of
from deployments.home import RunFile
from models.catalogue import Catalogue, FileState
from models.errors import ModelFileError
from models.selection import select
from proctor.adapters.redis_server import find_redis_server
from proctor.domain.errors import Conflict, InvalidInput, ProctorError
from proctor.settings import LOOPBACK, Settings

LEAST_CORES = 2
LEAST_FREE_MB = 3_000
LEAST_DISK_MB = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        is_good: Whether the product can run with it.
        found: What was found, and what to do when it is not good.
    """

    name: str
    is_good: bool
    found: str


def require_startable(settings: Settings) -> None:
    """Raises `InvalidInput` or `Conflict`, one line each, when starting cannot work."""
    require_gpu_shares(settings, count_gpus(visible=os.environ.get("CUDA_VISIBLE_DEVICES")))
    _require_tls(settings)
    _require_free_port(settings)
    _require_not_running(settings)
    _require_pages(settings)
    if settings.redis_url is None:
        find_redis_server()


def look(settings: Settings) -> Iterator[Check]:
    """Everything that `proctor doctor` looks at."""
    settings = settings.resolved()
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Check(
        name="Python",
        is_good=(3, 11) <= sys.version_info[:2] < (3, 13),
        found=f"{version} (3.11 or 3.12 is needed)",
    )
    cores = len(os.sched_getaffinity(0))
    yield Check(name="cores", is_good=cores >= LEAST_CORES, found=f"{cores} ({LEAST_CORES} needed)")
    free_mb = psutil.virtual_memory().available // 2**20
    yield Check(
        name="memory",
        is_good=free_mb >= LEAST_FREE_MB,
        found=f"{free_mb} MB free ({LEAST_FREE_MB} MB needed)",
    )
    folder = next(place for place in (settings.home, *settings.home.parents) if place.exists())
    disk_mb = shutil.disk_usage(folder).free // 2**20
    yield Check(
        name="home",
        is_good=disk_mb >= LEAST_DISK_MB and os.access(folder, os.W_OK),
        found=f"{settings.home}, {disk_mb} MB free ({LEAST_DISK_MB} MB and write access needed)",
    )
    gpus = count_gpus(visible=os.environ.get("CUDA_VISIBLE_DEVICES"))
    yield _as_check("GPU", lambda: require_gpu_shares(settings, gpus), _gpus_told(settings, gpus))
    yield _as_check("address", lambda: _require_tls(settings), f"{settings.host} may be used")
    yield _as_check("port", lambda: _require_free_port(settings), f"{settings.port} is free")
    yield _as_check("pages", lambda: _require_pages(settings), str(settings.web_dir))
    yield _redis(settings)
    yield _models(settings)
    yield Check(
        name="camera",
        is_good=True,
        found="a browser gives its camera to https pages and to http://127.0.0.1 only",
    )


def _as_check(name: str, require: Callable[[], None], good: str) -> Check:
    try:
        require()
    except ProctorError as error:
        return Check(name=name, is_good=False, found=error.detail)
    return Check(name=name, is_good=True, found=good)


def _redis(settings: Settings) -> Check:
    if settings.redis_url is not None:
        return Check(name="redis", is_good=True, found="named by PROCTOR_REDIS_URL")
    try:
        return Check(name="redis", is_good=True, found=str(find_redis_server()))
    except InvalidInput as error:
        return Check(name="redis", is_good=False, found=error.detail)


def _models(settings: Settings) -> Check:
    """Which pack, what instead of it, and whether every file of the choice is there and accepted."""
    folder = settings.resolved().models_dir
    assert folder is not None
    try:
        selection = select(settings.pack, settings.models)
        catalogue = Catalogue(folder, settings.models_mirror)
        states = catalogue.verify(selection.files())
        accepted = catalogue.records.accepted
    except ModelFileError as error:
        return Check(name="models", is_good=False, found=error.detail)
    instead = ", ".join(f"{task}: {model}" for task, model in sorted(settings.models.items()))
    chosen = f"pack {settings.pack}" + (f" with {instead}" if instead else "")
    for file in selection.restricted():
        if file.licence.accept not in accepted:
            found = (
                f"{chosen}; {file.id} is under terms that must be accepted: run "
                f"`proctor models fetch {file.id} --accept-licence {file.licence.accept}`"
            )
            return Check(name="models", is_good=False, found=found)
    wanting = [name for name, state in states.items() if state is not FileState.PRESENT]
    found = f"{chosen}, all {len(states)} files present and verified"
    if wanting:
        found = f"{chosen}; run `proctor models fetch`: {', '.join(wanting)} missing or altered"
    return Check(name="models", is_good=not wanting, found=found)


def require_gpu_shares(settings: Settings, gpus: int) -> None:
    """Raises `InvalidInput` when the replicas' shares are none, or more than the machine has.

    One machine runs all model groups in each of up to `perception_replicas_max` replicas.
    """
    if not settings.gpu_shares:
        return
    share = share_of(select(settings.pack, settings.models).groups(), settings.gpu_shares)
    replicas = settings.perception_replicas_max
    if settings.device == "cpu":
        raise InvalidInput("PROCTOR_GPU_SHARES are given but PROCTOR_DEVICE is cpu; set it to cuda")
    if not fits(share, replicas, gpus):
        raise InvalidInput(
            f"{replicas} perception replica(s) with {share:g} of a GPU each do not fit on {gpus} GPU(s): "
            "lower PROCTOR_GPU_SHARES__<GROUP> or PROCTOR_PERCEPTION_REPLICAS_MAX"
        )


def _gpus_told(settings: Settings, gpus: int) -> str:
    if settings.device == "cpu":
        return f"{gpus} found, none asked for"
    shares = ", ".join(f"{group} {share:g}" for group, share in sorted(settings.gpu_shares.items()))
    missing = "" if gpus else "; the CPU will do the work and say degraded(gpu)"
    return f"{gpus} found for {settings.device}, shares: {shares or 'none'}{missing}"


def _require_tls(settings: Settings) -> None:
    """Any address but this machine's own needs TLS: a browser gives no camera to a page without."""
    if settings.host in LOOPBACK or settings.tls_proxy:
        return
    if settings.tls_certificate and settings.tls_key:
        for path in (settings.tls_certificate, settings.tls_key):
            if not path.is_file():
                raise InvalidInput(f"{path} does not exist")
        return
    raise InvalidInput(
        f"{settings.host} is not 127.0.0.1: name PROCTOR_TLS_CERTIFICATE and PROCTOR_TLS_KEY, "
        "or PROCTOR_TLS_PROXY"
    )


def _require_pages(settings: Settings) -> None:
    if not (settings.web_dir / "index.html").is_file():
        raise InvalidInput(f"The pages are not built in {settings.web_dir}: run `make web`.")


def _require_free_port(settings: Settings) -> None:
    _require_free(settings.host, settings.port, "PROCTOR_PORT")
    grpc_port = settings.resolved().grpc_port
    if isinstance(grpc_port, int):
        _require_free(settings.host, grpc_port, "PROCTOR_GRPC_PORT")


def _require_free(host: str, port: int, name: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"{host}:{port} cannot be used ({error.strerror}); choose another with {name}"
            ) from None


def _require_not_running(settings: Settings) -> None:
    note = RunFile.read(settings.resolved().home)
    if note is not None and note.launcher.find() is not None:
        raise Conflict(f"it runs already from this home: process {note.launcher.pid}")
