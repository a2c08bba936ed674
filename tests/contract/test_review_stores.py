"""Accommodations, breaks, verdicts, priorities: what the fakes and SQL both do."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.allowances import (
    NOTHING_ALLOWED,
    Accommodated,
    Accommodation,
    Break,
    BreakBy,
    SessionBreak,
)
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId
from proctor.domain.incidents import Evidence, EvidenceStatus, Verdict
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import Contribution, Priority, Withheld
from proctor.domain.signals import SignalKind
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, OTHER, exam, incident, judged, session

WHICH = SessionId("ses_1")
WHO = CandidateId("cnd_1")
AWAY, SPEAK = Accommodation.MAY_LOOK_AWAY, Accommodation.MAY_SPEAK


def allowed(*what: Accommodation, exam_id: str | None = None) -> Accommodated:
    return Accommodated(
        tenant_id=ACME,
        candidate_id=WHO,
        exam_id=ExamId(exam_id) if exam_id else None,
        accommodations=what,
    )


def pause(start_ms: int, end_ms: int | None, name: str = "brk_1") -> SessionBreak:
    given = Break(break_id=name, start_ms=start_ms, end_ms=end_ms, by=BreakBy.STAFF)
    return SessionBreak(tenant_id=ACME, session_id=WHICH, given=given)


def word(number: int = 1, verdict: Verdict = Verdict.CONFIRMED) -> VerdictGiven:
    return VerdictGiven(
        verdict_id=f"ver_{number}",
        tenant_id=ACME,
        session_id=WHICH,
        incident_id=IncidentId("inc_1"),
        verdict=verdict,
        reviewer="ada",
        reason="Un téléphone ✓",
        given_at=NOON + timedelta(seconds=number),
    )


def priority(value: float | None) -> Priority:
    one = Contribution(
        kind=SignalKind.SEVERAL_FACES, source="people", log_odds=0.1 + 0.2, since_ms=7
    )
    return Priority(
        at_ms=1000,
        value=value,
        withheld=Withheld.COVERAGE if value is None else None,
        base_log_odds=-2.9,
        log_odds=-2.6,
        contributions=(one,),
    )


async def test_what_is_said_for_an_exam_goes_before_what_holds_in_every_one(
    furnished: Relational,
) -> None:
    store, read = furnished.allowances, furnished.incidents.allowances
    assert await read(ACME, WHICH) == NOTHING_ALLOWED
    await store.put_accommodations(allowed(AWAY, SPEAK), "ada", NOON)
    assert (await read(ACME, WHICH)).accommodations == (AWAY, SPEAK)
    await store.put_accommodations(allowed(exam_id="exm_1"), "ada", NOON)
    assert (await read(ACME, WHICH)).accommodations == ()
    await store.put_accommodations(allowed(SPEAK, exam_id="exm_9"), "ada", NOON)
    assert (await read(ACME, WHICH)).accommodations == ()
    await store.put_accommodations(allowed(AWAY, exam_id="exm_1"), "ada", NOON)
    assert (await read(ACME, WHICH)).accommodations == (AWAY,)
    listed = [allowed(AWAY, SPEAK), allowed(AWAY, exam_id="exm_1"), allowed(SPEAK, exam_id="exm_9")]
    assert await store.list_accommodations(ACME, WHO) == listed
    assert await store.list_accommodations(OTHER, WHO) == []


async def test_nothing_is_allowed_across_tenants(furnished: Relational) -> None:
    foreign = replace(allowed(AWAY), tenant_id=OTHER)
    with pytest.raises(NotFound):
        await furnished.allowances.put_accommodations(foreign, "eve", NOON)
    with pytest.raises(NotFound):
        await furnished.allowances.put_break(replace(pause(0, None), tenant_id=OTHER), "eve", NOON)
    with pytest.raises(NotFound):
        await furnished.incidents.allowances(OTHER, WHICH)
    assert await furnished.incidents.allowances(ACME, WHICH) == NOTHING_ALLOWED


async def test_a_break_begins_and_is_ended_and_they_stand_in_order(furnished: Relational) -> None:
    store = furnished.allowances
    later, now = pause(90_000, 120_000, "brk_a"), pause(5_000, None, "brk_b")
    await store.put_break(later, "ada", NOON)
    await store.put_break(now, "ada", NOON)
    assert await store.list_breaks(ACME, WHICH) == [now.given, later.given]
    await store.put_break(pause(6_000, 9_000, "brk_b"), "ada", NOON)  # only its end moves
    ended = replace(now.given, end_ms=9_000)
    assert await store.list_breaks(ACME, WHICH) == [ended, later.given]
    assert (await furnished.incidents.allowances(ACME, WHICH)).breaks == (ended, later.given)
    assert await store.list_breaks(OTHER, WHICH) == []


async def test_the_newest_verdict_stands_and_every_one_is_kept(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await furnished.verdicts.add(word(1))
    await furnished.verdicts.add(word(2, Verdict.DISMISSED))
    found = await furnished.incidents.get_incident(ACME, IncidentId("inc_1"))
    assert found.verdict is Verdict.DISMISSED
    listed = await furnished.verdicts.list(ACME, IncidentId("inc_1"))
    assert listed == [word(1), word(2, Verdict.DISMISSED)]
    assert await furnished.verdicts.list(OTHER, IncidentId("inc_1")) == []


async def test_a_shard_writes_over_no_verdict_and_evidence_comes_back(
    furnished: Relational,
) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await furnished.verdicts.add(word())
    stored = replace(incident(), closed_ms=9, evidence=Evidence(status=EvidenceStatus.STORED))
    await furnished.incidents.commit([judged(incidents=(stored,))])
    found = await furnished.incidents.get_incident(ACME, IncidentId("inc_1"))
    assert found == replace(stored, verdict=Verdict.CONFIRMED)


async def test_what_is_no_incident_of_the_tenant_has_no_verdict(furnished: Relational) -> None:
    with pytest.raises(NotFound):
        await furnished.verdicts.add(word())
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    with pytest.raises(NotFound):
        await furnished.verdicts.add(replace(word(), tenant_id=OTHER))
    with pytest.raises(NotFound):
        await furnished.incidents.get_incident(OTHER, IncidentId("inc_1"))
    assert await furnished.verdicts.list(ACME, IncidentId("inc_1")) == []


async def test_news_are_owed_until_they_are_told(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await furnished.verdicts.add(word(1))
    await furnished.verdicts.add(word(2))
    owed = furnished.verdicts.owed
    later = NOON + timedelta(hours=1)
    assert await owed(NOON + timedelta(seconds=2), None, 10) == [word(1)]
    assert await owed(later, None, 1) == [word(1)]
    assert await owed(later, (word(1).given_at, "ver_1"), 1) == [word(2)]
    assert await owed(later, (word(1).given_at, "ver_0"), 1) == [word(1)]
    assert await owed(later, (word(2).given_at, "ver_2"), 1) == []
    told_at = NOON + timedelta(minutes=1)
    await furnished.verdicts.told(OTHER, "ver_1", told_at)
    await furnished.verdicts.told(ACME, "ver_1", told_at)
    await furnished.verdicts.told(ACME, "ver_1", told_at + timedelta(minutes=1))
    assert await owed(later, None, 10) == [word(2)]
    listed = await furnished.verdicts.list(ACME, IncidentId("inc_1"))
    assert listed[0] == replace(word(1), told_at=told_at)


async def test_verdicts_at_the_same_time_are_all_kept(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(incidents=(incident(),))])
    await asyncio.gather(*(furnished.verdicts.add(word(number)) for number in range(8)))
    assert len(await furnished.verdicts.list(ACME, IncidentId("inc_1"))) == 8


async def test_a_priority_comes_back_exactly_and_the_newest_stands(furnished: Relational) -> None:
    assert await furnished.priorities.get(ACME, WHICH) is None
    for value in (0.25, None):
        one = replace(judged(), priority=priority(value))
        await furnished.incidents.commit([one])
        await furnished.incidents.commit([one])
    assert await furnished.priorities.get(ACME, WHICH) == priority(None)
    assert await furnished.priorities.get(OTHER, WHICH) is None


async def test_sessions_are_ranked_and_those_withheld_come_last(furnished: Relational) -> None:
    values = {"ses_2": 0.7, "ses_3": None, "ses_4": 0.9, "ses_5": 0.7}
    for name, value in values.items():
        await furnished.sessions.add(session(name))
        await furnished.incidents.commit(
            [replace(judged(session_id=name), priority=priority(value))]
        )
    over = replace(priority(0.1), peak=0.8, peak_ms=5, is_final=True)
    await furnished.sessions.add(session("ses_6"))
    await furnished.incidents.commit([replace(judged(session_id="ses_6"), priority=over)])
    await furnished.exams.add_exam(exam("exm_2"))
    await furnished.sessions.add(session("ses_7", exam_id="exm_2"))
    order = ["ses_4", "ses_6", "ses_2", "ses_5", "ses_1", "ses_3"]
    ranked = furnished.priorities.ranked
    whole = await ranked(ACME, ExamId("exm_1"), None, 10)
    assert [found.session_id for found, _ in whole] == order
    assert [told for found, told in whole if found.session_id == "ses_1"] == [None]
    assert whole[1][1] == over
    paged: list[str] = []
    after: tuple[int, SessionId] | None = None
    while batch := await ranked(ACME, ExamId("exm_1"), after, 2):
        paged += [found.session_id for found, _ in batch]
        last, told = batch[-1]
        after = (-1 if told is None else told.rank, last.session_id)
    assert paged == order
    assert await ranked(OTHER, ExamId("exm_1"), None, 10) == []
