"""A server that fails as it is told: it answers with the bytes of a script, one line of it per request."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RESET = b"\x00reset"
"""At the end of an answer: the connection is reset; without it, it is closed."""


def http(
    status: int, body: bytes = b"", headers: Sequence[str] = (), length: int | None = None
) -> bytes:
    """An answer; `length` may lie."""
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def events(*said: bytes) -> bytes:
    """A stream of events, as long as the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + b"".join(said)


@dataclass
class Asked:
    """A request that came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")


@dataclass
class Faulty:
    """What it answers, in order (the last answer again and again), and what it was asked."""

    answers: list[bytes]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = dict(each.lower().split(": ", 1) for each in rest)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(Asked(line, headers, body))
        is_reset = answer.endswith(RESET)
        writer.write(answer.removesuffix(RESET))
        await writer.drain()
        if is_reset:
            await asyncio.sleep(0.05)  # what was sent is read; then the reset takes the rest
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()


@asynccontextmanager
async def faulty(*answers: bytes) -> AsyncIterator[Faulty]:
    """A faulty server on loopback."""
    told = Faulty(list(answers))
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    told.url = f"http://{host}:{port}"
    try:
        yield told
    finally:
        server.close()
