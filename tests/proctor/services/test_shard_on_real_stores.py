"""The same shard over SQLite, a real redis-server and a folder: killed in between, ended, read back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.clock import SystemClock
from proctor.adapters.recordings.objects import ObjectRecordings
from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.alerts import Transition
from proctor.domain.candidates import Candidate
from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.fusion.alert_log import alert_log_sha256
from proctor.fusion.replay import replay
from proctor.services.judge_sessions import JudgeShard
from proctor.services.judging.recorder import Recorder
from proctor.services.replays import Replays
from tests.fakes import facts
from tests.fakes.metrics import FakeMetrics

pytestmark = pytest.mark.service


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


async def furnish(sql: SqlStores) -> None:
    spec = facts.spec()
    await sql.exams.ensure_tenant(spec.tenant_id, "Test")
    await sql.exams.add_exam(
        Exam(
            exam_id=spec.exam_id,
            tenant_id=spec.tenant_id,
            title="Test",
            policy_id="standard",
            policy_version=1,
            policy_text=spec.policy_text,
            retention_days=1,
            created_at=facts.BEGAN,
        )
    )
    await sql.candidates.add_candidate(
        Candidate(
            candidate_id=spec.candidate_id,
            tenant_id=spec.tenant_id,
            external_ref="x",
            created_at=facts.BEGAN,
        )
    )
    await sql.sessions.add(
        Session(
            session_id=spec.session_id,
            tenant_id=spec.tenant_id,
            exam_id=spec.exam_id,
            candidate_id=spec.candidate_id,
            state=SessionState.LIVE,
            epoch=1,
            created_at=facts.BEGAN,
            started_at=facts.BEGAN,
        )
    )


async def test_a_session_from_its_first_report_to_its_end(
    tmp_path: Path, redis: RedisServer
) -> None:
    url = f"sqlite:///{tmp_path / 'proctor.db'}"
    upgrade(url)
    sql = SqlStores(url)
    await sql.open()
    checkpoints, live = RedisCheckpoints(redis.url), RedisLiveState(redis.url)
    clock = SystemClock()
    began_at = clock.now()
    spec = replace(facts.spec(), started_at=began_at)

    async def new_shard() -> JudgeShard:
        made = JudgeShard(
            name="proctor-shard-0",
            incidents=sql.incidents,
            checkpoints=checkpoints,
            live=live,
            clock=clock,
            metrics=FakeMetrics(),
        )
        await made.start()
        return made

    await furnish(sql)
    seen = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    seen += [facts.faces(at) for at in range(2_000, 7_000, 500)]
    seen += facts.attentive_face(7_000, 9_000, 0.0, hz=2)
    reports = [
        replace(each, spec=spec if each.seq == 1 else None) for each in facts.reports(seen, 9_000)
    ]
    (answer,) = await (await new_shard()).submit(reports[:31])
    assert answer.seq == 31
    again = await new_shard()
    (answer,) = await again.submit(reports[25:])
    assert answer.seq == len(reports)
    await again.tick()
    assert '"monitored"' in (await live.get(f"status:{spec.session_id}") or "")
    await again.end(spec, began_at + timedelta(milliseconds=9_100))
    await again.end(spec, began_at + timedelta(milliseconds=9_100))

    assert await checkpoints.load("proctor-shard-0") == {}
    assert await sql.feed.publish_pending(10) == 2
    alerts = [item.alert for item in await sql.feed.read(spec.tenant_id, 0, 10)]
    assert [(alert.seq, alert.transition, alert.occurred_ms) for alert in alerts] == [
        (1, Transition.OPENED, 2_000),
        (2, Transition.CLOSED, 7_000),
    ]
    assert alerts[0].producers == (facts.DETECTOR,)
    (incident,) = await sql.incidents.list_incidents(spec.tenant_id, spec.session_id)
    assert (incident.opened_ms, incident.closed_ms) == (2_000, 7_000)
    stored = await sql.sessions.get(spec.tenant_id, spec.session_id)
    for modality in Modality:
        parts = [part for part in stored.coverage if part.modality is modality]
        assert sum((part.end_ms or 0) - part.start_ms for part in parts) == 9_100
        assert {part.reason for part in parts} <= {None, CoverageReason.SHARD_LOST}
    await sql.close()
    await checkpoints.close()
    await live.close()


async def test_its_recording_replays_to_the_committed_alerts(
    tmp_path: Path, redis: RedisServer
) -> None:
    url = f"sqlite:///{tmp_path / 'proctor.db'}"
    upgrade(url)
    sql = SqlStores(url)
    await sql.open()
    await furnish(sql)
    checkpoints, live = RedisCheckpoints(redis.url), RedisLiveState(redis.url)
    recordings, clock = ObjectRecordings((tmp_path / "recordings").as_uri()), SystemClock()

    async def new_shard() -> tuple[JudgeShard, Recorder]:
        recorder = Recorder(
            name="proctor-shard-0",
            recordings=recordings,
            archive=sql.archive,
            checkpoints=checkpoints,
            clock=clock,
            metrics=FakeMetrics(),
        )
        made = JudgeShard(
            name="proctor-shard-0",
            incidents=sql.incidents,
            checkpoints=checkpoints,
            live=live,
            clock=clock,
            metrics=FakeMetrics(),
            recorder=recorder,
        )
        await made.start()
        return made, recorder

    began_at = clock.now()
    spec = replace(facts.spec(), started_at=began_at, retention_days=1)
    seen = facts.media_come() + facts.attentive_face(0, 4_000, 0.0)
    for from_ms in range(4_000, 400_000, 20_000):  # long enough for a segment before the end
        seen += [facts.faces(at) for at in range(from_ms, from_ms + 6_000, 100)]
        seen += facts.attentive_face(from_ms + 6_000, from_ms + 20_000, -15.0, hz=5)
    reports = [
        replace(each, spec=spec if each.seq == 1 else None) for each in facts.reports(seen, 404_000)
    ]
    shard, recorder = await new_shard()
    for start in range(0, 1_500, 50):
        await shard.submit(reports[start : start + 50])
    await recorder.flush()
    shard, recorder = await new_shard()  # the other was killed
    for start in range(1_450, len(reports), 50):
        await shard.submit(reports[start : start + 50])
    await shard.end(spec, began_at + timedelta(milliseconds=404_100))
    shard, recorder = await new_shard()
    await recorder.flush()
    assert await checkpoints.load("proctor-shard-0") == {}

    replays = Replays(recordings, sql.archive, sql.sessions, sql.priorities)
    key = await replays.find(spec.tenant_id, spec.session_id)
    found = await replays.read(key)
    compared = await replays.compare(key)
    assert len(list((tmp_path / "recordings").rglob("*.arrow"))) >= 2
    assert len(compared.committed) >= 40
    assert compared.is_same and compared.is_whole
    assert compared.sha256 == compared.footer_sha256 == alert_log_sha256(compared.committed)
    assert [row.no for row in found.takes[0]] == list(range(1, len(found.takes[0]) + 1))
    assert replay(found.takes).has_ended
    explained = await replays.explain(compared.committed[17].alert_id)
    assert explained.is_same
    await sql.close()
    await checkpoints.close()
    await live.close()
