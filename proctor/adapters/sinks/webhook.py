"""`AlertSink` over HTTPS: Standard Webhooks 1.0, to an address that was looked at first.

One request per call, to exactly one address: the name is resolved once per connection, every answer must
be an address that may be reached (alerting/addresses.py), and the socket is opened to the one that was
looked at, while the certificate is checked against the name. httpcore is used below httpx: it follows no
redirect, reads no proxy from the environment and inflates nothing.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpcore

from proctor.adapters.sinks.signing import sign
from proctor.alerting.addresses import Address, Allowed, Destination, checked_addresses, may_connect
from proctor.alerting.envelope import BATCH_CONTENT_TYPE, CONTENT_TYPE
from proctor.alerting.grouping import body, message_id
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent
from proctor.domain.errors import InvalidInput
from proctor.domain.sinks import SinkSecret
from proctor.ports import Clock, Resolver

MOST_BODY_BYTES = 64 * 1024
"""How much of an answer's body is read, to use the connection again. Nobody looks at it."""

BODY_WITHIN_S = 2.0
MOST_ADDRESSES = 3
NEXT_ADDRESS_AFTER_S = 4.0
"""A host with several addresses may have lost one; all of them were looked at."""

IDLE_S = 30.0
USER_AGENT = "RayProctor-Webhooks/1"

_Judged = tuple[Outcome, str, int | None, float | None]


def trusted(ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, by the system's authorities and one of the operator's.

    Raises `InvalidInput` (settings/webhook-ca) when the file holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError):
            raise InvalidInput(
                f"PROCTOR_WEBHOOK_CA: {ca} holds no certificates in PEM", "settings/webhook-ca"
            ) from None
    return context


class AddressRefused(Exception):  # it passes through httpcore and is no error of the product
    """The name's address may not be reached."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens sockets for one destination, to an address that it has looked at."""

    def __init__(
        self, destination: Destination, resolver: Resolver, allowed: Sequence[Allowed]
    ) -> None:
        self._destination = destination
        self._resolver = resolver
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve once, look, connect there. Raises `AddressRefused` before any packet is sent."""
        addresses = (await self._addresses())[:MOST_ADDRESSES]
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._connect(address, NEXT_ADDRESS_AFTER_S)
        return await self._connect(addresses[-1], timeout)

    async def _addresses(self) -> Sequence[Address]:
        to = self._destination
        if to.address is not None:
            if not may_connect(to, to.address, self._allowed):
                raise AddressRefused
            return [to.address]
        try:
            found = await self._resolver.resolve(to.host, to.port)
            return checked_addresses(to, found, self._allowed)
        except InvalidInput:
            raise AddressRefused from None
        except OSError as error:
            raise httpcore.ConnectTimeout("the name was not resolved") from error

    async def _connect(
        self, address: Address, timeout: float | None
    ) -> httpcore.AsyncNetworkStream:
        return await self._network.connect_tcp(str(address), self._destination.port, timeout)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressRefused

    async def sleep(self, seconds: float) -> None:
        """As httpcore wants to between tries of its own; it makes none."""
        await self._network.sleep(seconds)


class WebhookSink:
    """One endpoint of a tenant."""

    def __init__(
        self,
        destination: Destination,
        secrets: Sequence[SinkSecret],
        *,
        clock: Clock,
        resolver: Resolver,
        tls: ssl.SSLContext,
        allowed: Sequence[Allowed] = (),
        deadline_s: float,
    ) -> None:
        """Connects nowhere yet.

        Args:
            destination: Where, taken apart by `parse_destination`.
            secrets: Those that may sign; the ones that are live at a try do.
            clock: The time in the signature.
            resolver: Names to addresses; closed with the sink when it can be.
            tls: Whom to trust.
            allowed: Addresses beyond the public internet that an operator allows.
            deadline_s: From the look-up of the name to the first line of the answer.
        """
        self._destination = destination
        self._secrets = tuple(secrets)
        self._clock = clock
        self._resolver = resolver
        self._deadline_s = deadline_s
        self._url = httpcore.URL(
            scheme=b"https" if destination.is_tls else b"http",
            host=destination.host.encode(),
            port=destination.port,
            target=destination.path.encode(),
        )
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            keepalive_expiry=IDLE_S,
            http2=False,
            retries=0,
            network_backend=CheckedBackend(destination, resolver, allowed),
        )

    async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
        """One request with the whole batch; every alert of it gets the same answer."""
        outcome, code, status, retry_after_s = await self._post(batch)
        return [
            Sent(
                alert_id=item.alert.alert_id,
                outcome=outcome,
                code=code,
                status=status,
                retry_after_s=retry_after_s,
            )
            for item in batch
        ]

    async def _post(self, batch: Sequence[FeedItem]) -> _Judged:
        content = body(batch)
        judged: _Judged | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                headers = self._headers(batch, content)
                async with self._pool.stream(
                    "POST", self._url, headers=headers, content=content
                ) as answer:
                    judged = self._judge(answer)
                    await _drain(answer)
                    return judged
        except (TimeoutError, httpcore.TimeoutException):
            if judged is not None:  # the answer was there; its body was not awaited to the end
                return judged
            return Outcome.RETRY, "webhook/timeout", None, None
        except AddressRefused:
            return Outcome.RETRY, "webhook/address-refused", None, None
        except ssl.SSLError:
            return Outcome.RETRY, "webhook/tls", None, None
        except httpcore.ConnectError as error:
            is_tls = isinstance(error.__cause__ or error.__context__, ssl.SSLError)
            return Outcome.RETRY, "webhook/tls" if is_tls else "webhook/unreachable", None, None
        except httpcore.ProtocolError as error:
            hung_up = "disconnected" in str(error)  # httpcore's word for an end before an answer
            code = "webhook/connection-lost" if hung_up else "webhook/not-http"
            return Outcome.RETRY, code, None, None
        except (httpcore.NetworkError, OSError):
            return Outcome.RETRY, "webhook/connection-lost", None, None

    def _headers(self, batch: Sequence[FeedItem], content: bytes) -> list[tuple[bytes, bytes]]:
        now = self._clock.now()
        name, timestamp_s = message_id(batch), int(now.timestamp())
        keys = [secret.key for secret in self._secrets if secret.is_live(now)]
        told = {
            "Host": self._destination.authority,
            "User-Agent": USER_AGENT,
            "Content-Type": CONTENT_TYPE if len(batch) == 1 else BATCH_CONTENT_TYPE,
            "Content-Length": str(len(content)),
            "Accept-Encoding": "identity",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(keys, name, timestamp_s, content),
        }
        return [(key.encode(), value.encode()) for key, value in told.items()]

    def _judge(self, answer: httpcore.Response) -> _Judged:
        status = answer.status
        if 200 <= status < 300:
            return Outcome.DELIVERED, "", status, None
        if status == 410:
            return Outcome.GONE, "webhook/gone", status, None
        retry_after_s = None
        if status in (429, 503):
            retry_after_s = self._retry_after_s(answer)
        return Outcome.RETRY, code_of(status), status, retry_after_s

    def _retry_after_s(self, answer: httpcore.Response) -> float | None:
        """Seconds or a date (RFC 9110, 10.2.3); what is neither, or past, is nothing."""
        text = b""
        for name, value in answer.headers:
            if name.lower() == b"retry-after":
                text = value
        said = text.decode("latin-1").strip()
        if said.isascii() and said.isdigit() and len(said) <= 12:
            return float(said)
        try:
            until = parsedate_to_datetime(said)
        except (ValueError, OverflowError):
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        wait_s = (until - self._clock.now()).total_seconds()
        return wait_s if wait_s > 0 else None

    async def close(self) -> None:
        """Let go of the connection and of the resolver's thread. Idempotent."""
        await self._pool.aclose()
        close = getattr(self._resolver, "close", None)
        if close is not None:
            close()


def code_of(status: int) -> str:
    """Why a status is no delivery; a closed list, since it labels a metric."""
    if status in (408, 413, 422, 429, 503):
        return f"webhook/status-{status}"
    if 300 <= status < 400:
        return "webhook/redirect"
    if 400 <= status < 500:
        return "webhook/client-error"
    if 500 <= status < 600:
        return "webhook/server-error"
    return "webhook/not-http"


async def _drain(answer: httpcore.Response) -> None:
    """Read the rest so that the connection can be used again, if it is short and quick."""
    left = MOST_BODY_BYTES
    with contextlib.suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in answer.aiter_stream():
                left -= len(chunk)
                if left <= 0:
                    return
