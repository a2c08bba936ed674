"""Where evidence stands becomes an alert, each state once, whoever is away; what never came is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.evidence import Loss
from proctor.domain.ids import IncidentId
from proctor.domain.incidents import Evidence, EvidenceStatus
from proctor.services.evidence.telling import DELIVERED_WITHIN, SPOOLED_AT_MOST, EvidenceNews
from tests.contract.evidence_samples import order, ref
from tests.contract.samples import ACME, incident, judged
from tests.fakes.evidence import FakeEvidenceLedger
from tests.proctor.services.test_news import WHO, Desk

STORED = "Its evidence is stored."
PENDING, LOST = "Its evidence is being stored.", "Its evidence was lost."


class Teller:
    """Over the desk of late news: an ended session with three alerts of one incident."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.clock, self.database = self.desk.clock, self.desk.database
        self.ledger = FakeEvidenceLedger(self.database)
        self.news = EvidenceNews(self.ledger, self.desk.news, self.clock)

    async def begin(self) -> "Teller":
        await self.desk.furnish()
        return self

    async def pass_(self, time: timedelta) -> int:
        await self.clock.advance(time // timedelta(milliseconds=1))
        return await self.news.settle()


async def test_each_state_is_told_once() -> None:
    one = await Teller().begin()
    await one.ledger.take([ref()], one.clock.now())
    assert await one.news.settle() == 0
    assert await one.news.settle() == 0
    await one.ledger.stored(ref(), one.clock.now())
    for _ in range(2):
        assert await one.news.settle() == 0
    assert one.desk.told() == [(4, PENDING), (5, STORED)]
    assert one.database.incidents[WHO].evidence.status is EvidenceStatus.STORED


async def test_an_order_that_a_killed_host_took_along_ends_as_lost() -> None:
    one = await Teller().begin()
    pending = replace(incident(), evidence=Evidence(status=EvidenceStatus.PENDING))
    await one.desk.incidents.commit([judged(incidents=(pending,))])
    assert await one.news.settle() == 0
    await one.pass_(DELIVERED_WITHIN)
    assert one.desk.told() == []
    await one.pass_(timedelta(seconds=1))
    assert one.desk.told() == [(4, LOST)]
    whole, _ = await one.ledger.incident(ACME, WHO)
    assert whole is not None and whole.loss is Loss.NEVER_DELIVERED
    reasons = [row[4] for row in one.database.audit if row[2] == "evidence.lost"]
    assert reasons == ["never_delivered"]


async def test_evidence_that_comes_after_all_is_told_as_stored() -> None:
    one = await Teller().begin()
    await one.ledger.nothing(order(), Loss.NEVER_DELIVERED, one.clock.now())
    await one.news.settle()
    await one.ledger.take([ref()], one.clock.now())
    await one.ledger.stored(ref(), one.clock.now())
    await one.news.settle()
    assert one.desk.told() == [(4, LOST), (5, STORED)]


async def test_a_spool_that_does_not_come_back_is_a_loss() -> None:
    one = await Teller().begin()
    await one.ledger.take([ref()], one.clock.now())
    await one.pass_(SPOOLED_AT_MOST)
    await one.pass_(timedelta(seconds=1))
    assert one.desk.told() == [(4, PENDING), (5, LOST)]


async def test_one_that_cannot_be_told_holds_up_no_other() -> None:
    one = await Teller().begin()
    await one.ledger.take([ref("inc_0")], one.clock.now())  # no incident of this name is known yet
    await one.ledger.take([ref()], one.clock.now())
    assert await one.news.settle() == 1
    assert one.desk.told() == [(4, PENDING)]
    one.database.incidents[IncidentId("inc_0")] = incident("inc_0")
    assert await one.news.settle() == 0


async def test_what_could_not_be_told_is_told_later() -> None:
    one = await Teller().begin()
    await one.ledger.take([ref()], one.clock.now())
    one.desk.incidents.down = True
    assert await one.news.settle() == 1
    one.ledger.down = True
    with pytest.raises(StateStoreUnavailable):
        await one.news.settle()
    one.desk.incidents.down = one.ledger.down = False
    assert await one.news.settle() == 0
    assert one.desk.told() == [(4, PENDING)]
