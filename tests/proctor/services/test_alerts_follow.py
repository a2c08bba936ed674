"""The follower that every reader of the feed uses, and the window that stands for what nobody sees."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.domain.errors import StateStoreUnavailable, Unauthorized
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.roles import Principal, Role
from proctor.services.alerts import CursorAhead
from proctor.services.alerts_follow import MOST_QUESTIONS, Wanted, Window, following
from tests.fakes.api import FakeApi
from tests.proctor.api.test_live import alert_of, raise_alerts

LONG_S = 60.0


@pytest.fixture
def api(tmp_path: Path) -> FakeApi:
    return FakeApi(tmp_path)


def caller(api: FakeApi) -> Principal:
    return Principal(
        subject="ada",
        tenant_id=TenantId("acme"),
        role=Role.PROCTOR,
        token_id="tok_1",
        expires_at=api.clock.now() + timedelta(hours=1),
    )


async def test_pages_then_an_empty_one_then_news(api: FakeApi) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 6)))
    async with following(api.services, caller(api), Wanted(after=1), page=3, look_s=LONG_S) as feed:
        pages = [[item.position for item in await feed.next()] for _ in range(3)]
        assert pages == [[2, 3, 4], [5], []]
        waiting = asyncio.create_task(feed.next())  # only the notification can wake it
        await asyncio.sleep(0)
        await raise_alerts(api, alert_of(api, 6))
        async with asyncio.timeout(5):
            assert [item.position for item in await waiting] == [6]
        assert feed.position == 6


async def test_only_what_came_while_the_reader_waited_tells_of_the_delay(api: FakeApi) -> None:
    told: list[float] = []
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 2))
    async with following(
        api.services, caller(api), Wanted(), look_s=0.01, came=told.append
    ) as feed:
        assert len(await feed.next()) == 2
        assert await feed.next() == []
        assert told == []
        late = replace(alert_of(api, 3), raised_at=api.clock.now() - timedelta(seconds=3))
        await raise_alerts(api, late)
        assert len(await feed.next()) == 1
    assert told == [3.0]


async def test_news_between_two_reads_is_not_slept_over(api: FakeApi) -> None:
    async with following(api.services, caller(api), Wanted(), look_s=LONG_S) as feed:
        assert await feed.next() == []
        await raise_alerts(api, alert_of(api, 1))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert [item.position for item in await feed.next()] == [1]


async def test_a_lost_notification_is_made_up_for(api: FakeApi) -> None:
    async with following(api.services, caller(api), Wanted(), look_s=0.01) as feed:
        assert await feed.next() == []
        await raise_alerts(api, alert_of(api, 1), tell=False)
        assert [item.position for item in await feed.next()] == [1]


async def test_only_what_is_wanted(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, session="ses_2"))
    wanted = Wanted(session_id=SessionId("ses_2"))
    async with following(api.services, caller(api), wanted) as feed:
        assert [item.position for item in await feed.next()] == [2]


async def test_how_it_ends(api: FakeApi) -> None:
    who = caller(api)
    async with following(api.services, who, Wanted(after=7), look_s=0.01) as feed:
        with pytest.raises(CursorAhead):
            await feed.next()
    async with following(api.services, who, Wanted(), look_s=0.01) as feed:
        api.feed.down = True
        with pytest.raises(StateStoreUnavailable):
            await feed.next()
        api.feed.down = False
        await api.live.put("revoked:tok_1", "1", None)
        with pytest.raises(Unauthorized, match="revoked"):
            await feed.next()
        await api.clock.advance(3_600_000)
        with pytest.raises(Unauthorized, match="expired"):
            await feed.next()
    assert not any(
        not listener.is_closed for heard in api.live._listeners.values() for listener in heard
    )


async def test_without_live_state_nothing_begins_and_nothing_is_left(api: FakeApi) -> None:
    api.live.down = True
    with pytest.raises(StateStoreUnavailable):
        async with following(api.services, caller(api), Wanted()):
            pytest.fail("it began")


MOST = 100


@given(st.lists(st.one_of(st.integers(1, 40), st.just("answer")), max_size=200))
def test_never_more_is_under_way_than_a_window_and_one_message(
    steps: "list[int | str]",
) -> None:
    """A reader answers some of the questions, whenever it likes; each speaks for what came before it."""
    window, under_way, asked = Window(MOST), list[int](), list[int]()
    for step in steps:
        if step == "answer":
            assert window.answer() is bool(asked)
            if asked:
                del under_way[: asked.pop(0)]
        elif not window.is_full:
            window.send(int(step))
            under_way.append(int(step))
            if window.owes_question:
                window.ask()
                asked.append(len(under_way) - sum(asked))
        assert sum(under_way) < MOST + 40
        assert window.is_full is (sum(under_way) >= MOST)


@given(st.lists(st.integers(1, 40), min_size=30, max_size=60))
def test_a_reader_that_answers_every_question_is_never_held_up(sizes: list[int]) -> None:
    window = Window(MOST)
    for size in sizes:
        assert not window.is_full
        window.send(size)
        if window.owes_question:
            window.ask()
            assert window.answer()


def test_questions_that_nobody_answers_take_no_memory() -> None:
    window = Window(MOST)
    for _ in range(10_000):
        window.ask()
    answers = 0
    while window.answer():
        answers += 1
    assert answers == MOST_QUESTIONS
