"""The live application behind a real uvicorn on loopback, for readers that are no fakes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount


@asynccontextmanager
async def served(app: FastAPI, prefix: str, send_buffer: int | None = None) -> AsyncIterator[str]:
    """Serve the application under the prefix; its base URL. `send_buffer`: of the kernel, in bytes."""
    listening = socket.socket()
    if send_buffer is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listening.bind(("127.0.0.1", 0))
    outer = Starlette(routes=[Mount(prefix, app)])
    config = uvicorn.Config(
        outer,
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await until(lambda: server.started)
        host, port = listening.getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task
        listening.close()


async def until(holds: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for what another task or thread brings about without telling; fails when it does not."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # nobody to set an event
            await asyncio.sleep(0.01)
