"""`SinkStore`: what the fake and SQL both do."""

import asyncio
from dataclasses import replace

import pytest

from proctor.domain.alerts import Transition
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import SinkId
from proctor.domain.incidents import Category, Severity
from proctor.domain.sinks import Batching, Health, SinkFilter
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, alert, judged
from tests.contract.sink_samples import SINK, at, failed, planned, sink


async def test_a_sink_is_given_back_as_it_was_stored(stores: Relational) -> None:
    whole = sink(
        takes=SinkFilter(
            exam_ids=("exm_1",),
            session_ids=("ses_1", "ses_2"),
            rule_ids=("looking_away",),
            categories=(Category.CONDUCT, Category.COVERAGE),
            transitions=(Transition.OPENED,),
            severity_at_least=Severity.MEDIUM,
        ),
        batching=Batching(most=20, wait_ms=250),
        fallback_for="live",
        cursor=7,
    )
    await stores.sinks.add_sink(whole, b"sealed", 5)
    assert await stores.sinks.get_sink(ACME, SINK) == whole
    assert await stores.sinks.sealed_secrets(ACME, SINK) == b"sealed"


async def test_another_tenants_sink_is_no_sink(stores: Relational) -> None:
    await stores.sinks.add_sink(sink(), b"sealed", 5)
    for call in (
        stores.sinks.get_sink(OTHER, SINK),
        stores.sinks.sealed_secrets(OTHER, SINK),
        stores.sinks.remove_sink(OTHER, SINK),
        stores.sinks.put_sink(replace(sink(), tenant_id=OTHER)),
        stores.sinks.get_sink(ACME, SinkId("snk_9")),
    ):
        with pytest.raises(NotFound):
            await call
    assert await stores.sinks.list_sinks(OTHER, None, 10) == []
    assert await stores.sinks.get_sink(ACME, SINK) == sink()


async def test_names_are_a_tenants_own_and_there_is_a_most(stores: Relational) -> None:
    await stores.sinks.add_sink(sink("snk_1", name="desk"), b"1", 2)
    with pytest.raises(Conflict):
        await stores.sinks.add_sink(sink("snk_2", name="desk"), b"2", 2)
    await stores.sinks.add_sink(sink("snk_3", OTHER, name="desk"), b"3", 2)
    await stores.sinks.add_sink(sink("snk_4", name="other"), b"4", 2)
    with pytest.raises(Conflict) as caught:
        await stores.sinks.add_sink(sink("snk_5", name="third"), b"5", 2)
    assert caught.value.code == "sinks/full"
    with pytest.raises(Conflict):
        await stores.sinks.put_sink(sink("snk_4", name="desk"))


async def test_nobody_gets_past_the_most_by_asking_at_once(stores: Relational) -> None:
    made = [
        stores.sinks.add_sink(sink(f"snk_{number}", name=f"sink {number}"), b"", 3)
        for number in range(12)
    ]
    answers = await asyncio.gather(*made, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, Conflict)]
    assert (len(refused), answers.count(None)) == (9, 3)
    assert len(await stores.sinks.list_sinks(ACME, None, 20)) == 3


async def test_pages_are_by_id(stores: Relational) -> None:
    for number in (3, 1, 2):
        await stores.sinks.add_sink(sink(f"snk_{number}"), b"", 5)
    pages = [
        [one.sink_id for one in await stores.sinks.list_sinks(ACME, after, 2)]
        for after in (None, SinkId("snk_2"))
    ]
    assert pages == [["snk_1", "snk_2"], ["snk_3"]]


async def test_of_two_changes_at_once_one_is_refused(furnished: Relational) -> None:
    await furnished.sinks.add_sink(sink(), b"old", 5)
    known = await furnished.sinks.get_sink(ACME, SINK)
    changed = await furnished.sinks.put_sink(replace(known, name="new", cursor=99), b"new")
    assert (changed.name, changed.version) == ("new", known.version + 1)
    assert changed.cursor == 0  # the dispatcher's, not a person's
    assert await furnished.sinks.sealed_secrets(ACME, SINK) == b"new"
    with pytest.raises(Conflict):
        await furnished.sinks.put_sink(replace(known, name="newer"), b"newer")
    await furnished.sinks.put_sink(replace(changed, name="newest"))
    assert await furnished.sinks.sealed_secrets(ACME, SINK) == b"new"


async def test_a_change_gives_the_other_end_a_new_chance(furnished: Relational) -> None:
    await furnished.sinks.add_sink(sink(), b"", 5)
    ill = Health(failures=7, failing_since=at(1), rests_until=at(300))
    await furnished.deliveries.record(SINK, [], ill)
    known = await furnished.sinks.get_sink(ACME, SINK)
    assert known.health == ill
    await furnished.deliveries.record(SINK, [], None)  # stored already
    assert (await furnished.sinks.get_sink(ACME, SINK)).health == ill
    assert (await furnished.sinks.put_sink(known)).health == Health()


@pytest.mark.parametrize("how", ["moved", "enabled", "renamed"])
async def test_what_waits_for_a_receiver_need_not_wait_for_one_that_is_new(
    furnished: Relational, how: str
) -> None:
    """An alert that failed waits for hours, and those of its session behind it; a name changes nothing."""
    await furnished.sinks.add_sink(sink(), b"", 5)
    await furnished.incidents.commit([judged(alert(1), alert(2))])
    await furnished.feed.publish_pending(10)
    items = await furnished.feed.read(ACME, 0, 10)
    await furnished.deliveries.plan(SINK, 0, [planned(item) for item in items], at(0))
    await furnished.deliveries.record(SINK, [failed(items[0].alert.alert_id, next_s=50_000)], None)
    assert await furnished.deliveries.due(SINK, at(60), 10) == []
    known = await furnished.sinks.get_sink(ACME, SINK)
    if how == "moved":
        await furnished.sinks.put_sink(replace(known, target="https://new.example.org/"))
    elif how == "enabled":
        off = await furnished.sinks.put_sink(replace(known, is_enabled=False))
        assert await furnished.deliveries.due(SINK, at(60), 10) == []
        await furnished.sinks.put_sink(replace(off, is_enabled=True))
    else:
        await furnished.sinks.put_sink(replace(known, name="other"))
    due = await furnished.deliveries.due(SINK, at(60), 10)
    found = [(one.item.position, one.attempts) for one in due]
    assert found == ([] if how == "renamed" else [(1, 1), (2, 0)])


async def test_a_call_that_was_under_way_says_nothing_of_where_the_sink_points_now(
    furnished: Relational,
) -> None:
    """The old receiver answered 410 just after a person named another one."""
    await furnished.sinks.add_sink(sink(), b"", 5)
    known = await furnished.sinks.get_sink(ACME, SINK)
    moved = await furnished.sinks.put_sink(replace(known, target="https://new.example.org/"))
    ill = Health(failures=7, failing_since=at(1), rests_until=at(300))
    await furnished.deliveries.record(SINK, [], ill, "webhook/gone", version=known.version)
    assert await furnished.sinks.get_sink(ACME, SINK) == moved
    await furnished.deliveries.record(SINK, [], ill, "webhook/gone", version=moved.version)
    found = await furnished.sinks.get_sink(ACME, SINK)
    assert (found.is_enabled, found.disabled_by, found.health) == (False, "webhook/gone", ill)


async def test_the_dispatcher_sees_every_tenants_enabled_sinks(stores: Relational) -> None:
    await stores.sinks.add_sink(sink("snk_1"), b"", 5)
    await stores.sinks.add_sink(sink("snk_2", OTHER), b"", 5)
    await stores.sinks.add_sink(sink("snk_3", is_enabled=False), b"", 5)
    assert [one.sink_id for one in await stores.sinks.running_sinks()] == ["snk_1", "snk_2"]


async def test_a_removed_sink_leaves_nothing(furnished: Relational) -> None:
    await furnished.sinks.add_sink(sink(), b"secret", 5)
    await furnished.incidents.commit([judged(alert(1))])
    await furnished.feed.publish_pending(10)
    [item] = await furnished.feed.read(ACME, 0, 10)
    await furnished.deliveries.plan(SINK, 0, [planned(item)], at(0))
    await furnished.deliveries.record(SINK, [failed(item.alert.alert_id)], Health())
    await furnished.sinks.remove_sink(ACME, SINK)
    assert await furnished.deliveries.deliveries_of(ACME, item.alert.alert_id) == []
    assert await furnished.deliveries.backlogs() == {}
    with pytest.raises(NotFound):
        await furnished.sinks.sealed_secrets(ACME, SINK)
