"""A reader of the whole feed is noted while it keeps up, for the sinks that stand in for live readers."""

import asyncio

from proctor.domain.ids import TenantId
from proctor.services.live_readers import WORD_HOLDS_S, caught_up
from tests.contract.samples import ACME, alert, judged
from tests.fakes.api import FakeApi


async def open_feed(api: FakeApi, alerts: int, **hello: object) -> None:
    """A socket that reads up to the head, and goes."""
    await api.incidents.commit([judged(*(alert(seq) for seq in range(1, alerts + 1)))])
    await api.feed.publish_pending(10)
    ticket = await api.live_ticket(api.token())
    async with api.socket("/alerts") as socket:
        await socket.hello(ticket, **hello)
        await socket.hear_until("caught_up")
        await asyncio.sleep(0)


async def test_who_has_everything_is_noted_until_the_word_runs_out(api: FakeApi) -> None:
    assert await caught_up(api.live, ACME) is None
    await open_feed(api, 5)
    assert await caught_up(api.live, ACME) == 5
    assert await caught_up(api.live, TenantId("umbrella")) is None
    await api.clock.advance(WORD_HOLDS_S * 1000)
    assert await caught_up(api.live, ACME) is None


async def test_a_reader_of_one_session_or_exam_is_no_reader_of_the_feed(api: FakeApi) -> None:
    await open_feed(api, 2, session_id="ses_1")
    await open_feed(api, 2, exam_id="exm_1")
    assert await caught_up(api.live, ACME) is None
