"""`IncidentStore`: what the fake and SQL both do."""

import asyncio
from dataclasses import replace

import pytest

from proctor.domain.alerts import FeedItem
from proctor.domain.errors import Conflict
from proctor.domain.ids import AlertId, SessionId
from proctor.domain.incidents import Severity
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, alert, blind, incident, judged, monitored, signal

WHICH = SessionId("ses_1")


async def test_incidents_come_back_exactly_and_oldest_first(furnished: Relational) -> None:
    new = (incident("inc_b", opened_ms=2000), incident("inc_a", opened_ms=1000))
    await furnished.incidents.commit([judged(incidents=new)])
    assert await furnished.incidents.list_incidents(ACME, WHICH) == [new[1], new[0]]
    assert await furnished.incidents.list_incidents(OTHER, WHICH) == []


async def test_a_changed_incident_takes_the_place_of_the_old(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    closed = replace(
        incident(),
        closed_ms=9000,
        severity=Severity.MEDIUM,
        signals=(replace(signal(), ended_ms=9000), signal(5000)),
    )
    await furnished.incidents.commit([judged(incidents=(closed,))])
    assert await furnished.incidents.list_incidents(ACME, WHICH) == [closed]


async def test_of_two_states_in_one_commit_the_last_stays(furnished: Relational) -> None:
    closed = replace(incident(), closed_ms=9000)
    parts = [judged(incidents=(incident(),)), judged(incidents=(closed,))]
    await furnished.incidents.commit(parts)
    assert await furnished.incidents.list_incidents(ACME, WHICH) == [closed]


async def test_an_alert_is_known_once_it_is_committed_and_to_its_tenant_alone(
    furnished: Relational,
) -> None:
    known, which = furnished.incidents.has_alert, alert(1).alert_id
    assert not await known(ACME, which)
    await furnished.incidents.commit([judged(alert(1))])
    assert await known(ACME, which)
    assert not await known(OTHER, which)
    assert not await known(ACME, AlertId("alr_none"))


async def test_coverage_is_replaced_as_a_whole(furnished: Relational) -> None:
    first = (monitored(0, 500), blind(500, None))
    await furnished.incidents.commit([judged(coverage=first)])
    await furnished.incidents.commit([judged(alert())])
    assert (await furnished.sessions.get(ACME, WHICH)).coverage == first
    second = (monitored(0, 500), blind(500, 500), monitored(500, 800))
    await furnished.incidents.commit([judged(coverage=second)])
    assert (await furnished.sessions.get(ACME, WHICH)).coverage == second
    await furnished.incidents.commit([judged(coverage=())])
    assert (await furnished.sessions.get(ACME, WHICH)).coverage == ()


async def test_a_repeated_commit_changes_nothing(furnished: Relational) -> None:
    step = [judged(alert(1), alert(2), incidents=(incident(),), coverage=(monitored(0, None),))]
    for _ in range(3):
        await furnished.incidents.commit(step)
    await furnished.feed.publish_pending(10)
    await furnished.incidents.commit(step)
    assert await furnished.feed.publish_pending(10) == 0
    items = await furnished.feed.read(ACME, 0, 10)
    assert items == [FeedItem(position=1, alert=alert(1)), FeedItem(position=2, alert=alert(2))]
    assert await furnished.incidents.list_incidents(ACME, WHICH) == [incident()]


async def test_the_same_commit_from_two_tasks_gives_one_row(furnished: Relational) -> None:
    step = [judged(alert(1), incidents=(incident(),))]
    await asyncio.gather(*(furnished.incidents.commit(step) for _ in range(10)))
    assert await furnished.feed.publish_pending(10) == 1


async def test_a_seq_that_another_alert_has_stops_the_whole_commit(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(alert(1))])
    intruder = replace(alert(1), alert_id=AlertId("alr_intruder"))
    with pytest.raises(Conflict):
        await furnished.incidents.commit(
            [judged(alert(2), intruder, incidents=(incident(),), coverage=(blind(0, None),))]
        )
    assert await furnished.incidents.last_seq(WHICH) == 1
    assert await furnished.incidents.list_incidents(ACME, WHICH) == []
    assert (await furnished.sessions.get(ACME, WHICH)).coverage == ()


async def test_last_seq_counts_suppressed_alerts_too(furnished: Relational) -> None:
    assert await furnished.incidents.last_seq(WHICH) == 0
    await furnished.incidents.commit([judged(alert(1), alert(2, suppressed_by="break"))])
    assert await furnished.incidents.last_seq(WHICH) == 2
    assert await furnished.incidents.last_seq(SessionId("ses_2")) == 0


async def test_an_empty_commit_is_nothing(furnished: Relational) -> None:
    await furnished.incidents.commit([])
    await furnished.incidents.commit([judged()])
    assert await furnished.incidents.last_seq(WHICH) == 0


async def test_a_backlog_of_thousands_is_one_commit(furnished: Relational) -> None:
    backlog = [alert(seq) for seq in range(1, 2501)]
    await furnished.incidents.commit([judged(*backlog)])
    assert await furnished.incidents.last_seq(WHICH) == 2500
    assert await furnished.feed.publish_pending(3000) == 2500
    items = await furnished.feed.read(ACME, 0, 3000)
    assert [item.alert.seq for item in items] == list(range(1, 2501))
