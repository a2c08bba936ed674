"""Accommodation, verdict, evidence and priority over SQLite and Redis, with shards killed in between."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.clock import SystemClock
from proctor.adapters.redis_server import start_redis
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.alerts import Transition
from proctor.domain.allowances import Accommodation
from proctor.domain.incidents import EvidenceStatus, Verdict
from proctor.domain.sessions import SessionSpec
from proctor.services.accommodations import Accommodations
from proctor.services.judge_sessions import JudgeShard
from proctor.services.news import IncidentNews
from proctor.services.priorities import Priorities
from tests.fakes import facts
from tests.fakes.metrics import FakeMetrics
from tests.proctor.services.test_shard_on_real_stores import furnish

pytestmark = pytest.mark.service


@dataclass
class House:
    """Real stores, and shards over them."""

    sql: SqlStores
    checkpoints: RedisCheckpoints
    live: RedisLiveState
    clock: SystemClock
    spec: SessionSpec

    async def shard(self) -> JudgeShard:
        made = JudgeShard(
            name="proctor-shard-0",
            incidents=self.sql.incidents,
            checkpoints=self.checkpoints,
            live=self.live,
            clock=self.clock,
            metrics=FakeMetrics(),
        )
        await made.start()
        return made

    def accommodations(self, shard: JudgeShard) -> Accommodations:
        sql = self.sql
        return Accommodations(
            sql.allowances, sql.candidates, sql.exams, sql.sessions, shard, self.clock
        )

    def news(self, shard: JudgeShard) -> IncidentNews:
        sql = self.sql
        return IncidentNews(sql.incidents, sql.verdicts, sql.sessions, sql.exams, shard, self.clock)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'proctor.db'}"
    upgrade(url)
    server, sql, clock = start_redis(tmp_path / "redis"), SqlStores(url), SystemClock()
    await sql.open()
    await furnish(sql)
    checkpoints, live = RedisCheckpoints(server.url), RedisLiveState(server.url)
    spec = replace(facts.spec(), started_at=clock.now())
    yield House(sql, checkpoints, live, clock, spec)
    await sql.close()
    await checkpoints.close()
    await live.close()
    server.stop()


async def test_from_an_accommodation_to_a_verdict_after_the_end(house: House) -> None:
    spec, sql = house.spec, house.sql
    seen = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(2_000, 7_000, 500)]
    seen += facts.attentive_face(7_000, 9_000, 0.0, hz=2)
    both = (facts.face(), facts.face(left=0.7, width=0.25))
    seen += [facts.faces(at, *both, small=True) for at in range(9_000, 12_000, 500)]
    reports = [
        replace(each, spec=spec if each.seq == 1 else None) for each in facts.reports(seen, 12_000)
    ]
    first = await house.shard()
    await first.submit(reports[:5])
    may_leave = {Accommodation.MAY_LEAVE_SEAT}
    await house.accommodations(first).put(spec.tenant_id, spec.candidate_id, None, may_leave, "ada")
    second = await house.shard()  # the first is dead: what it was told is in its checkpoint
    await second.submit(reports[5:])
    found = await sql.incidents.list_incidents(spec.tenant_id, spec.session_id)
    assert [(each.rule_id, each.suppressed_by) for each in found] == [
        ("no_face", "accommodation:may_leave_seat"),
        ("several_faces", None),
    ]
    faces = found[1]
    given = await house.news(second).verdict(
        spec.tenant_id, faces.incident_id, Verdict.CONFIRMED, "ada", "Two people"
    )
    assert given.told_at is not None
    third = await house.shard()
    await third.end(spec, spec.started_at + timedelta(milliseconds=12_100))
    ended = await sql.sessions.end(spec.tenant_id, spec.session_id, house.clock.now())
    await house.news(third).evidence(
        spec.tenant_id, faces.incident_id, EvidenceStatus.STORED
    )  # nobody judges it any more

    await sql.feed.publish_pending(10)
    told = [item.alert for item in await sql.feed.read(spec.tenant_id, 0, 10)]
    assert [(alert.seq, alert.rule_id, alert.transition) for alert in told] == [
        (1, "several_faces", Transition.OPENED),
        (2, "several_faces", Transition.UPDATED),
        (3, "several_faces", Transition.CLOSED),
        (4, "several_faces", Transition.UPDATED),
    ]  # stored as 3 to 6: what the accommodation held back cannot be read off the numbers
    now = await sql.incidents.get_incident(spec.tenant_id, faces.incident_id)
    assert (now.verdict, now.evidence.status) == (Verdict.CONFIRMED, EvidenceStatus.STORED)
    assert now.closed_ms is not None
    ((session, priority),) = await Priorities(sql.priorities, sql.exams).ranked(
        spec.tenant_id, spec.exam_id, None, 10
    )
    assert session.session_id == ended.session_id
    assert priority is not None and priority.is_final and priority.peak is not None
    assert [each.source for each in priority.peak_contributions] == ["people"]
    assert priority.rank == round(priority.peak * 1e6)
