"""The rows of evidence: what the fake and SQL both do."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proctor.adapters.sql.erasures import SqlErasureStore
from proctor.adapters.sql.exams import SqlExamStore
from proctor.domain.erasure import Erasure
from proctor.domain.errors import NotFound
from proctor.domain.evidence import (
    EvidenceRef,
    IncidentEvidence,
    KeptPiece,
    Loss,
    PieceKind,
    PieceState,
    Taken,
)
from proctor.domain.ids import CandidateId, ExamId, IncidentId
from proctor.domain.incidents import Evidence, EvidenceStatus
from proctor.ports import ErasureStore
from tests.contract.conftest import Relational
from tests.contract.evidence_samples import SESSION, order, ref
from tests.contract.samples import ACME, NOON, OTHER, candidate, exam, incident, judged
from tests.fakes.proof import FakeErasureStore
from tests.fakes.stores import FakeExamStore

WHICH, WHO = IncidentId("inc_1"), CandidateId("cnd_1")
LATER, MINUTE = NOON + timedelta(hours=1), timedelta(minutes=1)
PENDING, STORED, LOST = EvidenceStatus.PENDING, EvidenceStatus.STORED, EvidenceStatus.LOST


def state(status: EvidenceStatus, loss: Loss | None = None) -> IncidentEvidence:
    return IncidentEvidence(
        tenant_id=ACME,
        session_id=SESSION.session_id,
        incident_id=WHICH,
        status=status,
        loss=loss,
    )


async def standing(stores: Relational) -> IncidentEvidence | None:
    whole, _ = await stores.evidence.incident(ACME, WHICH)
    return whole


async def test_pieces_wait_then_lie_in_the_store_and_so_does_the_incident(
    stores: Relational,
) -> None:
    ledger, first, second = stores.evidence, ref(at_ms=1_000), ref(at_ms=2_000)
    assert await ledger.incident(ACME, WHICH) == (None, [])
    assert await ledger.take([second, first], NOON) == Taken()
    waits = PieceState.WAITING
    kept = [KeptPiece(ref=first, state=waits), KeptPiece(ref=second, state=waits)]
    assert await ledger.incident(ACME, WHICH) == (state(PENDING), kept)
    assert await ledger.stored(first, LATER)
    assert await standing(stores) == state(PENDING)
    assert await ledger.stored(second, LATER)
    assert await standing(stores) == state(STORED)
    found = await ledger.find(ACME, first.evidence_id)
    assert found == KeptPiece(ref=replace(first, stored_at=LATER), state=PieceState.STORED)


async def test_one_that_lies_in_the_store_is_never_lost_or_waited_for_again(
    stores: Relational,
) -> None:
    ledger, one = stores.evidence, ref()
    await ledger.take([one], NOON)
    await ledger.stored(one, NOON)
    await ledger.lost(one, Loss.DISK_FULL, LATER)
    assert await ledger.take([one, ref(at_ms=9)], LATER) == Taken(
        stored=frozenset({one.evidence_id})
    )
    assert (await ledger.find(ACME, one.evidence_id)).state is PieceState.STORED


async def test_an_incident_is_lost_when_nothing_of_it_lies_in_the_store(
    stores: Relational,
) -> None:
    ledger = stores.evidence
    judged_one, clip = ref(at_ms=5_000), ref(kind=PieceKind.CLIP)
    await ledger.take([judged_one, clip], NOON)
    await ledger.lost(clip, Loss.SPOOL_FULL, NOON)
    assert await standing(stores) == state(PENDING)
    await ledger.lost(judged_one, Loss.DISK_FULL, NOON)
    assert await standing(stores) == state(LOST, Loss.DISK_FULL)  # as the judged picture was
    assert await ledger.stored(clip, LATER)  # it was found after all
    assert await standing(stores) == state(STORED)
    _, pieces = await ledger.incident(ACME, WHICH)
    assert [(each.state, each.loss) for each in pieces] == [
        (PieceState.STORED, None),
        (PieceState.LOST, Loss.DISK_FULL),
    ]


async def test_a_loss_before_any_row_is_a_loss(stores: Relational) -> None:
    await stores.evidence.lost(ref(), Loss.KEYS_AWAY, NOON)
    assert await standing(stores) == state(LOST, Loss.KEYS_AWAY)


async def test_an_order_of_which_nothing_comes_is_lost_unless_something_came(
    stores: Relational,
) -> None:
    ledger = stores.evidence
    await ledger.nothing(order(), Loss.NOT_CAPTURED, NOON)
    assert await standing(stores) == state(LOST, Loss.NOT_CAPTURED)
    await ledger.take([ref()], NOON)
    await ledger.stored(ref(), NOON)
    await ledger.nothing(order(), Loss.NOT_CAPTURED, NOON)
    assert await standing(stores) == state(STORED)


async def test_a_truer_reason_of_a_loss_is_no_news(stores: Relational) -> None:
    await stores.evidence.nothing(order(), Loss.NEVER_DELIVERED, NOON)
    await stores.evidence.told(ACME, WHICH, LOST)
    await stores.evidence.lost(ref(), Loss.SPOOL_FULL, LATER)
    assert await standing(stores) == state(LOST, Loss.SPOOL_FULL)
    assert await stores.evidence.untold(None, 10) == []


async def test_every_state_is_told_once(stores: Relational) -> None:
    ledger = stores.evidence
    await ledger.take([ref()], NOON)
    await ledger.take([ref("inc_2")], NOON)
    assert [each.incident_id for each in await ledger.untold(None, 10)] == ["inc_1", "inc_2"]
    assert [each.incident_id for each in await ledger.untold(WHICH, 10)] == ["inc_2"]
    assert [each.incident_id for each in await ledger.untold(None, 1)] == ["inc_1"]
    await ledger.told(ACME, WHICH, LOST)  # not what it is
    await ledger.told(OTHER, WHICH, PENDING)
    assert len(await ledger.untold(None, 10)) == 2
    await ledger.told(ACME, WHICH, PENDING)
    assert [each.incident_id for each in await ledger.untold(None, 10)] == ["inc_2"]
    await ledger.stored(ref(), NOON)
    assert await ledger.untold(None, 1) == [state(STORED)]


async def test_what_a_shard_calls_pending_is_owed_and_told_already(furnished: Relational) -> None:
    pending = replace(incident(), evidence=Evidence(status=PENDING))
    for _ in range(2):
        await furnished.incidents.commit([judged(incidents=(pending,))])
    assert await standing(furnished) == state(PENDING)
    assert await furnished.evidence.untold(None, 10) == []
    await furnished.incidents.commit([judged(incidents=(incident("inc_2"),))])
    assert await furnished.evidence.incident(ACME, IncidentId("inc_2")) == (None, [])


async def test_what_no_host_delivers_is_lost_after_a_time_that_counts_from_the_first_look(
    furnished: Relational,
) -> None:
    ledger = furnished.evidence
    pending = replace(incident(), evidence=Evidence(status=PENDING))
    await furnished.incidents.commit([judged(incidents=(pending,))])
    await ledger.take([ref("inc_2")], NOON)
    long_ago = NOON - timedelta(days=9)
    assert await ledger.give_up(NOON, NOON - 10 * MINUTE, long_ago) == 0
    assert await ledger.give_up(NOON + 10 * MINUTE, NOON, long_ago) == 0
    later = NOON + 11 * MINUTE
    assert await ledger.give_up(later, later - 10 * MINUTE, long_ago) == 1
    assert await standing(furnished) == state(LOST, Loss.NEVER_DELIVERED)
    assert await ledger.give_up(later, later - 10 * MINUTE, long_ago) == 0
    other, _ = await ledger.incident(ACME, IncidentId("inc_2"))
    assert other is not None and other.status is PENDING  # it lies in a spool


async def test_what_waits_for_days_is_lost_with_its_spool(stores: Relational) -> None:
    ledger = stores.evidence
    await ledger.take([ref()], NOON)
    assert await ledger.give_up(LATER, NOON, NOON) == 0
    assert await ledger.give_up(LATER, NOON, NOON + MINUTE) == 1
    assert await standing(stores) == state(LOST, Loss.SPOOL_GONE)


async def test_tenants_never_mix(stores: Relational) -> None:
    ledger, mine = stores.evidence, ref()
    foreign = replace(mine, tenant_id=OTHER)
    await ledger.take([mine], NOON)
    with pytest.raises(NotFound):
        await ledger.find(OTHER, mine.evidence_id)
    assert await ledger.incident(OTHER, WHICH) == (None, [])
    assert not await ledger.stored(foreign, NOON)
    assert (await ledger.find(ACME, mine.evidence_id)).state is PieceState.WAITING
    ends = stores.evidence_ends
    assert await ends.of_candidate(OTHER, WHO) == []
    await ends.erase_candidate(OTHER, WHO)
    await ends.erase_session(replace(SESSION, tenant_id=OTHER), NOON)
    assert await ends.of_candidate(ACME, WHO) == [mine]


async def test_pieces_that_are_stored_at_the_same_moment_leave_no_incident_behind(
    stores: Relational,
) -> None:
    refs: list[EvidenceRef] = [ref(at_ms=at_ms) for at_ms in range(8)]
    await stores.evidence.take(refs, NOON)
    await asyncio.gather(*(stores.evidence.stored(each, NOON) for each in refs))
    assert await standing(stores) == state(STORED)


async def test_rows_are_due_when_their_exams_retention_is_over_and_not_before(
    furnished: Relational,
) -> None:
    ends, day = furnished.evidence_ends, timedelta(days=1)
    await furnished.evidence.take([ref()], NOON)
    await furnished.evidence.take([ref("inc_9", session_id="ses_unknown")], NOON)
    assert await ends.due(NOON + 999 * day, 10) == []  # it has not ended
    await furnished.sessions.next_epoch(ACME, SESSION.session_id, NOON)
    await furnished.sessions.end(ACME, SESSION.session_id, NOON)
    assert await ends.due(NOON + 30 * day - MINUTE, 10) == []
    assert await ends.due(NOON + 30 * day, 10) == [SESSION]
    assert await ends.due(NOON + 30 * day, 0) == []
    for _ in range(2):
        await ends.erase_session(SESSION, NOON + 30 * day)
    assert await ends.due(NOON + 30 * day, 10) == []
    assert await furnished.evidence.incident(ACME, WHICH) == (None, [])
    assert not await furnished.evidence.stored(ref(), NOON)  # what still waits ends there


async def test_a_candidates_rows_go_and_nobody_elses(furnished: Relational) -> None:
    ends = furnished.evidence_ends
    pending = replace(incident("inc_2"), evidence=Evidence(status=PENDING))
    await furnished.incidents.commit([judged(incidents=(pending,))])  # ordered, no piece yet
    neighbour = ref("inc_3", candidate_id=CandidateId("cnd_2"))
    await furnished.evidence.take([ref(), neighbour], NOON)
    for _ in range(2):
        await ends.erase_candidate(ACME, WHO)
    for name in ("inc_1", "inc_2"):
        assert await furnished.evidence.incident(ACME, IncidentId(name)) == (None, [])
    whole, _ = await furnished.evidence.incident(ACME, IncidentId("inc_3"))
    assert whole is not None
    assert await ends.of_candidate(ACME, CandidateId("cnd_2")) == [neighbour]


async def test_nothing_of_an_erased_candidate_gets_a_row_again(furnished: Relational) -> None:
    ledger, ends = furnished.evidence, furnished.evidence_ends
    late, clip, pending = ref("inc_1"), ref("inc_1", PieceKind.CLIP), ref("inc_2")
    neighbour = ref("inc_3", candidate_id=CandidateId("cnd_2"))
    await ledger.take([late, pending], NOON)
    await erasures_of(furnished).begin(receipt())
    await ends.erase_candidate(ACME, WHO)
    gone = frozenset({late.evidence_id, clip.evidence_id})
    assert await ledger.take([late, neighbour, clip], LATER) == Taken(erased=gone)
    for each in (late, clip):
        assert not await ledger.stored(each, LATER)
        await ledger.lost(each, Loss.ERASED, LATER)
    await ledger.nothing(order("inc_2"), Loss.NOT_CAPTURED, LATER)
    assert await ends.of_candidate(ACME, WHO) == []
    for name in ("inc_1", "inc_2"):
        assert await ledger.incident(ACME, IncidentId(name)) == (None, [])
    assert await ends.of_candidate(ACME, CandidateId("cnd_2")) == [neighbour]


async def test_an_incident_that_waits_is_told_that_its_candidate_was_erased(
    furnished: Relational,
) -> None:
    pending = replace(incident(), evidence=Evidence(status=PENDING))
    await furnished.incidents.commit([judged(incidents=(pending,))])
    await erasures_of(furnished).begin(receipt())
    await furnished.evidence.lost(ref(), Loss.ERASED, LATER)
    assert await furnished.evidence.incident(ACME, WHICH) == (state(LOST, Loss.ERASED), [])


async def test_no_piece_slips_past_an_erasure_that_begins(furnished: Relational) -> None:
    """A piece that is on its way has its row before, and loses it, or never gets one."""
    erasures = erasures_of(furnished)
    for number in range(12):
        who, name = CandidateId(f"cnd_race_{number}"), f"inc_race_{number}"
        await furnished.candidates.add_candidate(candidate(who))

        async def erase(who: CandidateId = who) -> None:
            await erasures.begin(replace(receipt(), candidate_id=who, receipt_id=f"era_{who}"))
            await furnished.evidence_ends.erase_candidate(ACME, who)

        pieces = [ref(name, at_ms=at_ms, candidate_id=who) for at_ms in range(3)]
        await asyncio.gather(
            *(furnished.evidence.take([each], NOON) for each in pieces),
            erase(),
            furnished.evidence.lost(pieces[0], Loss.SPOOL_FULL, NOON),
        )
        assert await furnished.evidence_ends.of_candidate(ACME, who) == []


def erasures_of(stores: Relational) -> ErasureStore:
    if isinstance(stores.exams, FakeExamStore):
        return FakeErasureStore(stores.exams.database)
    assert isinstance(stores.exams, SqlExamStore)
    return SqlErasureStore(stores.exams._database)


def receipt() -> Erasure:
    return Erasure(
        receipt_id="era_1", tenant_id=ACME, candidate_id=WHO, asked_by="ada", asked_at=NOON
    )


async def test_the_schedule_counts_exams_by_days(furnished: Relational) -> None:
    for name, days in (("exm_2", 7), ("exm_3", 30)):
        await furnished.exams.add_exam(replace(exam(), exam_id=ExamId(name), retention_days=days))
    assert await furnished.evidence_ends.retention(ACME) == {7: 1, 30: 2}
    assert await furnished.evidence_ends.retention(OTHER) == {}
