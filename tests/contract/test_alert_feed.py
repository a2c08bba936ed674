"""`AlertFeed`: what the fake and SQL both do."""

import asyncio
from collections.abc import Sequence

from proctor.adapters.sql.stores import SqlStores
from proctor.domain.alerts import FeedItem
from proctor.domain.ids import ExamId, SessionId
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, alert, judged


async def test_positions_are_given_on_publishing_in_commit_order(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(alert(1))])
    assert await furnished.feed.read(ACME, 0, 10) == []
    assert await furnished.feed.head(ACME) == 0
    assert await furnished.feed.heads() == {}
    await furnished.incidents.commit([judged(alert(2))])
    assert await furnished.feed.waiting() == (2, alert(1).raised_at)
    assert await furnished.feed.publish_pending(10) == 2
    assert await furnished.feed.waiting() == (0, None)
    assert await furnished.feed.publish_pending(10) == 0
    items = await furnished.feed.read(ACME, 0, 10)
    assert items == [FeedItem(position=1, alert=alert(1)), FeedItem(position=2, alert=alert(2))]
    assert await furnished.feed.head(ACME) == 2


async def test_reading_goes_on_after_a_position_and_filters(furnished: Relational) -> None:
    await furnished.incidents.commit(
        [
            judged(alert(1), alert(2)),
            judged(alert(1, "ses_2", exam_id="exm_2"), session_id="ses_2"),
        ]
    )
    await furnished.feed.publish_pending(10)
    read = furnished.feed.read
    assert [item.position for item in await read(ACME, 1, 10)] == [2, 3]
    assert [item.position for item in await read(ACME, 0, 2)] == [1, 2]
    assert [item.position for item in await read(ACME, 0, 9, SessionId("ses_2"))] == [3]
    assert [item.position for item in await read(ACME, 0, 9, None, ExamId("exm_1"))] == [1, 2]
    assert await read(ACME, 3, 10) == []


async def test_a_suppressed_alert_gets_no_position(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(alert(1, suppressed_by="break"), alert(2))])
    assert await furnished.feed.publish_pending(10) == 1
    [item] = await furnished.feed.read(ACME, 0, 10)
    assert item.alert.alert_id == alert(2).alert_id


async def test_nobody_sees_by_the_numbers_that_something_was_held_back(
    furnished: Relational,
) -> None:
    first, held, third, fourth = alert(1), alert(2, suppressed_by="break"), alert(3), alert(4)
    other = judged(alert(1, "ses_2"), session_id="ses_2")
    await furnished.incidents.commit([judged(first, held, third), other])
    await furnished.feed.publish_pending(10)
    await furnished.incidents.commit([judged(fourth)])
    await furnished.feed.publish_pending(10)
    items = await furnished.feed.read(ACME, 0, 10, SessionId("ses_1"))
    assert [item.alert.seq for item in items] == [1, 2, 3]
    assert [item.alert.alert_id for item in items] == [
        each.alert_id for each in (first, third, fourth)
    ]
    assert await furnished.incidents.last_seq(SessionId("ses_1")) == 4


async def test_tenants_have_feeds_of_their_own(furnished: Relational) -> None:
    other = judged(alert(1, "ses_o", OTHER), session_id="ses_o", tenant_id=OTHER)
    await furnished.incidents.commit([judged(alert(1), alert(2)), other])
    assert await furnished.feed.publish_pending(10) == 3
    assert await furnished.feed.heads() == {ACME: 2, OTHER: 1}
    assert [item.alert.tenant_id for item in await furnished.feed.read(OTHER, 0, 9)] == [OTHER]


async def test_a_limit_is_kept_and_the_rest_waits(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(*(alert(seq) for seq in range(1, 6)))])
    assert [await furnished.feed.publish_pending(2) for _ in range(4)] == [2, 2, 1, 0]
    seqs = [item.alert.seq for item in await furnished.feed.read(ACME, 0, 10)]
    assert seqs == [1, 2, 3, 4, 5]


async def test_two_dispatchers_leave_no_hole_double_or_disorder(furnished: Relational) -> None:
    """Two of them publish while four shards go on committing; on SQL each has its own connections."""
    second = SqlStores(furnished.url) if furnished.url else None
    feeds = [furnished.feed, second.feed if second else furnished.feed]
    tenants = (ACME, OTHER)
    sessions = [(f"ses_{n}", tenants[n % 2]) for n in range(4)]
    committing = len(sessions)

    async def shard(session_id: str, tenant: str) -> None:
        nonlocal committing
        for seq in range(1, 26):
            new = alert(seq, session_id, tenant)  # type: ignore[arg-type]
            await furnished.incidents.commit(
                [judged(new, session_id=session_id, tenant_id=new.tenant_id)]
            )
        committing -= 1

    async def dispatch(feed: object) -> int:
        published = 0
        while True:
            is_last = committing == 0
            step = await feed.publish_pending(7)  # type: ignore[attr-defined]
            published += step
            if is_last and step == 0:
                return published
            await asyncio.sleep(0)

    counts = await asyncio.gather(
        *(dispatch(feed) for feed in feeds), *(shard(*which) for which in sessions)
    )
    await furnished.feed.publish_pending(100)
    if second is not None:
        await second.close()
    assert sum(count or 0 for count in counts) == 100
    for tenant in tenants:
        _check_feed(await furnished.feed.read(tenant, 0, 1000))


def _check_feed(items: Sequence[FeedItem]) -> None:
    assert [item.position for item in items] == list(range(1, 51))
    for session_id in {item.alert.session_id for item in items}:
        seqs = [item.alert.seq for item in items if item.alert.session_id == session_id]
        assert seqs == list(range(1, 26))


async def test_who_follows_the_feed_while_it_grows_misses_nothing(furnished: Relational) -> None:
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 60:
            after = seen[-1] if seen else 0
            seen.extend(item.position for item in await furnished.feed.read(ACME, after, 5))
            await asyncio.sleep(0)

    async def grow() -> None:
        for seq in range(1, 61):
            await furnished.incidents.commit([judged(alert(seq))])
            await furnished.feed.publish_pending(3)

    await asyncio.gather(follow(), grow())
    assert seen == list(range(1, 61))
