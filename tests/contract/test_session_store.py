"""`SessionStore`: what the fake and SQL both do."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId, ExamId, SessionId
from proctor.domain.sessions import SessionState
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, NOON, OTHER, candidate, exam, judged, monitored, session

WHICH = SessionId("ses_1")
LATER = NOON + timedelta(minutes=5)


async def test_a_session_comes_back_as_given_to_its_tenant_only(furnished: Relational) -> None:
    assert await furnished.sessions.get(ACME, WHICH) == session()
    with pytest.raises(NotFound):
        await furnished.sessions.get(OTHER, WHICH)


async def test_exam_and_candidate_must_be_the_tenants_own(furnished: Relational) -> None:
    await furnished.exams.add_exam(exam("exm_o", OTHER))
    await furnished.candidates.add_candidate(candidate("cnd_o", OTHER))
    for stranger in (
        session("ses_2", exam_id="exm_o"),
        session("ses_2", candidate_id="cnd_o"),
        session("ses_2", exam_id="nothing"),
        session("ses_2", OTHER),
    ):
        with pytest.raises(NotFound):
            await furnished.sessions.add(stranger)
    with pytest.raises(Conflict):
        await furnished.sessions.add(session())


async def test_the_first_connection_begins_the_session(furnished: Relational) -> None:
    live = await furnished.sessions.next_epoch(ACME, WHICH, NOON)
    assert (live.state, live.epoch, live.started_at) == (SessionState.LIVE, 1, NOON)
    again = await furnished.sessions.next_epoch(ACME, WHICH, LATER)
    assert (again.epoch, again.started_at) == (2, NOON)
    assert await furnished.sessions.get(ACME, WHICH) == again


async def test_twenty_connections_at_once_get_twenty_epochs(furnished: Relational) -> None:
    counted = await asyncio.gather(
        *(furnished.sessions.next_epoch(ACME, WHICH, NOON) for _ in range(20))
    )
    assert sorted(found.epoch for found in counted) == list(range(1, 21))


async def test_an_ended_session_takes_no_connection(furnished: Relational) -> None:
    await furnished.sessions.next_epoch(ACME, WHICH, NOON)
    ended = await furnished.sessions.end(ACME, WHICH, LATER)
    assert (ended.state, ended.ended_at) == (SessionState.ENDED, LATER)
    assert await furnished.sessions.end(ACME, WHICH, LATER + timedelta(hours=1)) == ended
    with pytest.raises(Conflict):
        await furnished.sessions.next_epoch(ACME, WHICH, LATER)


async def test_a_session_that_never_began_can_be_ended(furnished: Relational) -> None:
    ended = await furnished.sessions.end(ACME, WHICH, LATER)
    assert (ended.state, ended.started_at, ended.ended_at) == (SessionState.ENDED, None, LATER)


async def test_a_refused_first_offer_takes_the_start_back(furnished: Relational) -> None:
    sessions = furnished.sessions
    await sessions.next_epoch(ACME, WHICH, NOON)
    await sessions.forget_start(ACME, WHICH, 2)
    assert (await sessions.get(ACME, WHICH)).state is SessionState.LIVE
    await sessions.forget_start(ACME, WHICH, 1)
    undone = await sessions.get(ACME, WHICH)
    assert (undone.state, undone.started_at, undone.epoch) == (SessionState.CREATED, None, 1)
    began = await sessions.next_epoch(ACME, WHICH, LATER)
    assert (began.epoch, began.started_at) == (2, LATER)
    await sessions.end(ACME, WHICH, LATER)
    await sessions.forget_start(ACME, WHICH, 2)
    assert (await sessions.get(ACME, WHICH)).state is SessionState.ENDED


async def test_nothing_is_done_to_a_session_of_another_tenant(furnished: Relational) -> None:
    sessions = furnished.sessions
    for call in (
        sessions.next_epoch(OTHER, WHICH, NOON),
        sessions.end(OTHER, WHICH, NOON),
        sessions.forget_start(OTHER, WHICH, 0),
        sessions.settle(OTHER, WHICH, NOON),
    ):
        with pytest.raises(NotFound):
            await call
    assert await sessions.get(ACME, WHICH) == session()


async def test_what_has_ended_is_owed_until_it_is_settled(furnished: Relational) -> None:
    sessions, soon = furnished.sessions, LATER + timedelta(seconds=1)
    for number in (2, 3, 4):
        await sessions.add(session(f"ses_{number}"))
    begun = [WHICH, SessionId("ses_2"), SessionId("ses_4")]
    for which in begun:
        await sessions.next_epoch(ACME, which, NOON)
    await sessions.settle(ACME, WHICH, LATER)  # it is live: nothing can be settled yet
    for which in (*begun[:2], SessionId("ses_3")):  # the third never began, the fourth goes on
        await sessions.end(ACME, which, LATER)

    assert await sessions.unsettled(LATER, None, 9) == []
    owed = await sessions.unsettled(soon, None, 9)
    assert [each.session_id for each in owed] == begun[:2]
    assert await sessions.unsettled(soon, WHICH, 9) == owed[1:]
    assert await sessions.unsettled(soon, None, 1) == owed[:1]

    await sessions.settle(ACME, WHICH, soon)
    await sessions.settle(ACME, WHICH, soon + timedelta(hours=1))
    assert (await sessions.get(ACME, WHICH)).settled_at == soon
    assert await sessions.unsettled(soon, None, 9) == owed[1:]


async def test_lists_filter_by_exam_and_state_and_page_by_id(furnished: Relational) -> None:
    await furnished.exams.add_exam(exam("exm_2"))
    for number in (4, 2, 3):
        await furnished.sessions.add(session(f"ses_{number}"))
    await furnished.sessions.add(session("ses_5", exam_id="exm_2"))
    await furnished.sessions.next_epoch(ACME, SessionId("ses_3"), NOON)
    list_ = furnished.sessions.list
    first = await list_(ACME, ExamId("exm_1"), None, None, 2)
    assert [found.session_id for found in first] == ["ses_1", "ses_2"]
    rest = await list_(ACME, ExamId("exm_1"), None, first[-1].session_id, 9)
    assert [found.session_id for found in rest] == ["ses_3", "ses_4"]
    live = await list_(ACME, None, SessionState.LIVE, None, 9)
    assert [found.session_id for found in live] == ["ses_3"]
    assert await list_(OTHER, None, None, None, 9) == []


async def test_lists_filter_by_candidate_within_the_tenant(furnished: Relational) -> None:
    await furnished.candidates.add_candidate(candidate("cnd_7"))
    for number in (4, 2, 3):
        await furnished.sessions.add(session(f"ses_{number}", candidate_id="cnd_7"))
    await furnished.sessions.next_epoch(ACME, SessionId("ses_3"), NOON)
    list_, who = furnished.sessions.list, CandidateId("cnd_7")
    every = await list_(ACME, None, None, None, 9, who)
    assert [found.session_id for found in every] == ["ses_2", "ses_3", "ses_4"]
    created = await list_(ACME, None, SessionState.CREATED, SessionId("ses_2"), 9, who)
    assert [found.session_id for found in created] == ["ses_4"]
    assert await list_(OTHER, None, None, None, 9, who) == []


async def test_coverage_comes_with_the_session_not_with_the_list(furnished: Relational) -> None:
    seen = (monitored(0, 900), monitored(900, None))
    await furnished.incidents.commit([judged(coverage=seen)])
    assert await furnished.sessions.get(ACME, WHICH) == replace(session(), coverage=seen)
    (listed,) = await furnished.sessions.list(ACME, None, None, None, 9)
    assert listed == session()
