"""Serve on this machine: start the applications, wait until they and the actors answer, end them."""

import asyncio
import contextlib
import logging
from typing import Any

import httpx
import structlog
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from actors.mailbox import NAMESPACE
from deployments.grpc_door import grpc_options
from deployments.roster import read_roster
from deployments.wiring import APPLICATION
from models.selection import select
from proctor.domain.errors import Unavailable
from proctor.settings import Settings

log = structlog.get_logger(__name__)

READY_WITHIN_S = 120.0
LOOK_EVERY_S = 0.25
GOODBYE_WITHIN_S = 5.0


def deploy(settings: Settings) -> None:
    """Start Serve and the four applications; back when their replicas run.

    Raises:
        Unavailable: A replica could not start; its log in home/logs says why.
    """
    from ray import serve
    from ray.serve import RunTarget

    from deployments import app

    logging.getLogger("ray.serve").handlers.clear()  # to our log, not to the terminal
    logging.getLogger("ray.serve").propagate = True
    options: dict[str, Any] = {"host": settings.host, "port": settings.port}
    if settings.tls_certificate and settings.tls_key:
        options["ssl_certfile"] = str(settings.tls_certificate)
        options["ssl_keyfile"] = str(settings.tls_key)
    split = app.Split(
        groups=[list(select(settings.pack, settings.models).groups())],
        most_replicas=settings.perception_replicas_max,
        gpu_shares=settings.gpu_shares,
    )
    logs = {"encoding": "JSON", "enable_access_log": False}
    try:
        serve.start(
            proxy_location="HeadOnly",
            http_options=options,
            grpc_options=grpc_options(settings),
            logging_config=logs,
        )
        serve.run_many(
            [
                RunTarget(app.gateway(split), name=APPLICATION, route_prefix="/"),
                RunTarget(app.live(split), name="live", route_prefix="/v1/live"),
                RunTarget(app.dispatcher(split), name="dispatcher", route_prefix=None),
                RunTarget(app.reconciler(split), name="reconciler", route_prefix=None),
            ]
        )
    except RuntimeError as error:
        log.exception("the deployments did not start")
        logs_folder = settings.home / "logs"
        raise Unavailable(f"the deployments did not start; see {logs_folder}") from error


def wait_until_ready(settings: Settings, base_url: str, within_s: float = READY_WITHIN_S) -> None:
    """Until the door answers and every host and shard is on the roster. Raises `Unavailable`."""
    for attempt in Retrying(
        retry=retry_if_exception_type((Unavailable, httpx.HTTPError)),
        stop=stop_after_delay(within_s),
        wait=wait_fixed(LOOK_EVERY_S),
        reraise=True,
    ):
        with attempt:
            _require_ready(settings, base_url)


def _require_ready(settings: Settings, base_url: str) -> None:
    answer = httpx.get(f"{base_url}/healthz", verify=False, timeout=5)  # our own door, just opened
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"the door answers {answer.status_code}")
    assert settings.redis_url is not None
    members = asyncio.run(read_roster(settings.redis_url.get_secret_value()))
    for kind, wanted in (("host", settings.hosts), ("shard", settings.shards)):
        ready = sum(1 for member in members if member.kind == kind)
        if ready < wanted:
            raise Unavailable(f"{ready} of {wanted} {kind}s are ready")


def end_serving() -> None:
    """End the applications, then the detached actors: hosts first, so that shards hear their last words."""
    import ray
    from ray import serve
    from ray.util import list_named_actors

    serve.shutdown()  # type: ignore[no-untyped-call]
    found = [
        a["name"] for a in list_named_actors(all_namespaces=True) if a["namespace"] == NAMESPACE
    ]
    for name in sorted(found):  # `proctor-host-*` come before `proctor-shard-*`
        with contextlib.suppress(Exception):  # it may be dead or deaf: it is killed next
            ray.get(
                ray.get_actor(name, namespace=NAMESPACE).close.remote(), timeout=GOODBYE_WITHIN_S
            )
    for name in found:
        with contextlib.suppress(ValueError):
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
