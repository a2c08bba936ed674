"""The alert stream: it comes back after cuts, goes on by position and doubles nothing."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from proctor.domain.roles import Role
from proctor_client import AnswerNotUnderstood, NotAuthenticated, NotPermitted, Retries
from tests.fakes.api import FakeApi
from tests.proctor.api.test_live import alert_of, raise_alerts
from tests.sdk.both import HASTY, Both, Kind
from tests.sdk.faulty import RESET, events, faulty, http


def stream(after: int = 0, retries: Retries = HASTY) -> Callable[[Any], Any]:
    return lambda c: c.alerts.stream(after=after, retries=retries)


async def test_the_backlog_comes_and_then_what_is_new(api: FakeApi, both: Both) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 6)))
    reading = asyncio.create_task(both.items(stream(after=2), most=5))
    await asyncio.sleep(0.1)
    await raise_alerts(api, alert_of(api, 6), alert_of(api, 7))
    async with asyncio.timeout(20):
        found = await reading
    assert [item.position for item in found] == [3, 4, 5, 6, 7]
    assert found == (await both.items(lambda c: c.alerts.list(after=2)))


async def test_a_stream_of_one_session(api: FakeApi, both: Both) -> None:
    for seq in (1, 2):
        await raise_alerts(api, alert_of(api, seq), alert_of(api, seq, session="ses_2"))
    async with asyncio.timeout(20):
        found = await both.items(lambda c: c.alerts.stream(session_id="ses_2"), most=2)
    assert {item.alert.session_id for item in found} == {"ses_2"}


async def test_a_role_that_may_not_is_told_at_once(api: FakeApi, both: Both) -> None:
    stranger = both.as_("not.a.token")
    with pytest.raises(NotAuthenticated):
        await stranger.items(stream(), most=1)
    await stranger.close()
    analyst = both.as_(api.token(Role.ANALYST))
    with pytest.raises(NotPermitted):
        await analyst.items(stream(), most=1)
    await analyst.close()


@pytest.fixture(params=["threads", "coroutines"])
async def item(request: pytest.FixtureRequest, api: FakeApi) -> tuple[Kind, bytes]:
    """A kind of client, and the JSON of an alert."""
    await raise_alerts(api, alert_of(api, 1))
    pages = await api.client.get("/v1/alerts", headers=api.as_())
    return request.param, json.dumps(pages.json()["items"][0]["alert"]).encode()


def event(position: int, alert: bytes) -> bytes:
    data = b'{"position":%d,"alert":%b}' % (position, alert)
    return b"id: %d\nevent: alert\ndata: %b\n\n" % (position, data)


async def test_cuts_of_every_kind_lose_and_double_nothing(item: tuple[Kind, bytes]) -> None:
    kind, alert = item
    one, two, three, four = (event(n, alert) for n in (1, 2, 3, 4))
    end = b'event: end\ndata: {"code":"window"}\n\n'
    answers = (
        events(one, two[:-30]),  # cut in the middle of an event
        events(one, two),  # a server that begins too early
        http(503, b"{}", ["Retry-After: 0"]),
        http(429, b"{}", ["Retry-After: 0"]),
        RESET,
        events(three, end),  # ended by itself
        events(three, b": ping\n\n", four, RESET),
        events(event(5, alert)),
    )
    async with faulty(*answers) as server:
        client = Both(kind, server.url, "a-token")
        async with asyncio.timeout(20):
            found = await client.items(
                stream(retries=Retries(attempts=9, first_wait_s=0.01)), most=5
            )
        await client.close()
    assert [each.position for each in found] == [1, 2, 3, 4, 5]
    asked = [each.line.split("after=")[1].split()[0] for each in server.asked]
    assert asked == ["0", "1", "2", "2", "2", "2", "3", "4"]


async def test_with_a_filter_it_goes_on_behind_what_was_passed_over(
    item: tuple[Kind, bytes],
) -> None:
    kind, alert = item
    caught_up = b'id: 40\nevent: caught_up\ndata: {"position": 40}\n\n'
    async with faulty(events(caught_up), events(event(41, alert))) as server:
        client = Both(kind, server.url, "a-token")
        found = await client.items(stream(), most=1)
        await client.close()
    assert found[0].position == 41 and "after=40" in server.asked[1].line


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html></html>", ["Content-Type: text/html"]),
        events(b"id: 1\nevent: alert\ndata: {not json\n\n"),
        events(b'id: 1\nevent: alert\ndata: {"position": 1}\n\n'),
    ],
    ids=["a-page", "garbage", "no-alert"],
)
async def test_nonsense_is_no_stream(item: tuple[Kind, bytes], answer: bytes) -> None:
    async with faulty(answer) as server:
        client = Both(item[0], server.url, "a-token")
        with pytest.raises(AnswerNotUnderstood):
            await client.items(stream(), most=1)
        await client.close()
    assert len(server.asked) == 1


async def test_a_server_that_says_nothing_is_given_up(item: tuple[Kind, bytes]) -> None:
    async with faulty(events()) as server:
        client = Both(item[0], server.url, "a-token")
        with pytest.raises(Exception, match="without a word"):
            await client.items(stream(), most=1)
        await client.close()
    assert len(server.asked) == HASTY.attempts


async def test_a_token_that_ended_is_made_anew_where_the_caller_can(
    item: tuple[Kind, bytes],
) -> None:
    kind, alert = item
    tokens = iter(["first", "second"])
    ended = b'event: end\ndata: {"code":"auth/expired"}\n\n'
    async with faulty(events(event(1, alert), ended), events(event(2, alert))) as server:
        client = Both(kind, server.url, lambda: next(tokens))
        found = await client.items(stream(), most=2)
        await client.close()
    assert [each.position for each in found] == [1, 2]
    assert [each.headers["authorization"] for each in server.asked] == [
        "bearer first",
        "bearer second",
    ]
