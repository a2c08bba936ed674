"""Late news over real stores: reviewers at the same time get numbers without holes, each told once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from proctor.domain.ids import IncidentId
from proctor.domain.incidents import EvidenceStatus, Verdict
from proctor.services.news import IncidentNews
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, alert, incident, judged, session
from tests.fakes.clock import FakeClock
from tests.fakes.judges import FakeJudges

WHO = IncidentId("inc_1")


async def test_many_reviewers_at_once(furnished: Relational) -> None:
    stores, hour = furnished, timedelta(hours=1)
    whose = session().session_id
    await stores.sessions.next_epoch(ACME, whose, NOON)
    await stores.sessions.end(ACME, whose, NOON + hour)
    await stores.sessions.settle(ACME, whose, NOON + hour)
    await stores.incidents.commit([judged(alert(1), incidents=(incident(),))])
    news = IncidentNews(
        stores.incidents,
        stores.verdicts,
        stores.sessions,
        stores.exams,
        FakeJudges(),
        FakeClock(),
    )
    reviewers = [f"reviewer-{number}" for number in range(6)]
    given = await asyncio.gather(
        *(news.verdict(ACME, WHO, Verdict.DISMISSED, name, "A poster") for name in reviewers)
    )
    assert all(each.told_at is not None for each in given)
    await news.evidence(ACME, WHO, EvidenceStatus.LOST)
    await stores.feed.publish_pending(100)
    told = [item.alert for item in await stores.feed.read(ACME, 0, 100)]
    assert sorted(each.seq for each in told) == list(range(1, 9))
    assert [each.reason for each in told if each.seq == 8] == ["Its evidence was lost."]
    found = await stores.incidents.get_incident(ACME, WHO)
    assert found.verdict is Verdict.DISMISSED
    assert found.evidence.status is EvidenceStatus.LOST
    assert replace(found, verdict=incident().verdict, evidence=incident().evidence) == incident()
