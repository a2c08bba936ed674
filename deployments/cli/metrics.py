"""`proctor metrics`: the numbers of a node on which the door does not run."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.errors import read_settings
from proctor.domain.errors import InvalidInput
from proctor.settings import LOOPBACK, Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

PORT = 8802


def metrics(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where Prometheus asks.")] = PORT,
) -> None:
    """Answer GET /metrics for the processes of this machine; start it before they start.

    It listens at the address, and with the certificate, of the settings (PROCTOR_HOST, PROCTOR_TLS_...).
    """
    import uvicorn

    settings = require_private(read_settings().resolved())
    folder = settings.home / "run" / "metrics"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    uvicorn.run(
        node_app(),
        host=settings.host,
        port=port,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_level="warning",
        access_log=False,
    )


def require_private(settings: Settings) -> Settings:
    """Raises `InvalidInput` for an address of the network without a certificate or a named TLS proxy."""
    has_tls = settings.tls_certificate and settings.tls_key
    if settings.host not in LOOPBACK and not has_tls and not settings.tls_proxy:
        raise InvalidInput(
            f"numbers on {settings.host} need TLS: name PROCTOR_TLS_CERTIFICATE and PROCTOR_TLS_KEY, "
            "or PROCTOR_TLS_PROXY"
        )
    return settings


def node_app() -> "Starlette":
    """An application with this one route."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from proctor.adapters.metrics import CONTENT_TYPE, render

    async def told(_request: Request) -> Response:
        return Response(render(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/metrics", told)])
