"""Recordings die when their exam says so, and none before; a store that is away is waited for."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from deployments.retainer import STEP_S, Retainer
from proctor.domain.errors import NotFound, StateStoreUnavailable
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import Footer, RecordingKey, Segment
from proctor.services.retain import Retain
from tests.contract.samples import exam as an_exam
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recordings import FakeRecordings
from tests.fakes.stores import FakeExamStore
from tests.fakes.tapes import Recorded


def key(session: str) -> RecordingKey:
    return RecordingKey(
        tenant_id=TenantId("ten"), exam_id=ExamId("exa"), session_id=SessionId(session)
    )


class Held(FakeRecordings):
    """A store that refuses to delete one session: an object lock, a right that is missing."""

    async def erase(self, key: RecordingKey) -> None:
        if key.session_id == "held":
            raise StateStoreUnavailable("recordings are away (PermissionDeniedError)")
        await super().erase(key)


async def stored(
    clock: FakeClock, recordings: FakeRecordings | None = None, **days: int | None
) -> FakeRecordings:
    recordings = recordings or FakeRecordings()
    one = Recorded()
    one.write_down()
    for session, kept in days.items():
        rows = tuple(one.rows())
        await recordings.put(Segment(key=key(session), take="t", number=0, rows=rows))
        await recordings.close_with(
            Footer(
                key=key(session),
                take="t",
                entries=1,
                alerts=0,
                alert_log_sha256="0" * 64,
                ended_at=clock.now(),
                retention_days=kept,
            )
        )
    return recordings


async def test_what_is_due_is_deleted_and_nothing_else() -> None:
    clock, metrics = FakeClock(), FakeMetrics()
    recordings = await stored(clock, short=1, long=30, unsaid=None)
    open_one = Segment(key=key("open"), take="t", number=0, rows=())
    await recordings.put(open_one)
    retainer = Retainer(Retain(recordings, clock).erase_due, clock=clock, metrics=metrics)
    running = asyncio.ensure_future(retainer.run())
    await asyncio.sleep(0)
    assert metrics.counted("recordings_erased") == 0
    recordings.down = True
    await clock.advance(round(timedelta(days=1) / timedelta(milliseconds=1)))
    assert metrics.counted("retainer_failed_steps_total") > 1
    recordings.down = False
    await clock.advance(round(STEP_S * 1000))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert metrics.counted("recordings_erased") == 1
    with pytest.raises(NotFound):
        await recordings.read(key("short"))
    for session in ("long", "unsaid", "open"):
        assert await recordings.read(key(session))


async def test_one_that_cannot_be_deleted_keeps_no_other() -> None:
    clock = FakeClock()
    recordings = await stored(clock, Held(), held=1, free=1)
    await clock.advance(round(timedelta(days=1) / timedelta(milliseconds=1)))
    metrics = FakeMetrics()
    retainer = Retainer(Retain(recordings, clock).erase_due, clock=clock, metrics=metrics)
    running = asyncio.ensure_future(retainer.run())
    await clock.advance(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await recordings.read(key("held"))
    with pytest.raises(NotFound):
        await recordings.read(key("free"))
    assert metrics.counted("recordings_erased") == 1
    assert metrics.gauges == {("retention_overdue", (("what", "recordings"),)): 1}
    with pytest.raises(StateStoreUnavailable):
        await Retain(recordings, clock).erase_due()


async def test_a_recording_that_was_never_closed_dies_two_days_after_its_exams_retention() -> None:
    clock = FakeClock()
    exams = FakeExamStore(FakeDatabase())
    await exams.ensure_tenant(TenantId("ten"), "Ten")
    exam = replace(an_exam("exa", TenantId("ten")), retention_days=3)
    await exams.add_exam(exam)
    recordings = await stored(clock, closed=30)
    took = f"{clock.now():%Y%m%dT%H%M%S%f}Z"
    for whose in (key("lost"), replace(key("strange"), exam_id=ExamId("unknown"))):
        await recordings.put(Segment(key=whose, take=took, number=0, rows=()))
    retain = Retain(recordings, clock, exams)
    day_ms = 86_400_000
    for day, erased in ((0, 0), (4, 0), (5, 1), (5.5, 0)):
        await clock.advance(round(day * day_ms) - clock.monotonic_ms())
        assert await retain.erase_due() == erased, day
    assert await recordings.read(key("closed"))
    with pytest.raises(NotFound):
        await recordings.read(key("lost"))
