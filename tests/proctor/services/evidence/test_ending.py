"""Evidence dies when its exam says so, and none before; and with its candidate's data."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from deployments.retainer import STEP_S, Retainer
from proctor.domain.errors import NotAllErased, StateStoreUnavailable
from proctor.domain.evidence import EvidenceRef, KeptSession
from proctor.domain.ids import CandidateId, ExamId, SessionId
from proctor.domain.sessions import SessionState
from proctor.services.evidence.ending import EndEvidence
from tests.contract.evidence_samples import ref
from tests.contract.samples import ACME, exam, session
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.evidence import FakeEvidenceEnds, FakeEvidenceLedger, FakeEvidenceObjects
from tests.fakes.metrics import FakeMetrics

DAY = timedelta(days=1)


class Held(FakeEvidenceObjects):
    """A store that refuses to delete one session: an object lock, a right that is missing."""

    held = ""

    async def erase_session(self, session: KeptSession) -> None:
        if session.session_id == self.held:
            raise StateStoreUnavailable("evidence objects are away (PermissionDeniedError)")
        await super().erase_session(session)


class Site:
    """Two exams, each with an ended session of which a piece is stored."""

    def __init__(self) -> None:
        self.clock, self.database, self.objects = FakeClock(), FakeDatabase(), Held()
        self.ledger = FakeEvidenceLedger(self.database)
        self.ends = FakeEvidenceEnds(self.database)
        self.end = EndEvidence(self.ends, self.objects, self.clock)

    async def build(self, **days: int) -> "Site":
        for name, kept in days.items():
            exam_id, session_id = ExamId(f"exm_{name}"), SessionId(f"ses_{name}")
            self.database.exams[exam_id] = replace(exam(), exam_id=exam_id, retention_days=kept)
            self.database.sessions[session_id] = replace(
                session(),
                exam_id=exam_id,
                session_id=session_id,
                state=SessionState.ENDED,
                ended_at=self.clock.now(),
            )
            await self.ledger.take([self.ref(name)], self.clock.now())
            await self.ledger.stored(self.ref(name), self.clock.now())
            await self.objects.put(self.ref(name).object_key, b"sealed")
        return self

    def ref(self, name: str) -> EvidenceRef:
        return ref(
            f"inc_{name}",
            exam_id=ExamId(f"exm_{name}"),
            session_id=SessionId(f"ses_{name}"),
            candidate_id=CandidateId(f"cnd_{name}"),
        )

    def kept(self) -> tuple[list[str], list[str]]:
        """Sessions with objects, and with rows."""
        objects = sorted(key.split("/")[2] for key in self.objects.objects)
        rows = sorted(piece.ref.session_id for piece, _ in self.database.evidence.values())
        return objects, rows

    async def pass_(self, time: timedelta) -> None:
        await self.clock.advance(time // timedelta(milliseconds=1))


async def test_objects_and_rows_go_when_their_time_is_over_and_not_before() -> None:
    site, metrics = await Site().build(short=1, long=30), FakeMetrics()
    orphan = "acme/exm_short/ses_short/evd_of_no_row"
    await site.objects.put(orphan, b"sealed")
    retainer = Retainer(
        site.end.erase_due, clock=site.clock, metrics=metrics, counter="evidence_erased"
    )
    running = asyncio.ensure_future(retainer.run())
    await site.pass_(DAY - timedelta(seconds=1))
    assert site.kept() == (["ses_long", "ses_short", "ses_short"], ["ses_long", "ses_short"])
    await site.pass_(timedelta(seconds=STEP_S))
    assert site.kept() == (["ses_long"], ["ses_long"])
    assert orphan not in site.objects.objects
    assert metrics.counted("evidence_erased") == 1
    await site.pass_(30 * DAY)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert site.kept() == ([], [])
    erased = [row[1:4] for row in site.database.audit]
    assert erased == [
        ("retention", "evidence.erased", "ses_short"),
        ("retention", "evidence.erased", "ses_long"),
    ]


async def test_a_session_that_runs_keeps_its_evidence() -> None:
    site = await Site().build(a=1)
    running = site.database.sessions[SessionId("ses_a")]
    site.database.sessions[running.session_id] = replace(running, ended_at=None)
    await site.pass_(400 * DAY)
    assert await site.end.erase_due() == 0
    assert site.kept() == (["ses_a"], ["ses_a"])


async def test_one_that_cannot_be_deleted_keeps_no_other_and_its_rows_stay() -> None:
    site = await Site().build(a=1, b=1, c=1)
    site.objects.held = "ses_a"
    await site.pass_(DAY)
    with pytest.raises(NotAllErased) as caught:
        await site.end.erase_due()
    assert (caught.value.erased, caught.value.left) == (2, 1)
    assert site.kept() == (["ses_a"], ["ses_a"])
    site.objects.held = ""
    assert await site.end.erase_due() == 1
    assert site.kept() == ([], [])


async def test_a_candidates_evidence_goes_with_all_its_rows_and_nobody_elses() -> None:
    site = await Site().build(a=30, b=30)
    assert await site.end.erase_candidate(ACME, CandidateId("cnd_a")) == 1
    assert site.kept() == (["ses_b"], ["ses_b"])
    assert await site.end.erase_candidate(ACME, CandidateId("cnd_a")) == 0


async def test_a_store_that_is_away_keeps_the_rows_for_the_next_try() -> None:
    site = await Site().build(a=30)
    site.objects.down = True
    with pytest.raises(StateStoreUnavailable):
        await site.end.erase_candidate(ACME, CandidateId("cnd_a"))
    assert site.kept() == (["ses_a"], ["ses_a"])
