"""The feed as server-sent events, read by an independent library over real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from proctor.api.live import create_live_app
from proctor.domain.roles import Role
from tests.fakes.api import QUICK, FakeApi
from tests.proctor.api.served import served, until
from tests.proctor.api.test_live import alert_of, raise_alerts

PATH = "/v1/live/alerts/stream"
OPEN = ("live_streams", (("kind", "sse"),))


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(api.live_app, "/v1/live", send_buffer=16_384) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as found,
    ):
        yield found


class Reader:
    """What one connection brought."""

    def __init__(self) -> None:
        self.events: list[ServerSentEvent] = []

    @property
    def positions(self) -> list[int]:
        return [int(event.id) for event in self.events if event.event == "alert"]


async def read(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    until: str = "caught_up",
    **params: Any,
) -> Reader:
    """Read one stream up to the first event of a kind, then leave."""
    reader = Reader()
    async with (
        asyncio.timeout(10),
        aconnect_sse(client, "GET", PATH, headers=headers, params=params) as source,
    ):
        async for event in source.aiter_sse():
            reader.events.append(event)
            if event.event in (until, "end"):
                break
    return reader


async def test_the_backlog_comes_then_what_is_new_and_it_is_what_the_pages_say(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 9)))  # pages of three
    headers = api.as_(Role.PROCTOR)
    seen: list[ServerSentEvent] = []
    async with (
        asyncio.timeout(10),
        aconnect_sse(client, "GET", PATH, headers=headers, params={"after": 2}) as source,
    ):
        assert source.response.headers["content-type"].startswith("text/event-stream")
        assert source.response.headers["cache-control"] == "no-store"
        async for event in source.aiter_sse():
            seen.append(event)
            if event.event == "caught_up":
                await raise_alerts(api, alert_of(api, 9), alert_of(api, 10))
            if event.id == "10":
                break
    assert [event.id for event in seen] == ["3", "4", "5", "6", "7", "8", "8", "9", "10"]
    pages = await api.client.get("/v1/alerts?after=2", headers=api.as_(Role.PROCTOR))
    streamed = [json.loads(event.data) for event in seen if event.event == "alert"]
    assert streamed == pages.json()["items"]


async def test_a_reader_that_comes_back_goes_on_after_its_last_event(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 6)))
    headers = api.as_(Role.PROCTOR)
    first = await read(client, headers, until="caught_up", after=3)
    assert first.positions == [4, 5]
    await raise_alerts(api, alert_of(api, 6))
    # A browser repeats the address as it was: what it has seen since counts for more.
    second = await read(client, {**headers, "Last-Event-ID": "5"}, after=3)
    assert second.positions == [6]


async def test_a_stream_may_be_of_one_session_or_exam(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, session="ses_2"))
    headers = api.as_(Role.PROCTOR)
    assert (await read(client, headers, session_id="ses_2")).positions == [2]
    assert (await read(client, headers, exam_id="exa_1")).positions == [1, 2]
    assert (await read(client, headers, exam_id="exa_unknown")).positions == []


async def test_tenants_never_hear_each_other(api: FakeApi, client: httpx.AsyncClient) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, tenant="umbrella", session="ses_9"))
    theirs = await read(client, api.as_(Role.PROCTOR, tenant="umbrella"))
    assert [json.loads(event.data)["alert"]["session_id"] for event in theirs.events[:-1]] == [
        "ses_9"
    ]


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({}, {"after": 2}, 400, "cursor/ahead"),
        ({"Last-Event-ID": "2"}, {}, 400, "cursor/ahead"),
        ({"Last-Event-ID": "x"}, {}, 422, "cursor/invalid"),
        ({"Last-Event-ID": "-1"}, {}, 422, "cursor/invalid"),
        ({"Last-Event-ID": "9" * 17}, {}, 422, "cursor/invalid"),
        ({"Last-Event-ID": "9" * 21}, {}, 422, "request/invalid"),
        ({}, {"after": "x"}, 422, "request/invalid"),
        ({}, {"session_id": "a b"}, 422, "request/invalid"),
    ],
)
async def test_a_cursor_that_cannot_be_is_a_problem_and_no_stream(
    api: FakeApi,
    client: httpx.AsyncClient,
    headers: dict[str, str],
    params: dict[str, Any],
    status: int,
    code: str,
) -> None:
    await raise_alerts(api, alert_of(api, 1))
    answer = await client.get(PATH, headers={**api.as_(Role.PROCTOR), **headers}, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_address_beside_the_pages_shows_the_way(api: FakeApi) -> None:
    answer = await api.client.get("/v1/alerts/stream?after=7", headers=api.as_(Role.PROCTOR))
    assert (answer.status_code, answer.headers["location"]) == (307, f"{PATH}?after=7")


async def test_a_stream_ends_with_its_token_and_says_so(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    reading = asyncio.create_task(read(client, api.as_(Role.PROCTOR), until="end"))
    await until(lambda: api.metrics.gauges.get(OPEN) == 1)
    await api.clock.advance(3_600_000)
    last = (await reading).events[-1]
    assert (last.event, json.loads(last.data)) == ("end", {"code": "auth/expired"})
    assert api.metrics.counted("live_streams_closed_total", kind="sse", code="auth/expired") == 1


async def test_a_revoked_token_ends_its_stream(api: FakeApi, client: httpx.AsyncClient) -> None:
    headers = api.as_(Role.PROCTOR)
    reading = asyncio.create_task(read(client, headers, until="end"))
    await asyncio.sleep(0.05)
    await api.client.post("/v1/sign-out", headers=headers)
    assert json.loads((await reading).events[-1].data) == {"code": "auth/revoked"}


async def test_silence_is_broken_by_a_comment(api: FakeApi, client: httpx.AsyncClient) -> None:
    async with (
        asyncio.timeout(10),
        client.stream("GET", PATH, headers=api.as_(Role.PROCTOR)) as answer,
    ):
        lines = answer.aiter_lines()
        while await anext(lines) != "event: caught_up":
            pass
        await api.clock.advance(15_000)
        while (line := await anext(lines)) != ": ping":
            assert not line.startswith("event"), line


async def test_stores_that_go_away_end_the_stream_and_it_is_said(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    reading = asyncio.create_task(read(client, api.as_(Role.PROCTOR), until="end"))
    await asyncio.sleep(0.05)
    api.feed.down = True
    assert json.loads((await reading).events[-1].data) == {"code": "state-store/unavailable"}


async def test_a_long_answer_ends_after_a_window_and_nothing_is_missed_or_doubled(
    api: FakeApi,
) -> None:
    api.live_app = create_live_app(api.services, replace(QUICK, window_bytes=8_000))
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 41)))
    headers, found, answers = api.as_(Role.PROCTOR), list[int](), 0
    async with (
        served(api.live_app, "/v1/live") as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        while len(found) < 40:
            last = {"Last-Event-ID": str(found[-1])} if found else {}
            part = await read(client, {**headers, **last})
            found += part.positions
            answers += 1
            if part.events[-1].event == "end":
                assert json.loads(part.events[-1].data) == {"code": "window"}
    assert found == list(range(1, 41))
    assert answers >= 4


async def test_no_more_than_a_window_and_an_alert_is_under_way_however_large_a_page(
    api: FakeApi,
) -> None:
    limits = replace(QUICK, window_bytes=8_000, page=100)
    api.live_app = create_live_app(api.services, limits)
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 41)))
    async with (
        served(api.live_app, "/v1/live") as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        part = await read(client, api.as_(Role.PROCTOR))
    assert part.events[-1].event == "end"
    assert sum(len(event.data) for event in part.events) < 10_000
    assert part.positions == list(range(1, len(part.positions) + 1))


async def test_a_reader_that_stops_reading_is_cut_and_comes_back_and_others_do_not_notice(
    api: FakeApi, client: httpx.AsyncClient
) -> None:
    for first in range(1, 501, 100):
        await raise_alerts(api, *(alert_of(api, seq) for seq in range(first, first + 100)))
    headers = api.as_(Role.PROCTOR)
    host, port = client.base_url.host, client.base_url.port
    with socket.socket() as stuck:  # takes what its own small buffer holds, then nothing
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        stuck.connect((host, port))
        asked = f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        asked += f"Authorization: {headers['Authorization']}\r\n\r\n"
        stuck.sendall(asked.encode())
        other = await read(client, headers)  # while the stuck one holds on
        assert other.positions == list(range(1, 501))
        await until(lambda: api.metrics.counted("live_streams_closed_total", code="slow"))
        stuck.setblocking(False)
        got = b""
        async with asyncio.timeout(10):
            while part := await _received(stuck):
                got += part
    whole = [line for line in got.split(b"\n") if line.startswith(b"id: ")][:-1]
    assert 0 < len(whole) < 400, "what was under way, and no more"
    last = int(whole[-1].removeprefix(b"id: "))
    rest = await read(client, {**headers, "Last-Event-ID": str(last)})
    assert rest.positions == list(range(last + 1, 501))


async def _received(connection: socket.socket) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(connection, 65_536)
    except ConnectionResetError:
        return b""


async def test_who_leaves_leaves_nothing_behind(api: FakeApi, client: httpx.AsyncClient) -> None:
    await read(client, api.as_(Role.PROCTOR))
    await until(lambda: api.metrics.counted("live_streams_closed_total", code="client"))
    assert api.metrics.gauges[OPEN] == 0
    assert not any(
        not listener.is_closed for heard in api.live._listeners.values() for listener in heard
    )
