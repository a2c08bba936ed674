"""What a reader of the whole feed has said to have is noted, for the sinks that stand in for live readers.

What was merely given to a connection is not: a proxy takes everything, whether or not anybody reads.
"""

import asyncio

from proctor.api.grpc_feed import FeedCalls
from proctor.api.proto.alerts_pb2 import FollowRequest
from proctor.domain.ids import TenantId
from proctor.services.live_readers import WORD_HOLDS_S, caught_up
from tests.contract.samples import ACME, alert, judged
from tests.fakes.api import QUICK, FakeApi, FakeSocket


async def raise_alerts(api: FakeApi, *seqs: int) -> None:
    await api.incidents.commit([judged(*(alert(seq) for seq in seqs))])
    await api.feed.publish_pending(10)


async def open_feed(api: FakeApi, socket: FakeSocket, **hello: object) -> None:
    """Read up to the head."""
    await socket.hello(await api.live_ticket(api.token()), **hello)
    await socket.hear_until("caught_up")


async def looked(api: FakeApi) -> None:
    """A few looks of a quick socket (20 ms each) go by."""
    await asyncio.sleep(0.1)


async def test_what_a_reader_says_to_have_is_noted_until_the_word_runs_out(api: FakeApi) -> None:
    await raise_alerts(api, 1, 2, 3)
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await looked(api)
        assert (await caught_up(api.live, ACME) or 0) == 0, "given is not read"
        await api.clock.advance(5_000)
        assert await socket.hear() == {"type": "ping"}
        await socket.say({"type": "pong"})
        await looked(api)
        assert await caught_up(api.live, ACME) == 3
        assert await caught_up(api.live, TenantId("umbrella")) is None
    await api.clock.advance(WORD_HOLDS_S * 1000)
    assert await caught_up(api.live, ACME) is None


async def test_who_came_with_a_cursor_has_what_is_before_it(api: FakeApi) -> None:
    await raise_alerts(api, 1, 2)
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket, after=2)
        await looked(api)
        assert await caught_up(api.live, ACME) == 2


async def test_a_line_that_died_has_nothing_more(api: FakeApi) -> None:
    """Its alerts were sent; nobody will ever answer the question behind them."""
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await raise_alerts(api, 1)
        for _ in range(5):
            await api.clock.advance(5_000)
            await looked(api)
            assert (await caught_up(api.live, ACME) or 0) == 0


async def test_a_feed_that_never_rests_is_noted_too(api: FakeApi) -> None:
    """An alert every 3 s: there is never a silence, and the reader answers what it is asked."""
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        for seq in range(1, 9):
            await raise_alerts(api, seq)
            while (await socket.hear())["type"] != "alert":
                await socket.say({"type": "pong"})
            await api.clock.advance(3_000)
            await looked(api)
        noted = await caught_up(api.live, ACME)
        assert noted is not None and noted >= 6


async def test_a_reader_of_one_session_or_exam_is_no_reader_of_the_feed(api: FakeApi) -> None:
    await raise_alerts(api, 1, 2)
    for only in ({"session_id": "ses_1"}, {"exam_id": "exm_1"}):
        async with api.socket("/alerts") as socket:
            await open_feed(api, socket, after=2, **only)
            await looked(api)
            assert await caught_up(api.live, ACME) is None


async def test_who_cannot_say_that_it_reads_is_no_reason_to_be_silent(api: FakeApi) -> None:
    """A call over gRPC whose proxy takes everything; nobody may be there. SSE follows in the same way."""
    await raise_alerts(api, 1, 2)
    metadata = [("authorization", f"Bearer {api.token()}")]
    messages = FeedCalls(api.services, QUICK).follow(FollowRequest(), metadata)
    async for message in messages:
        if not message.events:
            break
    await messages.aclose()
    assert await caught_up(api.live, ACME) is None
