"""A TCP relay that can lose the answer to a COMMIT: the one moment when nobody knows what happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Relay:
    """Passes bytes on. While `cuts_commits`, it passes a COMMIT on, waits, and cuts the connection.

    Attributes:
        cuts_commits: Whether the answers to commits are lost.
        cuts: How many were.
        is_down: Nobody gets through; `close` cuts those who are.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._connections: set[asyncio.Task[None]] = set()
        self.cuts_commits = False
        self.cuts = 0
        self.is_down = False

    async def serve(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        """One connection, from the client to the target and back."""
        if self.is_down:
            client_out.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        server_in, server_out = await asyncio.open_connection("127.0.0.1", self._target_port)
        answers = asyncio.create_task(self._pass(server_in, client_out))
        try:
            while data := await client_in.read(65536):
                is_lost = self.cuts_commits and b"COMMIT" in data
                if is_lost:
                    answers.cancel()
                    self.cuts += 1
                server_out.write(data)
                await server_out.drain()
                if is_lost:
                    await asyncio.sleep(0.3)  # PostgreSQL commits; its answer reaches nobody
                    return
        except asyncio.CancelledError:
            pass  # `close` cuts; asyncio's own callback would complain about it
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            client_out.close()
            server_out.close()
            self._connections.discard(task)

    @staticmethod
    async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    async def close(self) -> None:
        """Cut every connection; new ones are taken, unless `is_down`."""
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def run_relay(target_port: int) -> AsyncIterator[tuple[Relay, int]]:
    """A relay on a free port of 127.0.0.1: (the relay, its port)."""
    relay = Relay(target_port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    yield relay, server.sockets[0].getsockname()[1]
    await relay.close()
    server.close()
    await server.wait_closed()
