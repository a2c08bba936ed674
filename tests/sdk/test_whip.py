"""A candidate's connection: offered, trickled to, resumed, left."""

import json

import pytest

from proctor_client import AnswerNotUnderstood, Problem
from proctor_client.models import Joined
from tests.fakes.api import OFFER, FakeApi
from tests.sdk.both import Both
from tests.sdk.faulty import faulty, http

FRAGMENT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "a=mid:0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\n"
)


async def joined(api: FakeApi, both: Both) -> Joined:
    made = await api.new_session()
    found: Joined = await both.call(lambda c: c.join(made["join_ticket"]))
    return found


async def test_a_connection_from_offer_to_leave_and_resumed(api: FakeApi, both: Both) -> None:
    mine = await joined(api, both)
    assert mine.whip_url.startswith(both.url)
    whip = both.client.whip(mine)
    first = await both.call(lambda _: whip.offer(OFFER))
    assert first.sdp.startswith("v=0") and first.url == f"{mine.whip_url}/1"
    assert first.sdp not in repr(first)
    await both.call(lambda _: whip.trickle(FRAGMENT))
    second = await both.call(lambda _: whip.offer(OFFER))
    assert (second.url, second.etag) == (f"{mine.whip_url}/2", '"2"')
    await both.call(lambda _: whip.leave())
    await both.call(lambda _: whip.leave())
    with pytest.raises(ValueError, match="offer first"):
        await both.call(lambda _: whip.trickle(FRAGMENT))


async def test_an_offer_that_is_none_is_refused(api: FakeApi, both: Both) -> None:
    whip = both.client.whip(await joined(api, both))
    with pytest.raises(Problem) as told:
        await both.call(lambda _: whip.offer("nonsense"))
    assert 400 <= told.value.status < 500 and whip.answer is None


async def test_an_offer_is_not_repeated_and_its_token_goes_nowhere_else(
    api: FakeApi, both: Both
) -> None:
    mine = json.loads((await joined(api, both)).model_dump_json())
    async with faulty(
        http(503), http(201, b"v=0", ["Location: http://elsewhere.example/1"])
    ) as server:
        elsewhere = Joined.model_validate(mine | {"whip_url": f"{server.url}/whip"})
        whip = both.client.whip(elsewhere)
        with pytest.raises(Problem):
            await both.call(lambda _: whip.offer(OFFER))
        assert len(server.asked) == 1
        with pytest.raises(AnswerNotUnderstood, match="another server"):
            await both.call(lambda _: whip.offer(OFFER))
