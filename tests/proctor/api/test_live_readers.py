"""F32: a WebSocket client that is slow or dead. Others do not notice, it is let go, it misses nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from proctor.api.live import create_live_app
from proctor.domain.roles import Role
from tests.fakes.api import QUICK, FakeApi, FakeSocket
from tests.proctor.api.served import served, until
from tests.proctor.api.test_live import alert_of, raise_alerts

WINDOW = 20_000
ALERTS = 100


@pytest.fixture
async def full(api: FakeApi) -> FakeApi:
    """A feed of several windows; sockets may have a small one under way."""
    api.live_app = create_live_app(api.services, replace(QUICK, window_bytes=WINDOW, say_s=0.3))
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, ALERTS + 1)))
    return api


@pytest.fixture
async def url(full: FakeApi) -> AsyncIterator[str]:
    async with served(full.live_app, "/v1/live") as base_url:
        yield base_url


async def hello(api: FakeApi, socket: FakeSocket, after: int = 0) -> None:
    await socket.hello(await api.live_ticket(api.token(Role.PROCTOR)), after=after)


async def hear_all(socket: FakeSocket, *, answers: bool) -> tuple[list[int], str, int]:
    """Positions heard until the feed has caught up or the socket closed; how it ended; bytes heard."""
    positions, size = list[int](), 0
    while True:
        message = await socket.hear()
        size += len(json.dumps(message))
        match message["type"]:
            case "alert":
                positions.append(message["position"])
            case "ping" if answers:
                await socket.say({"type": "pong"})
            case "caught_up" | "closed" as end:
                return positions, end, size


async def test_who_does_not_say_that_it_reads_gets_one_window_and_its_cursor_goes_on(
    full: FakeApi,
) -> None:
    """The fake takes all that it is given, as Serve's proxy does: nothing else would hold the server."""
    found: list[int] = []
    for _ in range(20):
        async with full.socket("/alerts") as socket:
            await hello(full, socket, after=found[-1] if found else 0)
            positions, end, size = await hear_all(socket, answers=False)
        found += positions
        assert size < WINDOW + 3_000, "bounded, whatever the reader does"
        if end == "caught_up":
            break
        assert socket.code == 1013
    assert found == list(range(1, ALERTS + 1))
    closed = full.metrics.counted("live_sockets_closed_total", kind="alerts", code="1013")
    assert closed >= 3


async def test_who_answers_reads_window_after_window_over_one_socket(full: FakeApi) -> None:
    async with full.socket("/alerts") as socket:
        await hello(full, socket)
        positions, end, size = await hear_all(socket, answers=True)
    assert (positions, end) == (list(range(1, ALERTS + 1)), "caught_up")
    assert size > 3 * WINDOW


async def test_answers_to_our_questions_are_no_flood_but_idle_ones_are(full: FakeApi) -> None:
    tiny = replace(QUICK, window_bytes=1_000, messages_per_s=5)
    full.live_app = create_live_app(full.services, tiny)
    async with full.socket("/alerts") as socket:
        await hello(full, socket)
        positions, end, _ = await hear_all(socket, answers=True)  # a question after every alert
        assert (len(positions), end) == (ALERTS, "caught_up")
        for _ in range(6):
            await socket.say({"type": "pong"})
        assert (await socket.hear())["code"] == 1008


async def test_a_dead_client_among_living_ones(full: FakeApi, url: str) -> None:
    """Real sockets: one never reads, two do; then the first wakes up and goes on with its cursor."""
    async with (
        opened(full, url, max_queue=1) as stuck,
        opened(full, url) as first,
        opened(full, url) as second,
    ):
        async with asyncio.timeout(10):
            heard = await asyncio.gather(read(first), read(second))
            assert [positions for positions, _ in heard] == [list(range(1, ALERTS + 1))] * 2
            await until(lambda: full.metrics.counted("live_sockets_closed_total", code="1013"))
            late, code = await read(stuck, answers=False)
        assert code == 1013
        assert late == list(range(1, len(late) + 1)) and len(late) < ALERTS / 2
    async with opened(full, url, after=late[-1]) as again:
        async with asyncio.timeout(10):
            rest, _ = await read(again)
    assert rest == list(range(late[-1] + 1, ALERTS + 1))


def opened(api: FakeApi, url: str, after: int = 0, max_queue: int = 16) -> "_Opened":
    return _Opened(api, url, after, max_queue)


class _Opened:
    """A client of the websockets library that has said hello."""

    def __init__(self, api: FakeApi, url: str, after: int, max_queue: int) -> None:
        self._api = api
        self._after = after
        address = f"{url.replace('http', 'ws')}/v1/live/alerts"
        self._opening = connect(address, origin=url, max_queue=max_queue)  # type: ignore[arg-type]

    async def __aenter__(self) -> ClientConnection:
        ticket = await self._api.live_ticket(self._api.token(Role.PROCTOR))
        socket = await self._opening.__aenter__()
        await socket.send(json.dumps({"type": "hello", "ticket": ticket, "after": self._after}))
        return socket

    async def __aexit__(self, *error: Any) -> None:
        await self._opening.__aexit__(*error)


async def read(socket: ClientConnection, *, answers: bool = True) -> tuple[list[int], int | None]:
    """Positions until the feed has caught up or the socket closed, and the close code."""
    positions: list[int] = []
    try:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "alert":
                positions.append(message["position"])
            elif message["type"] == "ping" and answers:
                await socket.send('{"type": "pong"}')
            elif message["type"] == "caught_up":
                return positions, None
    except ConnectionClosed:
        pass
    return positions, socket.close_code
