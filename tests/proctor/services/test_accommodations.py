"""What is allowed reaches the session's shard, whatever the session does meanwhile."""

from datetime import datetime

from proctor.domain.allowances import SessionBreak
from proctor.domain.ids import SessionId
from proctor.services.accommodations import Accommodations
from tests.contract.samples import ACME, NOON, candidate, exam, session
from tests.fakes.clock import FakeClock
from tests.fakes.judges import FakeJudges
from tests.fakes.stores import (
    FakeAllowanceStore,
    FakeCandidateStore,
    FakeDatabase,
    FakeExamStore,
    FakeSessionStore,
)

WHICH = SessionId("ses_1")


class BegunMeanwhile(FakeAllowanceStore):
    """The candidate connects, and the shard gets what was allowed, just before the break is stored."""

    async def put_break(self, given: SessionBreak, actor: str, at: datetime) -> None:
        await FakeSessionStore(self.database).next_epoch(ACME, WHICH, NOON)
        await super().put_break(given, actor, at)


async def test_a_break_that_is_planned_while_the_session_begins_reaches_its_shard() -> None:
    database, judges = FakeDatabase(), FakeJudges()
    database.tenants[ACME] = "Acme"
    database.exams[exam().exam_id] = exam()
    database.candidates[candidate().candidate_id] = candidate()
    sessions = FakeSessionStore(database)
    await sessions.add(session())
    desk = Accommodations(
        BegunMeanwhile(database),
        FakeCandidateStore(database),
        FakeExamStore(database),
        sessions,
        judges,
        FakeClock(),
    )
    given = await desk.give_break(ACME, WHICH, 60_000, 120_000, "ada")
    assert [each.break_id for each in await desk.breaks(ACME, WHICH)] == [given.break_id]
    assert judges.refreshed == [WHICH]
