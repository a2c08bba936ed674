"""A store that is away says `StateStoreUnavailable`, whichever it is and whatever is asked."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.evidence.objects import ObjectEvidence
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.lancedb_faces import LanceFaceIndex
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.evidence import Loss
from proctor.domain.ids import AlertId, CandidateId, ExamId, IncidentId, SessionId
from proctor.domain.incidents import EvidenceStatus
from proctor.ports import (
    AlertFeed,
    AllowanceStore,
    AuditLog,
    CandidateStore,
    Checkpoints,
    EvidenceEnds,
    EvidenceLedger,
    EvidenceObjects,
    ExamStore,
    FaceIndex,
    IncidentStore,
    LiveState,
    PriorityStore,
    SessionStore,
    VerdictStore,
)
from tests.contract.evidence_samples import SESSION, order, ref
from tests.contract.samples import ACME, DLIB, NOON, alert, candidate, exam, judged, template
from tests.contract.test_recordings import use_s3
from tests.contract.test_review_stores import allowed, pause, word
from tests.fakes.evidence import (
    FakeAuditLog,
    FakeEvidenceEnds,
    FakeEvidenceLedger,
    FakeEvidenceObjects,
)
from tests.fakes.stores import (
    FakeAlertFeed,
    FakeAllowanceStore,
    FakeCandidateStore,
    FakeCheckpoints,
    FakeExamStore,
    FakeFaceIndex,
    FakeIncidentStore,
    FakeLiveState,
    FakePriorityStore,
    FakeSessionStore,
    FakeVerdictStore,
)

Calls = Iterator[Callable[[], Awaitable[object]]]
WHO, WHICH = CandidateId("cnd_1"), SessionId("ses_1")


def exam_calls(store: ExamStore) -> Calls:
    yield lambda: store.ensure_tenant(ACME, "Acme")
    yield lambda: store.add_exam(exam())
    yield lambda: store.get_exam(ACME, exam().exam_id)
    yield lambda: store.list_exams(ACME, None, 1)


def candidate_calls(store: CandidateStore) -> Calls:
    yield lambda: store.add_candidate(candidate())
    yield lambda: store.get_candidate(ACME, WHO)
    yield lambda: store.live_consent(ACME, WHO)
    yield lambda: store.withdraw_consent(ACME, WHO, NOON)
    yield lambda: store.newest_enrolment(ACME, WHO)


def session_calls(store: SessionStore) -> Calls:
    yield lambda: store.get(ACME, WHICH)
    yield lambda: store.list(ACME, None, None, None, 1)
    yield lambda: store.next_epoch(ACME, WHICH, NOON)
    yield lambda: store.forget_start(ACME, WHICH, 1)
    yield lambda: store.end(ACME, WHICH, NOON)


def incident_calls(store: IncidentStore) -> Calls:
    yield lambda: store.commit([judged(alert())])
    yield lambda: store.last_seq(WHICH)
    yield lambda: store.list_incidents(ACME, WHICH)
    yield lambda: store.get_incident(ACME, IncidentId("inc_1"))
    yield lambda: store.allowances(ACME, WHICH)
    yield lambda: store.has_alert(ACME, AlertId("alr_1"))


def review_calls(
    allowances: AllowanceStore, verdicts: VerdictStore, priorities: PriorityStore
) -> Calls:
    yield lambda: allowances.put_accommodations(allowed(), "ada", NOON)
    yield lambda: allowances.list_accommodations(ACME, WHO)
    yield lambda: allowances.put_break(pause(0, None), "ada", NOON)
    yield lambda: allowances.list_breaks(ACME, WHICH)
    yield lambda: verdicts.add(word())
    yield lambda: verdicts.list(ACME, IncidentId("inc_1"))
    yield lambda: verdicts.told(ACME, "ver_1", NOON)
    yield lambda: verdicts.owed(NOON, None, 1)
    yield lambda: priorities.get(ACME, WHICH)
    yield lambda: priorities.ranked(ACME, ExamId("exm_1"), None, 1)


def evidence_calls(ledger: EvidenceLedger, ends: EvidenceEnds, audit: AuditLog) -> Calls:
    inc, hour = IncidentId("inc_1"), timedelta(hours=1)
    yield lambda: ledger.take([ref()], NOON)
    yield lambda: ledger.stored(ref(), NOON)
    yield lambda: ledger.lost(ref(), Loss.DISK_FULL, NOON)
    yield lambda: ledger.nothing(order(), Loss.NOT_CAPTURED, NOON)
    yield lambda: ledger.incident(ACME, inc)
    yield lambda: ledger.find(ACME, "evd_1")
    yield lambda: ledger.untold(None, 1)
    yield lambda: ledger.told(ACME, inc, EvidenceStatus.LOST)
    yield lambda: ledger.give_up(NOON, NOON - hour, NOON - hour)
    yield lambda: ends.due(NOON, 1)
    yield lambda: ends.erase_session(SESSION, NOON)
    yield lambda: ends.of_candidate(ACME, WHO)
    yield lambda: ends.erase_candidate(ACME, WHO)
    yield lambda: ends.retention(ACME)
    yield lambda: audit.note(ACME, at=NOON, actor="ada", action="x", subject="y")


def object_calls(objects: EvidenceObjects) -> Calls:
    yield lambda: objects.put("a/b/c/d", b"sealed")
    yield lambda: objects.get("a/b/c/d")
    yield lambda: objects.erase(["a/b/c/d"])
    yield lambda: objects.erase_session(SESSION)


def feed_calls(feed: AlertFeed) -> Calls:
    yield lambda: feed.publish_pending(1)
    yield lambda: feed.read(ACME, 0, 1)
    yield lambda: feed.head(ACME)
    yield feed.heads


def live_calls(live: LiveState) -> Calls:
    yield lambda: live.put_once("k", "v", 1)
    yield lambda: live.put("k", "v", 1)
    yield lambda: live.get("k")
    yield lambda: live.take("k")
    yield lambda: live.count("k", 1)
    yield lambda: live.delete("k")
    yield lambda: live.publish("c", "m")
    yield lambda: live.listen("c").start()


def checkpoint_calls(checkpoints: Checkpoints) -> Calls:
    yield lambda: checkpoints.claim("s")
    yield lambda: checkpoints.save("s", 1, {})
    yield lambda: checkpoints.load("s")
    yield lambda: checkpoints.drop("s", 1, WHICH)


def face_calls(faces: FaceIndex) -> Calls:
    yield lambda: faces.put(template())
    yield lambda: faces.find(ACME, WHO, DLIB)
    yield lambda: faces.newest_version(ACME, WHO)
    yield lambda: faces.erase(ACME, WHO)


async def must_be_away(calls: Calls) -> None:
    asked = 0
    for call in calls:
        with pytest.raises(StateStoreUnavailable) as caught:
            await call()
        assert caught.value.retryable
        asked += 1
    assert asked > 2


async def test_fakes_that_are_down() -> None:
    exams, candidates, sessions = FakeExamStore(), FakeCandidateStore(), FakeSessionStore()
    incidents, feed, live = FakeIncidentStore(), FakeAlertFeed(), FakeLiveState()
    checkpoints, faces = FakeCheckpoints(), FakeFaceIndex()
    allowances, verdicts, priorities = (
        FakeAllowanceStore(),
        FakeVerdictStore(),
        FakePriorityStore(),
    )
    for fake in (exams, candidates, sessions, incidents, feed, live, checkpoints, faces):
        fake.down = True
    for review in (allowances, verdicts, priorities):
        review.down = True
    await must_be_away(review_calls(allowances, verdicts, priorities))
    ledger, ends, audit = FakeEvidenceLedger(), FakeEvidenceEnds(), FakeAuditLog()
    objects = FakeEvidenceObjects()
    for kept in (ledger, ends, audit, objects):
        kept.down = True
    await must_be_away(evidence_calls(ledger, ends, audit))
    await must_be_away(object_calls(objects))
    await must_be_away(exam_calls(exams))
    await must_be_away(candidate_calls(candidates))
    await must_be_away(session_calls(sessions))
    await must_be_away(incident_calls(incidents))
    await must_be_away(feed_calls(feed))
    await must_be_away(live_calls(live))
    await must_be_away(checkpoint_calls(checkpoints))
    await must_be_away(face_calls(faces))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is ours and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_databases_that_are_away(kind: str, closed_port: int, tmp_path: Path) -> None:
    urls = {
        "sqlite": f"sqlite:///{tmp_path}/no/such/folder/proctor.db",
        "postgresql": f"postgresql://u:hidden@127.0.0.1:{closed_port}/none",
    }
    stores = SqlStores(urls[kind], patience_s=1)
    await must_be_away(exam_calls(stores.exams))
    await must_be_away(candidate_calls(stores.candidates))
    await must_be_away(session_calls(stores.sessions))
    await must_be_away(incident_calls(stores.incidents))
    await must_be_away(feed_calls(stores.feed))
    await must_be_away(review_calls(stores.allowances, stores.verdicts, stores.priorities))
    await must_be_away(evidence_calls(stores.evidence, stores.evidence_ends, stores.audit))
    with pytest.raises(StateStoreUnavailable) as caught:
        await stores.open()
    assert "hidden" not in str(caught.value)
    await stores.close()
    await sqlite_threads_are_over()


async def sqlite_threads_are_over() -> None:
    """aiosqlite does not wait for the thread of a connection that failed, and it speaks to this loop."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_redis_that_is_away(closed_port: int) -> None:
    url = f"redis://:hidden@127.0.0.1:{closed_port}/0"
    live, checkpoints = RedisLiveState(url), RedisCheckpoints(url)
    await must_be_away(live_calls(live))
    await must_be_away(checkpoint_calls(checkpoints))
    await live.close()
    await checkpoints.close()


async def test_an_evidence_store_that_is_away(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, f"http://127.0.0.1:{closed_port}")
    await must_be_away(object_calls(ObjectEvidence("s3+http://bucket/evidence")))


async def test_a_face_index_that_cannot_be_opened(tmp_path: Path) -> None:
    ring = FileKeyRing(tmp_path / "keys.json")
    faces = LanceFaceIndex("no-such-scheme://nowhere/faces", ring)
    with pytest.raises(StateStoreUnavailable):
        await faces.find(ACME, WHO, DLIB)
    await faces.close()
