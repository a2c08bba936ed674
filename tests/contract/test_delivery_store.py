"""`DeliveryStore`: what the fake and SQL both do."""

import asyncio
from collections.abc import Sequence

import pytest

from proctor.adapters.sql.stores import SqlStores
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Backlog, DeliveryState, Outcome
from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, SinkId
from proctor.domain.sinks import Health
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, alert, judged
from tests.contract.sink_samples import SINK, at, delivered, failed, planned, sink

WELL = Health()
OTHER_SINK = SinkId("snk_2")


@pytest.fixture
async def items(furnished: Relational) -> Sequence[FeedItem]:
    """A sink of Acme, and four alerts in the feed: 1 and 3 of one session, 2 and 4 of another."""
    await furnished.sinks.add_sink(sink(), b"", 5)
    for seq in (1, 2):
        await furnished.incidents.commit(
            [judged(alert(seq)), judged(alert(seq, "ses_2"), session_id="ses_2")]
        )
    await furnished.feed.publish_pending(10)
    return await furnished.feed.read(ACME, 0, 10)


async def positions_due(stores: Relational, now_s: float, limit: int = 10) -> list[int]:
    return [one.item.position for one in await stores.deliveries.due(SINK, at(now_s), limit)]


async def line(stores: Relational, item: FeedItem) -> tuple[DeliveryState, int, str]:
    [one] = await stores.deliveries.deliveries_of(ACME, item.alert.alert_id)
    return one.state, one.attempts, one.code


async def test_planning_moves_the_cursor_once(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    plan = [planned(items[0]), planned(items[1], state=DeliveryState.FILTERED)]
    assert await furnished.deliveries.plan(SINK, 0, plan, at(0))
    assert not await furnished.deliveries.plan(SINK, 0, plan, at(0))  # another dispatcher's
    assert (await furnished.sinks.get_sink(ACME, SINK)).cursor == 2
    assert await positions_due(furnished, 0) == [1]
    assert await line(furnished, items[1]) == (DeliveryState.FILTERED, 0, "")
    [owed] = await furnished.deliveries.due(SINK, at(0), 10)
    assert (owed.item, owed.attempts, owed.planned_at) == (items[0], 0, at(0))


async def test_what_is_due_comes_in_order_and_not_before_its_time(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    plan = [planned(items[0], 5), *(planned(item) for item in items[1:])]
    await furnished.deliveries.plan(SINK, 0, plan, at(0))
    assert await positions_due(furnished, 0) == [2, 4]  # 3 waits behind 1, its session's first
    assert await positions_due(furnished, 5) == [1, 2, 3, 4]
    assert await positions_due(furnished, 5, limit=2) == [1, 2]


async def test_a_failed_alert_holds_back_its_session_at_this_sink_alone(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.sinks.add_sink(sink("snk_2"), b"", 5)
    plan = [planned(item) for item in items]
    await furnished.deliveries.plan(SINK, 0, plan, at(0))
    await furnished.deliveries.plan(OTHER_SINK, 0, plan, at(0))
    first = items[0].alert.alert_id
    await furnished.deliveries.record(SINK, [failed(first)], WELL)
    assert await positions_due(furnished, 2) == [2, 4]
    assert len(await furnished.deliveries.due(OTHER_SINK, at(2), 10)) == 4
    await furnished.deliveries.record(SINK, [failed(first, 2, 6, next_s=None)], WELL)
    assert await positions_due(furnished, 7) == [2, 3, 4]  # a dead letter holds nobody back


async def test_the_log_tells_every_try(furnished: Relational, items: Sequence[FeedItem]) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(items[0])], at(0))
    first = items[0].alert.alert_id
    await furnished.deliveries.record(SINK, [failed(first)], WELL)
    await furnished.deliveries.record(SINK, [delivered(first, 2, 6)], WELL)
    [told] = await furnished.deliveries.deliveries_of(ACME, first)
    assert (told.state, told.attempts, told.code) == (DeliveryState.DELIVERED, 2, "")
    assert (told.planned_at, told.next_at, told.ended_at) == (at(0), None, at(6))
    assert [
        (t.number, t.replay, t.at, t.took_ms, t.outcome, t.code, t.status) for t in told.tries
    ] == [
        (1, 0, at(1), 20, Outcome.RETRY, "webhook/server-error", 500),
        (2, 0, at(6), 20, Outcome.DELIVERED, "", 204),
    ]
    with pytest.raises(NotFound):
        await furnished.deliveries.deliveries_of(OTHER, first)
    with pytest.raises(NotFound):
        await furnished.deliveries.deliveries_of(ACME, AlertId("alr_none"))


async def test_the_same_try_twice_changes_nothing(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(items[0])], at(0))
    first = items[0].alert.alert_id
    for _ in range(2):
        await furnished.deliveries.record(SINK, [failed(first)], WELL)
    [told] = await furnished.deliveries.deliveries_of(ACME, first)
    assert (told.attempts, len(told.tries)) == (1, 1)


async def test_a_dispatcher_that_hung_takes_no_delivery_back(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items[:2]], at(0))
    one, two = (item.alert.alert_id for item in items[:2])
    await furnished.deliveries.record(SINK, [delivered(one), failed(two, next_s=None)], WELL)
    await furnished.deliveries.record(SINK, [failed(one), delivered(two, at_s=2)], WELL)
    assert await line(furnished, items[0]) == (DeliveryState.DELIVERED, 1, "")
    assert await line(furnished, items[1]) == (DeliveryState.DELIVERED, 1, "")


async def test_a_batch_that_was_tried_comes_back_whole(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items], at(0))
    names = [item.alert.alert_id for item in items[:3]]
    await furnished.deliveries.bind(SINK, names, "bat_1")
    await furnished.deliveries.record(
        SINK, [failed(name, batch_id="bat_1") for name in names], WELL
    )
    assert await positions_due(furnished, 2) == []  # 4 waits behind 2
    owed = await furnished.deliveries.due(SINK, at(6), 2)
    assert [(one.item.position, one.batch_id) for one in owed] == [
        (1, "bat_1"),
        (2, "bat_1"),
        (3, "bat_1"),
    ]


async def test_a_lease_is_one_dispatchers_until_it_runs_out(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    hold = furnished.deliveries.hold
    assert await hold(SINK, "a", at(0), at(30))
    assert await hold(SINK, "a", at(10), at(40))
    assert not await hold(SINK, "b", at(39), at(69))
    assert await hold(SINK, "b", at(40), at(70))
    await furnished.deliveries.let_go(SINK, "a")  # not its own any more
    assert not await hold(SINK, "a", at(41), at(71))
    await furnished.deliveries.let_go(SINK, "b")
    assert await hold(SINK, "a", at(42), at(72))
    assert not await hold(SinkId("snk_9"), "a", at(0), at(30))


@pytest.mark.parametrize(
    "stores",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.service)],
    indirect=True,
)
async def test_of_two_dispatchers_on_two_connections_one_gets_the_lease(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    both = [SqlStores(furnished.url) for _ in range(2)]
    for second in range(10):
        won = await asyncio.gather(
            *(
                stores.deliveries.hold(SINK, f"{name}{second}", at(second), at(second + 1))
                for stores, name in zip(both, "ab", strict=True)
            )
        )
        assert sorted(won) == [False, True]
    plans = [[planned(item) for item in items]] * 2
    moved = await asyncio.gather(
        *(
            stores.deliveries.plan(SINK, 0, plan, at(0))
            for stores, plan in zip(both, plans, strict=True)
        )
    )
    assert sorted(moved) == [False, True]
    for stores in both:
        await stores.close()


async def test_a_receiver_that_is_gone_disables_its_sink(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(items[0])], at(0))
    ill = Health(failures=1, failing_since=at(1))
    await furnished.deliveries.record(
        SINK, [failed(items[0].alert.alert_id, next_s=None)], ill, disable="webhook/gone"
    )
    known = await furnished.sinks.get_sink(ACME, SINK)
    assert (known.is_enabled, known.disabled_by, known.version) == (False, "webhook/gone", 2)
    assert known.health == ill
    assert await furnished.sinks.running_sinks() == []


async def test_dead_letters_are_listed_and_sent_again(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items], at(0))
    names = [item.alert.alert_id for item in items]
    await furnished.deliveries.record(SINK, [failed(name, next_s=None) for name in names], WELL)
    dead = furnished.deliveries.dead_letters
    assert [one.position for one in await dead(ACME, SINK, 0, 3)] == [1, 2, 3]
    assert [one.position for one in await dead(ACME, SINK, 3, 3)] == [4]
    assert (await dead(ACME, SINK, 0, 1))[0].code == "webhook/server-error"
    assert await dead(OTHER, SINK, 0, 3) == []
    replay = furnished.deliveries.replay
    assert await replay(OTHER, SINK, at(9)) == 0
    assert await replay(ACME, SINK, at(9), alert_ids=[names[3], AlertId("alr_none")]) == 1
    assert await replay(ACME, SINK, at(9), positions=(2, 3)) == 2
    assert await replay(ACME, SINK, at(9), positions=(2, 3)) == 0  # they are dead no more
    assert await positions_due(furnished, 9) == [2, 3, 4]
    assert [one.position for one in await dead(ACME, SINK, 0, 9)] == [1]
    await furnished.deliveries.record(SINK, [delivered(names[1], 1, 10)], WELL)
    [told] = await furnished.deliveries.deliveries_of(ACME, names[1])
    assert [(tried.replay, tried.number) for tried in told.tries] == [(0, 1), (1, 1)]
    assert (told.replays, told.state) == (1, DeliveryState.DELIVERED)


async def test_what_is_too_old_is_given_up_together(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items[:2]], at(0))
    await furnished.deliveries.plan(SINK, 2, [planned(item) for item in items[2:]], at(50))
    assert await furnished.deliveries.give_up(SINK, at(10), "delivery/expired", at(60)) == 2
    assert await line(furnished, items[0]) == (DeliveryState.DEAD, 0, "delivery/expired")
    assert await positions_due(furnished, 60) == [3, 4]


async def test_what_is_passed_over_says_why(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items[:2]], at(0))
    names = [item.alert.alert_id for item in items]
    await furnished.deliveries.record(SINK, [delivered(names[1])], WELL)
    await furnished.deliveries.pass_over(SINK, names[:2], "fallback/not-needed", at(5))
    await furnished.deliveries.pass_over(SINK, [], "fallback/not-needed", at(5))
    assert await line(furnished, items[0]) == (DeliveryState.FILTERED, 0, "fallback/not-needed")
    assert await furnished.deliveries.states(SINK, names) == {
        names[0]: DeliveryState.FILTERED,
        names[1]: DeliveryState.DELIVERED,
    }


async def test_the_backlog_counts_what_is_owed(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    assert await furnished.deliveries.backlogs() == {}
    assert await furnished.deliveries.backlog(SINK) == Backlog()
    await furnished.deliveries.plan(SINK, 0, [planned(item, 3) for item in items], at(0))
    names = [item.alert.alert_id for item in items]
    made = [delivered(names[0]), failed(names[1], next_s=None), failed(names[2], next_s=20)]
    await furnished.deliveries.record(SINK, made, WELL)
    owed = Backlog(pending=2, dead=1, oldest_at=at(0))
    assert await furnished.deliveries.backlogs() == {SINK: owed}
    assert await furnished.deliveries.backlog(SINK) == owed


async def test_when_to_look_again(furnished: Relational, items: Sequence[FeedItem]) -> None:
    next_due = furnished.deliveries.next_due
    assert await next_due(SINK, at(0)) is None
    plan = [planned(item, 3 * number) for number, item in enumerate(items)]
    await furnished.deliveries.plan(SINK, 0, plan, at(0))
    assert await next_due(SINK, at(0)) == at(3)  # what is due already is found by looking
    assert await next_due(SINK, at(3)) == at(6)
    assert await next_due(SINK, at(9)) is None


async def test_the_log_is_forgotten_after_its_time_and_dead_letters_stay(
    furnished: Relational, items: Sequence[FeedItem]
) -> None:
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items], at(0))
    names = [item.alert.alert_id for item in items]
    made = [delivered(names[0]), failed(names[1], next_s=None), delivered(names[2], 1, 50)]
    await furnished.deliveries.record(SINK, made, WELL)
    assert await furnished.deliveries.forget(at(10), 100) == 1
    assert await furnished.deliveries.forget(at(10), 100) == 0
    states = await furnished.deliveries.states(SINK, names)
    assert set(states) == set(names[1:])
    assert await furnished.deliveries.deliveries_of(ACME, names[0]) == []
