"""The gRPC door's address and certificate, on real grpcio servers; Serve's own part is in serve_site."""

import datetime
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ray.serve._private import default_impl, grpc_util

from deployments import grpc_door
from deployments.grpc_door import (
    GRPC_ENVIRONMENT,
    HOOK,
    add_alerts,
    bind,
    grpc_options,
    guard_address,
)
from proctor.api.grpc_feed import AioAlerts, FeedCalls
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings
from tests.fakes.api import FakeApi

EVERYWHERE = "[::]:0"  # what Serve asks for


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(grpc_door, "_bound", [])
    for name in ("HOST", "PORT", "GRPC_PORT", "TLS_PROXY", "TLS_KEY", "TLS_CERTIFICATE"):
        monkeypatch.delenv(f"PROCTOR_{name}", raising=False)
    monkeypatch.chdir(tmp_path)  # no .env of ours


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Any]:
    made = _Server()
    yield made
    await made.inner.stop(0)


class _Server:
    """A grpc.aio server that remembers the ports it was given."""

    def __init__(self) -> None:
        self.inner = grpc.aio.server()
        self.port = 0
        self.target = ""

    def add_insecure_port(self, target: str) -> int:
        self.target, self.port = target, self.inner.add_insecure_port(target)
        return self.port

    def add_secure_port(self, target: str, credentials: Any) -> int:
        self.target, self.port = target, self.inner.add_secure_port(target, credentials)
        return self.port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def code_of(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """What a call without a token is answered."""
    try:
        async for _ in AlertsStub(channel).Follow(FollowRequest(), timeout=5):
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def certificate(folder: Path, name: str) -> tuple[bytes, Path, Path]:
    """A certificate for 127.0.0.1 in PEM; it and its key as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    pem = made.public_bytes(serialization.Encoding.PEM)
    cert_file.write_bytes(pem)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, cert_file, key_file


async def test_on_this_machine_the_door_is_plain_and_on_loopback(
    server: Any, tmp_path: Path
) -> None:
    bind(server, EVERYWHERE)
    assert server.target == "127.0.0.1:0"
    add_alerts(AioAlerts(FeedCalls(FakeApi(tmp_path).services)), server)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        assert await code_of(channel) is grpc.StatusCode.UNAUTHENTICATED


async def test_with_a_certificate_the_door_speaks_tls_only(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours, cert_file, key_file), (others, *_) = (
        certificate(tmp_path, name) for name in ("ours", "others")
    )
    monkeypatch.setenv("PROCTOR_TLS_CERTIFICATE", str(cert_file))
    monkeypatch.setenv("PROCTOR_TLS_KEY", str(key_file))
    bind(server, EVERYWHERE)
    add_alerts(AioAlerts(FeedCalls(FakeApi(tmp_path).services)), server)
    await server.start()
    target = f"127.0.0.1:{server.port}"

    async def with_root(root: bytes) -> grpc.StatusCode:
        trusted = grpc.ssl_channel_credentials(root)
        async with grpc.aio.secure_channel(target, trusted) as channel:
            return await code_of(channel)

    assert await with_root(ours) is grpc.StatusCode.UNAUTHENTICATED
    assert await with_root(others) is grpc.StatusCode.UNAVAILABLE
    async with grpc.aio.insecure_channel(target) as channel:
        assert await code_of(channel) is grpc.StatusCode.UNAVAILABLE


async def test_another_address_without_tls_is_refused(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_HOST", "0.0.0.0")
    with pytest.raises(InvalidInput, match="PROCTOR_TLS_CERTIFICATE"):
        bind(server, EVERYWHERE)
    with pytest.raises(InvalidInput, match=HOOK):
        add_alerts(None, server)
    monkeypatch.setenv("PROCTOR_TLS_PROXY", "haproxy")
    bind(server, EVERYWHERE)
    assert server.target == "0.0.0.0:0"


async def test_a_taken_port_is_told_in_a_line(server: Any) -> None:
    bind(server, EVERYWHERE)

    class Taken:
        def add_insecure_port(self, target: str) -> int:
            return 0

    with pytest.raises(InvalidInput, match="PROCTOR_GRPC_PORT"):
        bind(Taken(), f"[::]:{server.port}")


async def test_on_a_door_that_serve_bound_itself_nothing_is_served(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="every address and without TLS"):
        add_alerts(None, server)
    monkeypatch.setenv("PROCTOR_TLS_PROXY", "haproxy")
    add_alerts(AioAlerts(None), server)  # type: ignore[arg-type]  # a proxy stands before it


def test_serve_has_the_hook_and_the_name_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are looked up by Serve in the proxy's process; a new Serve without them fails here first."""
    monkeypatch.setattr(default_impl, "add_grpc_address", default_impl.add_grpc_address)
    assert guard_address() == []
    assert default_impl.add_grpc_address is bind
    assert "default_impl import add_grpc_address" in Path(grpc_util.__file__).read_text()
    from ray.serve._private import constants, http_util

    assert hasattr(constants, HOOK) and HOOK in Path(http_util.__file__).read_text()
    assert set(GRPC_ENVIRONMENT) >= {HOOK, "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE"}


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({}, 8801),
        ({"port": 0}, 0),
        ({"port": 9000, "grpc_port": 9100}, 9100),
        ({"grpc_port": "off"}, "off"),
        ({"host": "0.0.0.0"}, "off"),
        ({"host": "0.0.0.0", "tls_proxy": "haproxy"}, "off"),
        ({"host": "0.0.0.0", "tls_certificate": "a", "tls_key": "b"}, 8801),
    ],
)
def test_the_door_is_open_where_nobody_can_listen_in(
    given: dict[str, Any], port: int | str
) -> None:
    settings = Settings(**given).resolved()
    assert settings.grpc_port == port
    assert (grpc_options(settings) is None) is (port == "off")
