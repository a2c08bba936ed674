"""A TCP relay that cuts: it resets what passes, takes nobody in, or loses the answer to a COMMIT."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

COMMITTED_S = 0.3
"""How long PostgreSQL gets for a commit whose answer reaches nobody."""

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Cutter:
    """Passes bytes on between clients and one port of this machine.

    Attributes:
        is_down: While it is set, new connections are reset at once.
        cuts_commits: While it is set, a COMMIT is passed on and its answer is lost with the connection:
            the one moment when nobody knows what happened.
        cuts: How many connections were cut.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_down = False
        self.cuts_commits = False
        self.cuts = 0

    def take(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """A client has connected."""
        if self.is_down:
            self._reset(client_out)
            return
        task = asyncio.create_task(self._serve(client_in, client_out))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reset(self) -> None:
        """Cut every connection with an RST to the client, as a firewall does that forgot it."""
        for client_out in list(self._clients):
            self._reset(client_out)

    def _reset(self, client_out: asyncio.StreamWriter) -> None:
        connection = client_out.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client_out.transport.abort()
        self._clients.discard(client_out)
        self.cuts += 1

    async def _serve(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        self._clients.add(client_out)
        server_out: asyncio.StreamWriter | None = None
        try:
            server_in, server_out = await asyncio.open_connection("127.0.0.1", self._target_port)
            is_lost = asyncio.Event()
            ways = [self._up(client_in, server_out, is_lost), _down(server_in, client_out, is_lost)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass
        finally:
            self._clients.discard(client_out)
            for writer in (client_out, server_out):
                if writer is not None:
                    writer.close()

    async def _up(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_lost: asyncio.Event
    ) -> None:
        while data := await source.read(65_536):
            if self.cuts_commits and b"COMMIT" in data:
                self.cuts += 1
                is_lost.set()
            sink.write(data)
            await sink.drain()
            if is_lost.is_set():
                await asyncio.sleep(COMMITTED_S)
                return

    async def close(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' own last step


async def _down(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_lost: asyncio.Event
) -> None:
    while data := await source.read(65_536):
        if not is_lost.is_set():
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def cutter(target_port: int) -> AsyncIterator[tuple[Cutter, int]]:
    """A relay to the port, and its own port."""
    relay = Cutter(target_port)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        yield relay, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await relay.close()
        await server.wait_closed()
