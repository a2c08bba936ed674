"""A shard and what is allowed: read when told, remembered when it cannot be read, and never guessed."""

from dataclasses import replace

import pytest

from proctor.domain.alerts import Transition
from proctor.domain.allowances import Accommodated, Accommodation
from proctor.domain.candidates import Candidate
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.incidents import EvidenceStatus, Verdict
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import Exam, Session, SessionState
from tests.fakes import facts
from tests.fakes.stores import FakeAllowanceStore
from tests.proctor.services.test_judge_sessions import World, absence, in_time, patiently

LEAVE = "accommodation:may_leave_seat"
SPEC = facts.spec()


@pytest.fixture
def world() -> World:
    """A shard's stores that know the session of `facts`."""
    made = World()
    made.database.exams[SPEC.exam_id] = Exam(
        exam_id=SPEC.exam_id,
        tenant_id=SPEC.tenant_id,
        title="Algebra",
        policy_id="standard",
        policy_version=1,
        policy_text=SPEC.policy_text,
        retention_days=1,
        created_at=facts.BEGAN,
    )
    made.database.candidates[SPEC.candidate_id] = Candidate(
        candidate_id=SPEC.candidate_id,
        tenant_id=SPEC.tenant_id,
        external_ref="c-1",
        created_at=facts.BEGAN,
    )
    made.database.sessions[SPEC.session_id] = Session(
        session_id=SPEC.session_id,
        tenant_id=SPEC.tenant_id,
        exam_id=SPEC.exam_id,
        candidate_id=SPEC.candidate_id,
        state=SessionState.LIVE,
        epoch=1,
        created_at=facts.BEGAN,
        started_at=facts.BEGAN,
    )
    return made


async def allow(world: World, *what: Accommodation) -> None:
    given = Accommodated(
        tenant_id=SPEC.tenant_id,
        candidate_id=SPEC.candidate_id,
        exam_id=None,
        accommodations=what,
    )
    store = FakeAllowanceStore(world.database)
    await store.put_accommodations(given, "ada", world.clock.now())


def suppressed(world: World) -> list[str | None]:
    return [alert.suppressed_by for alert in world.alerts]


async def test_a_change_during_a_session_reaches_the_judge(world: World) -> None:
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:10])
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    await shard.allowances_changed(SPEC.tenant_id, SPEC.session_id)
    await in_time(world, shard, reports[10:])
    assert world.told == [("no_face", Transition.OPENED)]
    assert suppressed(world) == [LEAVE]
    assert not world.database.outbox


async def test_one_that_is_told_before_the_first_report_is_not_forgotten(world: World) -> None:
    """The host's spec was made before the change."""
    shard = await world.shard()
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    await shard.allowances_changed(SPEC.tenant_id, SPEC.session_id)
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:1])
    await shard.tick()
    await in_time(world, shard, reports[1:])
    assert suppressed(world) == [LEAVE]


async def test_a_database_that_is_away_is_asked_again(world: World) -> None:
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:10])
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    world.incidents.down = True
    await patiently(world, shard.allowances_changed(SPEC.tenant_id, SPEC.session_id))
    world.incidents.down = False
    await shard.tick()
    await in_time(world, shard, reports[10:])
    assert suppressed(world) == [LEAVE]


async def test_what_was_missed_is_read_when_the_session_connects_again(world: World) -> None:
    shard = await world.shard()
    await in_time(world, shard, facts.reports(facts.media_come(), 1_000))
    await allow(world, Accommodation.MAY_LEAVE_SEAT)  # and the shard is never told
    seen = facts.media_come(2_000) + [facts.faces(at) for at in range(2_000, 8_000, 500)]
    again = facts.reports(seen, 8_000, epoch=2, from_ms=2_000)
    await in_time(world, shard, again[:1])
    await shard.tick()
    await in_time(world, shard, again[1:])
    assert suppressed(world) == [LEAVE]


async def test_a_shard_that_lost_its_memory_reads_what_is_allowed(world: World) -> None:
    reports = facts.reports(absence(), 8_000)
    await in_time(world, await world.shard(), reports[:20])
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    world.checkpoints.states.clear()
    other = await world.shard()
    resent = replace(reports[20], spec=SPEC)  # the host's particulars are of the beginning
    await in_time(world, other, [resent, *reports[21:]])
    assert suppressed(world) == [LEAVE]


async def test_a_checkpoint_holds_what_is_allowed(world: World) -> None:
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:10])
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    await shard.allowances_changed(SPEC.tenant_id, SPEC.session_id)
    await in_time(world, await world.shard(), reports[10:])
    assert suppressed(world) == [LEAVE]


async def test_a_shard_killed_before_it_could_read_a_change_reads_it_when_it_is_back(
    world: World,
) -> None:
    """It was told, the database was away, and its checkpoint knows nothing of the change."""
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:10])
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    world.incidents.down = True
    await patiently(world, shard.allowances_changed(SPEC.tenant_id, SPEC.session_id))
    world.incidents.down = False
    again = await world.shard()
    await again.tick()
    await in_time(world, again, reports[10:])
    assert suppressed(world) == [LEAVE]
    assert not world.database.outbox


async def test_a_memory_that_was_lost_with_the_news_leaves_no_hole_in_the_numbers(
    world: World,
) -> None:
    """Redis lost its last second, in which a verdict was told; its teller never heard so."""
    shard = await world.shard()
    seen = absence() + facts.attentive_face(8_000, 10_000, 0.0)
    reports = facts.reports(seen, 10_000)
    await in_time(world, shard, reports[:38])
    (incident,) = world.database.incidents.values()
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    old = dict(world.checkpoints.states[world.name])
    assert await shard.annotate(note)
    world.checkpoints.states[world.name] = old
    again = await world.shard()
    assert await again.annotate(note)
    await again.end(SPEC, world.clock.now())
    assert [alert.seq for alert in world.alerts] == [1, 2, 3]


async def test_a_second_lost_while_the_database_is_away_leaves_no_hole_either(world: World) -> None:
    """The old checkpoint still holds a row that is committed, and numbers that are taken."""
    shard = await world.shard()
    seen = absence() + facts.attentive_face(8_000, 10_000, 0.0)
    reports = facts.reports(seen, 10_000)
    for report in reports:
        await in_time(world, shard, [report])
        if world.alerts:
            break
    old = dict(world.checkpoints.states[world.name])
    (incident,) = world.database.incidents.values()
    first = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    assert await shard.annotate(first)
    world.checkpoints.states[world.name] = old
    world.incidents.down = True
    again = await patiently(world, world.shard())
    await patiently(world, again.end(SPEC, world.clock.now()))
    world.incidents.down = False
    await world.clock.advance(20_000)
    await again.tick()
    assert [alert.seq for alert in world.alerts] == [1, 2, 3]
    assert world.alerts[-1].transition is Transition.CLOSED


async def test_what_was_told_in_the_lost_second_is_told_to_its_end(world: World) -> None:
    """The accommodation was taken back and the news went out; then Redis lost that."""
    shard = await world.shard()
    reports = facts.reports(absence(12_000), 12_000)
    await allow(world, Accommodation.MAY_LEAVE_SEAT)
    await shard.allowances_changed(SPEC.tenant_id, SPEC.session_id)
    await in_time(world, shard, reports[:1])
    await shard.tick()
    await in_time(world, shard, reports[1:40])
    assert suppressed(world) == [LEAVE]
    old = dict(world.checkpoints.states[world.name])
    await allow(world)
    await shard.allowances_changed(SPEC.tenant_id, SPEC.session_id)
    await in_time(world, shard, reports[40:])
    assert suppressed(world) == [LEAVE, None]
    world.checkpoints.states[world.name] = old
    again = await world.shard()
    await again.end(SPEC, world.clock.now())
    assert suppressed(world) == [LEAVE, None, None]
    assert [alert.seq for alert in world.alerts] == [1, 2, 3]


async def test_late_news_go_with_the_session_s_numbers_and_are_told_once(world: World) -> None:
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    (incident,) = world.database.incidents.values()
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    assert await shard.annotate(note)
    assert await shard.annotate(note)
    assert [(alert.seq, alert.transition) for alert in world.alerts] == [
        (1, Transition.OPENED),
        (2, Transition.UPDATED),
    ]
    await shard.end(SPEC, world.clock.now())
    assert [alert.seq for alert in world.alerts] == [1, 2, 3]


async def test_news_open_no_incident_again_that_was_closed_meanwhile(world: World) -> None:
    """Whoever brings the news read the incident before the shard's last word of it."""
    shard = await world.shard()
    seen = absence() + facts.attentive_face(8_000, 10_000, 0.0)
    reports = facts.reports(seen, 10_000)
    await in_time(world, shard, reports[:38])
    (stale,) = world.database.incidents.values()
    assert stale.closed_ms is None
    await in_time(world, shard, reports[38:])
    note = IncidentNote(note_id="evi_1", incident=stale, evidence=EvidenceStatus.STORED)
    assert await shard.annotate(note)
    (now,) = world.database.incidents.values()
    assert (now.closed_ms, now.evidence.status) == (8_000, EvidenceStatus.STORED)


async def test_the_same_while_the_rows_still_wait_for_the_database(world: World) -> None:
    shard = await world.shard()
    seen = absence() + facts.attentive_face(8_000, 10_000, 0.0)
    reports = facts.reports(seen, 10_000)
    await in_time(world, shard, reports[:38])
    (stale,) = world.database.incidents.values()
    world.incidents.down = True
    for report in reports[38:]:
        await patiently(world, shard.submit([report]))
    note = IncidentNote(note_id="evi_1", incident=stale, evidence=EvidenceStatus.STORED)
    assert await patiently(world, shard.annotate(note))
    world.incidents.down = False
    await world.clock.advance(20_000)
    await shard.tick()
    (now,) = world.database.incidents.values()
    assert (now.closed_ms, now.evidence.status) == (8_000, EvidenceStatus.STORED)


async def test_who_is_not_judged_here_is_somebody_else_s(world: World) -> None:
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    (incident,) = world.database.incidents.values()
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    await shard.end(SPEC, world.clock.now())
    assert not await shard.annotate(note)


async def test_news_that_no_store_takes_are_not_said_to_be_safe(world: World) -> None:
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    (incident,) = world.database.incidents.values()
    note = IncidentNote(note_id="ver_1", incident=incident, verdict=Verdict.CONFIRMED)
    world.incidents.down = world.checkpoints.down = True
    with pytest.raises(StateStoreUnavailable):
        await patiently(world, shard.annotate(note))


async def test_a_priority_is_written_with_what_was_judged(world: World) -> None:
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    tenant_id, priority = world.database.priorities[SPEC.session_id]
    assert tenant_id == SPEC.tenant_id
    assert priority.value is not None and priority.value > 0.1
    await shard.end(SPEC, world.clock.now())
    assert world.database.priorities[SPEC.session_id][1].is_final
