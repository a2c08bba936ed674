"""Where Serve's gRPC proxy listens, and what it serves there.

Serve 2.60 has no option for the address: its proxy binds `[::]` without TLS. Both functions run in the
proxy's process: `guard_address` before its server is made (Serve's own hook for that, the variable of
`HOOK`), `add_alerts` while it is. The name that is replaced is private to Serve, so `add_alerts` refuses
to serve anything on a door that was not bound here, unless a TLS proxy is named to stand before it.
"""

from pathlib import Path
from typing import Any

from proctor.domain.errors import InvalidInput
from proctor.settings import LOOPBACK, Settings

HOOK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
MOST_BYTES = 4 << 20
"""A message of gRPC's own default size; Serve would take 2 GiB."""

GRPC_ENVIRONMENT = {
    HOOK: "deployments.grpc_door.guard_address",
    "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(MOST_BYTES),
}
_bound: list[str] = []


def grpc_options(settings: Settings) -> dict[str, Any] | None:
    """What `serve.start` is told; None where there is no such door."""
    if settings.grpc_port in (None, "off"):
        return None
    return {
        "port": settings.grpc_port,
        "grpc_servicer_functions": ["deployments.grpc_door.add_alerts"],
        "enable_reflection": False,
    }


def guard_address() -> list[Any]:
    """Let the proxy of this process bind the settings' address, with their certificate; no middleware."""
    from ray.serve._private import default_impl

    default_impl.add_grpc_address = bind  # type: ignore[assignment]
    return []


def bind(server: Any, address: str) -> None:
    """Open the port of `address` where the settings say.

    Raises:
        InvalidInput: Another address than this machine's own has neither a certificate nor a TLS proxy;
            or the port is taken.
    """
    settings = Settings()
    port = address.rpartition(":")[2]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    target = f"{host}:{port}"
    if settings.tls_certificate and settings.tls_key:
        found = server.add_secure_port(
            target, _credentials(settings.tls_key, settings.tls_certificate)
        )
    elif settings.host in LOOPBACK or settings.tls_proxy:
        found = server.add_insecure_port(target)
    else:
        raise InvalidInput(
            f"gRPC on {settings.host} needs TLS: name PROCTOR_TLS_CERTIFICATE and PROCTOR_TLS_KEY, "
            "or PROCTOR_TLS_PROXY, or set PROCTOR_GRPC_PORT=off"
        )
    if not found:
        raise InvalidInput(f"{target} cannot be used; choose another with PROCTOR_GRPC_PORT")
    _bound.append(target)


def add_alerts(servicer: Any, server: Any) -> None:
    """Serve's `add_..._to_server` of our service. Raises `InvalidInput` on a door that others bound."""
    if not _bound and not Settings().tls_proxy:
        raise InvalidInput(
            f"Serve bound the gRPC port itself, on every address and without TLS: set {HOOK}="
            f"{GRPC_ENVIRONMENT[HOOK]} where Ray is started, or name PROCTOR_TLS_PROXY"
        )
    from proctor.api.proto.alerts_pb2_grpc import add_AlertsServicer_to_server

    add_AlertsServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated


def _credentials(key: Path, certificate: Path) -> Any:
    import grpc  # type: ignore[import-untyped]  # it ships no types

    return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
