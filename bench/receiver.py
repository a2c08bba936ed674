"""A webhook receiver that does what it is told to: answers well, badly, slowly, endlessly or not at all.

A plain TLS server on 127.0.0.1 under a certificate authority of its own; used by the tests and by
`bench.push_faults`. It reads HTTP/1.1 itself, so that it can break every rule of it.
"""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def reply(status: int, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Said", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(frozen=True, slots=True)
class Got:
    """A request that arrived whole.

    Attributes:
        path: Path and query.
        headers: In lower case.
        body: Its bytes.
    """

    path: str
    headers: dict[str, str]
    body: bytes


Answer = bytes | str
"""Bytes are sent as they are; `reset`, `silence`, `drip` and `flood` are done."""


@dataclass
class Receiver:
    """What arrived, and what is answered.

    Attributes:
        answers: For the next requests, in turn; `usual` once they are used up.
        usual: The answer without a script.
        decide: An answer for this request, before the script; None leaves it to the script.
        got: Every request that arrived whole, answered or not.
        connects: How many sockets were opened to it.
    """

    answers: list[Answer] = field(default_factory=list)
    usual: Answer = OK
    decide: Callable[[Got], Answer | None] | None = None
    got: list[Got] = field(default_factory=list)
    connects: int = 0
    port: int = 0
    sent_bytes: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connects += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                got = await _read(reader)
                if got is None:
                    break
                self.got.append(got)
                answer = self.decide(got) if self.decide is not None else None
                if answer is None:
                    answer = self.answers.pop(0) if self.answers else self.usual
                if not await self._answer(answer, writer):
                    break
        writer.close()

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return True
        if answer == "reset":
            writer.transport.abort()
        elif answer == "silence":
            await asyncio.Event().wait()
        elif answer == "drip":
            for byte in OK * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
        elif answer == "flood":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            for _ in range(160_000):
                writer.write(bytes(65_536))
                await writer.drain()
                self.sent_bytes += 65_536
        return False


async def _read(reader: asyncio.StreamReader) -> Got | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(first.split(" ")[1], headers, body)


@contextlib.asynccontextmanager
async def receiving(
    receiver: Receiver, tls: ssl.SSLContext | None, port: int = 0
) -> AsyncIterator[Receiver]:
    """The receiver, listening on 127.0.0.1; every connection is ended with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await receiver.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@dataclass(frozen=True, slots=True)
class Certificates:
    """A private authority and a server's certificate.

    Attributes:
        ca: File with the authority's certificate.
        tls: The server's side.
    """

    ca: Path
    tls: ssl.SSLContext


def make_certificates(folder: Path, names: Sequence[str] = ("127.0.0.1",)) -> Certificates:
    """A fresh authority, and a certificate of it for these names and addresses; good for a day."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receivers' authority")])

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    ca = (
        begun(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subjects: list[x509.GeneralName] = []
    for name in names:
        try:
            subjects.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            subjects.append(x509.DNSName(name))
    leaf = (
        begun(x509.Name([]), key.public_key())
        .add_extension(x509.SubjectAlternativeName(subjects), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(pem)
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "server.pem")
    return Certificates(folder / "ca.pem", tls)
