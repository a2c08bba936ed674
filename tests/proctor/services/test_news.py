"""A verdict is kept first and told once, whoever is away; it has no other consequence."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.alerts import Transition
from proctor.domain.errors import InvalidInput, NotFound, Unavailable
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import SessionState
from proctor.ports import Judged
from proctor.services.news import TELL_AT_ONCE, IncidentNews
from tests.contract.samples import ACME, NOON, alert, candidate, exam, incident, judged, session
from tests.fakes.clock import FakeClock
from tests.fakes.facts import STANDARD_POLICY
from tests.fakes.judges import FakeJudges
from tests.fakes.stores import (
    FakeDatabase,
    FakeExamStore,
    FakeIncidentStore,
    FakeSessionStore,
    FakeVerdictStore,
)

WHICH, WHO = SessionId("ses_1"), IncidentId("inc_1")


class LateShard(FakeJudges):
    """Does not know the session yet; its last word of it comes while the news are being told."""

    def __init__(self, store: "ClosedMeanwhile", says: Judged) -> None:
        super().__init__()
        self.store, self.says = store, says

    async def annotate(self, note: IncidentNote) -> bool:
        self.store.shard_says = self.says
        return await super().annotate(note)


class Desk:
    """Late news over fakes: one session with one incident and three alerts."""

    def __init__(self, state: SessionState = SessionState.ENDED, settled: bool = True) -> None:
        self.database, self.judges, self.clock = FakeDatabase(), FakeJudges(), FakeClock()
        self.incidents = FakeIncidentStore(self.database)
        self.database.tenants[ACME] = "Acme"
        self.database.exams[exam().exam_id] = replace(exam(), policy_text=STANDARD_POLICY)
        self.database.candidates[candidate().candidate_id] = candidate()
        is_over = state is SessionState.ENDED
        self.database.sessions[WHICH] = replace(
            session(),
            state=state,
            started_at=NOON,
            ended_at=NOON + timedelta(hours=1) if is_over else None,
            settled_at=NOON + timedelta(hours=2) if is_over and settled else None,
        )
        self.news = IncidentNews(
            self.incidents,
            FakeVerdictStore(self.database),
            FakeSessionStore(self.database),
            FakeExamStore(self.database),
            self.judges,
            self.clock,
        )

    async def furnish(self) -> "Desk":
        alerts = [alert(seq) for seq in (1, 2, 3)]
        await self.incidents.commit([judged(*alerts, incidents=(incident(),))])
        self.database.outbox.clear()
        return self

    async def confirm(self, reviewer: str = "ada") -> object:
        return await self.news.verdict(ACME, WHO, Verdict.CONFIRMED, reviewer, "Seen it")

    def told(self) -> list[tuple[int, str]]:
        return [(each.seq, each.reason) for each in self.database.outbox]


async def test_after_the_session_the_verdict_gets_the_next_number() -> None:
    desk = await Desk().furnish()
    given = await desk.confirm()
    assert given == next(iter(desk.database.verdicts.values()))
    assert desk.told() == [(4, "A reviewer confirmed that this happened.")]
    (told,) = desk.database.outbox
    assert (told.transition, told.title) == (Transition.UPDATED, "Looking away")
    assert desk.database.incidents[WHO].verdict is Verdict.CONFIRMED
    ((*row, verdict_id),) = desk.database.audit
    assert row == [ACME, "ada", "incident.confirmed", WHO]
    assert verdict_id in desk.database.verdicts
    assert desk.judges.notes == []  # nothing judges a settled session


async def test_the_reviewer_s_words_are_not_told_on() -> None:
    desk = await Desk().furnish()
    await desk.confirm()
    (told,) = desk.database.outbox
    assert "Seen it" not in repr(told) and "ada" not in repr(told)


async def test_while_it_is_judged_the_shard_tells_it() -> None:
    desk = await Desk(SessionState.LIVE).furnish()
    desk.judges.judging.add(WHICH)
    await desk.confirm()
    (note,) = desk.judges.notes
    assert (note.incident.incident_id, note.verdict) == (WHO, Verdict.CONFIRMED)
    assert desk.told() == []
    assert all(each.told_at is not None for each in desk.database.verdicts.values())


async def test_an_ended_session_that_is_owed_its_end_is_asked_at_its_shard_first() -> None:
    desk = await Desk(settled=False).furnish()
    await desk.confirm()
    assert len(desk.judges.notes) == 1
    assert [seq for seq, _ in desk.told()] == [4]


async def test_a_shard_that_is_away_owes_the_news_and_tells_them_later() -> None:
    desk = await Desk(SessionState.LIVE).furnish()
    desk.judges.down = True
    await desk.confirm()
    assert desk.database.incidents[WHO].verdict is Verdict.CONFIRMED  # it is kept all the same
    assert await desk.news.tell_owed() == 0  # it may still be being told
    await desk.clock.advance(16_000)
    assert await desk.news.tell_owed() == 1
    desk.judges.down = False
    desk.judges.judging.add(WHICH)
    assert await desk.news.tell_owed() == 0
    assert len(desk.judges.notes) == 1
    assert await desk.news.tell_owed() == 0
    assert len(desk.judges.notes) == 1


async def test_news_that_can_never_be_told_do_not_hold_up_the_others() -> None:
    desk = await Desk(SessionState.LIVE).furnish()
    desk.judges.down = True
    await desk.confirm()
    lost = replace(next(iter(desk.database.verdicts.values())), verdict_id="ver_0")
    gone = replace(lost, incident_id=IncidentId("inc_gone"), given_at=NOON)
    desk.database.verdicts[gone.verdict_id] = gone
    desk.judges.down = False
    desk.judges.judging.add(WHICH)
    await desk.clock.advance(16_000)
    assert await desk.news.tell_owed() == 1
    assert len(desk.judges.notes) == 1


async def test_a_live_session_that_no_shard_knows_is_not_numbered_by_us() -> None:
    desk = await Desk(SessionState.LIVE).furnish()
    await desk.confirm()
    assert desk.told() == []
    with pytest.raises(Unavailable):
        await desk.news.evidence(ACME, WHO, EvidenceStatus.STORED)


async def test_an_answer_that_was_lost_makes_no_second_alert() -> None:
    desk = await Desk().furnish()
    desk.incidents.loses_answer = True
    await desk.confirm()
    assert [each.told_at for each in desk.database.verdicts.values()] == [None]
    await desk.clock.advance(16_000)
    assert await desk.news.tell_owed() == 0
    assert [seq for seq, _ in desk.told()] == [4]


async def test_verdicts_of_one_incident_are_told_in_the_order_in_which_they_were_given() -> None:
    """Who reads the feed must not end up with the word that was taken back."""
    desk = await Desk(SessionState.LIVE).furnish()
    desk.judges.down = True
    await desk.confirm()
    desk.judges.down = False
    desk.judges.judging.add(WHICH)
    await desk.clock.advance(1_000)
    await desk.news.verdict(ACME, WHO, Verdict.DISMISSED, "grace", "It was the cat")
    await desk.clock.advance(16_000)
    assert await desk.news.tell_owed() == 0
    assert [note.verdict for note in desk.judges.notes] == [Verdict.CONFIRMED, Verdict.DISMISSED]


async def test_however_many_can_never_be_told_the_others_are() -> None:
    """A whole page of verdicts that no shard takes stands before the one that can be told."""
    desk = await Desk().furnish()
    await desk.confirm()
    (given,) = desk.database.verdicts.values()
    for number in range(2 * TELL_AT_ONCE):
        name = f"ver_{number:04d}"
        desk.database.verdicts[name] = replace(
            given, verdict_id=name, incident_id=IncidentId("inc_gone"), given_at=NOON, told_at=None
        )
    last = replace(given, verdict_id="ver_last", told_at=None)
    desk.database.verdicts["ver_last"] = last
    await desk.clock.advance(16_000)
    assert await desk.news.tell_owed() == 2 * TELL_AT_ONCE
    assert desk.database.verdicts["ver_last"].told_at is not None


async def test_reviewers_at_the_same_time_get_numbers_without_holes() -> None:
    desk = await Desk().furnish()
    await asyncio.gather(*(desk.confirm(f"reviewer-{number}") for number in range(5)))
    assert sorted(seq for seq, _ in desk.told()) == [4, 5, 6, 7, 8]


class ClosedMeanwhile(FakeIncidentStore):
    """A shard's last word of an incident is committed just after somebody has read the incident."""

    shard_says: Judged | None = None

    async def get_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        found = await super().get_incident(tenant_id, incident_id)
        said, self.shard_says = self.shard_says, None
        if said is not None:
            await self.commit([said])
        return found


async def test_a_verdict_while_the_session_ends_opens_no_incident_again() -> None:
    desk = await Desk(settled=False).furnish()
    store = ClosedMeanwhile(desk.database)
    closed = replace(incident(), closed_ms=9_000)
    await desk.confirm()  # stored and told before; what follows is the evidence's news
    racing = IncidentNews(
        store,
        FakeVerdictStore(desk.database),
        FakeSessionStore(desk.database),
        FakeExamStore(desk.database),
        LateShard(store, judged(alert(5), incidents=(closed,))),
        desk.clock,
    )
    await racing.evidence(ACME, WHO, EvidenceStatus.STORED)
    kept = desk.database.incidents[WHO]
    assert (kept.closed_ms, kept.evidence.status) == (9_000, EvidenceStatus.STORED)
    assert [seq for seq, _ in desk.told()] == [4, 5, 6]


async def test_evidence_is_told_as_it_fills_in_and_each_state_once() -> None:
    desk = await Desk().furnish()
    for status in (EvidenceStatus.PENDING, EvidenceStatus.PENDING, EvidenceStatus.STORED):
        await desk.news.evidence(ACME, WHO, status)
    assert desk.told() == [(4, "Its evidence is being stored."), (5, "Its evidence is stored.")]
    assert desk.database.incidents[WHO].evidence.status is EvidenceStatus.STORED
    assert desk.database.incidents[WHO].verdict is Verdict.UNREVIEWED


async def test_nobody_s_verdict_and_nothing_s_verdict_are_refused() -> None:
    desk = await Desk().furnish()
    with pytest.raises(InvalidInput):
        await desk.confirm(" ")
    with pytest.raises(NotFound):
        await desk.news.verdict(TenantId("other"), WHO, Verdict.CONFIRMED, "eve", "x")
    assert desk.database.verdicts == {} and desk.database.audit == []


async def test_a_policy_that_cannot_be_read_any_more_stops_no_news() -> None:
    desk = await Desk().furnish()
    desk.database.exams[exam().exam_id] = replace(exam(), policy_text="id: of another time")
    await desk.confirm()
    (told,) = desk.database.outbox
    assert told.title == "looking_away"
