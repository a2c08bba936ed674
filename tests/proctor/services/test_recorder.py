"""A shard records what it judges: nothing is lost or doubled, and its store holds up nobody."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from proctor.domain.alerts import Alert
from proctor.domain.errors import Conflict, StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.domain.observations import Observation
from proctor.domain.recordings import RESTORED, Recording, RecordingKey, Segment
from proctor.domain.reports import TickReport
from proctor.fusion.alert_log import alert_log, alert_log_sha256
from proctor.fusion.replay import replay
from proctor.services.judge_sessions import JudgeShard
from proctor.services.judging import recorder as recording
from proctor.services.judging.recorder import Recorder
from tests.fakes import facts
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeCheckpoints, FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recordings import FakeAlertArchive, FakeRecordings
from tests.fakes.stores import FakeDatabase, FakeIncidentStore

SPEC = facts.spec()
KEY = RecordingKey(tenant_id=SPEC.tenant_id, exam_id=SPEC.exam_id, session_id=SPEC.session_id)


class Kept(FakeRecordings):
    """`loses_answer`: the next segment is stored, but nobody hears so."""

    loses_answer = False

    async def put(self, segment: Segment) -> None:
        await super().put(segment)
        if self.loses_answer:
            self.loses_answer = False
            raise StateStoreUnavailable("stored, and the answer was lost")


@dataclass
class World:
    """A recording shard with its stores; the clock stands at the session's beginning."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    checkpoints: FakeCheckpoints = field(default_factory=FakeCheckpoints)
    recordings: Kept = field(default_factory=Kept)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    name: str = "proctor-shard-0"

    def __post_init__(self) -> None:
        self.incidents = FakeIncidentStore(self.database)
        self.archive = FakeAlertArchive(self.database)
        self.live = FakeLiveState(self.clock)

    async def shard(self) -> tuple[JudgeShard, Recorder]:
        recorder = Recorder(
            name=self.name,
            recordings=self.recordings,
            archive=self.archive,
            checkpoints=self.checkpoints,
            clock=self.clock,
            metrics=self.metrics,
        )
        made = JudgeShard(
            name=self.name,
            incidents=self.incidents,
            checkpoints=self.checkpoints,
            live=self.live,
            clock=self.clock,
            metrics=self.metrics,
            recorder=recorder,
        )
        await made.start()
        return made, recorder

    @property
    def alerts(self) -> list[Alert]:
        return sorted(self.database.alerts.values(), key=lambda alert: alert.seq)

    @property
    def of_the_session(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.session_id == SPEC.session_id]

    @property
    def states(self) -> dict[SessionId, bytes]:
        return self.checkpoints.states.get(self.name, {})

    async def recording(self) -> Recording:
        return await self.recordings.read(KEY)

    async def send(self, shard: JudgeShard, reports: Sequence[TickReport]) -> None:
        for report in reports:
            now_ms = (self.clock.now() - facts.BEGAN) // timedelta(milliseconds=1)
            await self.clock.advance(max(0, report.sent_ms - now_ms))
            await shard.submit([report])
            if report.seq % 3 == 0:
                await shard.tick()


def seen() -> list[Observation]:
    there = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    nobody: list[Observation] = [facts.faces(at) for at in range(2_000, 6_000, 500)]
    return there + nobody + facts.attentive_face(6_000, 9_000, -20.0, hz=2)


def reports() -> list[TickReport]:
    return facts.reports(seen(), 9_000)


async def ended(world: World, shard: JudgeShard) -> None:
    await shard.end(replace(SPEC, retention_days=7), facts.BEGAN + timedelta(milliseconds=9_100))


async def flushed(recorder: Recorder) -> None:
    for _ in range(3):
        await recorder.flush()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctor.fusion.tape.SEGMENT_BYTES", 4_000)


def same(found: Recording, world: World) -> bool:
    again = replay(found.takes)
    assert found.footer is not None
    return (
        again.is_whole
        and alert_log(again.alerts) == alert_log(world.of_the_session)
        and alert_log_sha256(again.alerts) == found.footer.alert_log_sha256
    )


async def test_a_session_leaves_a_recording_with_the_hash_of_what_was_committed() -> None:
    world = World()
    shard, recorder = await world.shard()
    first = replace(reports()[0], spec=replace(SPEC, retention_days=7))
    await world.send(shard, [first, *reports()[1:]])
    assert world.recordings.puts == 0
    await ended(world, shard)
    await flushed(recorder)
    found = await world.recording()
    assert found.footer is not None
    assert {alert.rule_id for alert in world.alerts} == {"no_face", "looking_away"}
    assert (found.footer.alerts, found.footer.retention_days) == (len(world.alerts), 7)
    assert found.footer.ended_at == facts.BEGAN + timedelta(milliseconds=9_100)
    assert found.footer.entries == len(found.takes[0])
    assert same(found, world)
    assert world.states == {}
    assert world.metrics.counted("shard_recording_segments") == 1


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("dies_after", range(1, 46, 3))
async def test_killed_anywhere_no_row_is_lost_or_doubled(dies_after: int) -> None:
    world = World()
    sent = reports()
    shard, recorder = await world.shard()
    await world.send(shard, sent[: dies_after // 2])
    await recorder.flush()
    await world.send(shard, sent[dies_after // 2 : dies_after])
    shard, recorder = await world.shard()
    await world.send(shard, sent[max(0, dies_after - 2) :])
    await recorder.flush()
    await ended(world, shard)
    shard, recorder = await world.shard()
    await flushed(recorder)
    found = await world.recording()
    (rows,) = found.takes
    assert [row.no for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row.kind == RESTORED for row in rows) == 1
    assert same(found, world)
    assert world.recordings.puts >= 5
    assert world.states == {}


@pytest.mark.usefixtures("small_segments")
async def test_a_segment_whose_answer_was_lost_is_stored_again_and_not_doubled() -> None:
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports())
    world.recordings.loses_answer = True
    await recorder.flush()
    assert world.recordings.puts == 1
    shard, recorder = await world.shard()
    await ended(world, shard)
    await flushed(recorder)
    assert same(await world.recording(), world)


@pytest.mark.usefixtures("small_segments")
async def test_redis_may_go_away_between_the_segment_and_its_rows() -> None:
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports())
    world.checkpoints.down = True
    await recorder.flush()
    world.checkpoints.down = False
    shard, recorder = await world.shard()
    await ended(world, shard)
    await flushed(recorder)
    assert same(await world.recording(), world)
    assert world.states == {}


class Undropping(FakeCheckpoints):
    """Takes what is written, but while `keeps` is away when it should let go."""

    keeps = False

    async def drop(self, shard: str, fence: int, *states: SessionId) -> None:
        if self.keeps:
            raise StateStoreUnavailable("away in between")
        await super().drop(shard, fence, *states)


@pytest.mark.usefixtures("small_segments")
async def test_rows_that_redis_did_not_let_go_of_are_let_go_of_later() -> None:
    checkpoints = Undropping()
    world = World(checkpoints=checkpoints)
    shard, recorder = await world.shard()
    await world.send(shard, reports())
    checkpoints.keeps = True
    await recorder.flush()
    checkpoints.keeps = False
    await ended(world, shard)
    await flushed(recorder)
    assert same(await world.recording(), world)
    assert world.states == {}, "rows of a session that is over wait for a shard's next death"


@pytest.mark.usefixtures("small_segments")
async def test_a_database_that_is_away_keeps_recordings_open_and_stores_their_segments() -> None:
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports())
    await ended(world, shard)
    world.archive.down = True
    await recorder.flush()
    other = [replace(each, session_id=SessionId("ses_other")) for each in reports()]
    other[0] = replace(other[0], spec=facts.spec("ses_other"))
    await world.send(shard, other)
    await recorder.flush()
    stored = {key.session_id for key, _, _ in world.recordings.segments}
    assert stored == {SPEC.session_id, "ses_other"}
    assert (await world.recording()).footer is None
    world.archive.down = False
    await recorder.flush()
    assert same(await world.recording(), world)


class Hanging(Kept):
    """A store that never answers."""

    async def put(self, segment: Segment) -> None:
        await asyncio.Event().wait()


async def test_a_store_that_is_away_delays_no_alert_and_loses_nothing() -> None:
    world = World()
    world.recordings.down = True
    shard, recorder = await world.shard()
    await world.send(shard, reports())
    await recorder.flush()
    await ended(world, shard)
    await recorder.flush()
    assert [alert.unsynced for alert in world.alerts] == [False] * 4
    assert world.metrics.counted("shard_unwritten", what="recording") == 1
    assert world.metrics.gauges[("shard_recording_waiting_bytes", ())] > 10_000
    assert all("/tape/" in key for key in world.states)
    shard, recorder = await world.shard()
    world.recordings.down = False
    await flushed(recorder)
    assert same(await world.recording(), world)
    assert world.states == {}


@pytest.mark.usefixtures("small_segments")
async def test_a_store_that_hangs_holds_up_its_own_loop_alone() -> None:
    world = World()
    world.recordings = Hanging()
    shard, recorder = await world.shard()
    await world.send(shard, reports()[:20])
    stuck = asyncio.ensure_future(recorder.flush())
    await asyncio.sleep(0)
    await world.send(shard, reports()[20:])
    await ended(world, shard)
    assert len(world.alerts) == 4
    assert not stuck.done()
    await world.clock.advance(recording.FLUSH_WITHIN_MS + 1)
    await stuck
    assert world.metrics.counted("shard_unwritten", what="recording") == 1


@pytest.mark.usefixtures("small_segments")
async def test_what_waits_is_bounded_and_the_recording_goes_on_from_its_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING_BYTES", 12_000)
    world = World()
    shard, recorder = await world.shard()
    world.recordings.down = True
    sent = reports()
    await world.send(shard, sent[:25])
    await recorder.flush()
    waiting = sum(len(text) for key, text in world.states.items() if "/tape/" in key)
    await world.send(shard, sent[25:36])
    assert sum(len(text) for key, text in world.states.items() if "/tape/" in key) == waiting
    assert world.metrics.counted("shard_recordings_stopped") == 1
    world.recordings.down = False
    await recorder.flush()
    await world.send(shard, sent[36:])
    await ended(world, shard)
    await flushed(recorder)
    found = await world.recording()
    again = replay(found.takes)
    assert len(found.takes) == 2
    assert not again.is_whole
    lines = set(alert_log(world.alerts).splitlines())
    assert set(alert_log(again.alerts).splitlines()) < lines
    assert again.alerts[-1].seq == world.alerts[-1].seq


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("dies", [False, True])
async def test_what_was_full_at_its_session_s_end_is_closed_and_says_that_it_is_not_whole(
    monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING_BYTES", 12_000)
    world = World()
    shard, recorder = await world.shard()
    world.recordings.down = True
    sent = reports()
    await world.send(shard, [replace(sent[0], spec=replace(SPEC, retention_days=7)), *sent[1:25]])
    await recorder.flush()
    await world.send(shard, sent[25:])
    assert world.metrics.counted("shard_recordings_stopped") == 1
    await ended(world, shard)
    if dies:
        _, recorder = await world.shard()
    world.recordings.down = False
    await flushed(recorder)
    found = await world.recording()
    assert found.footer is not None, "nobody would ever delete it"
    assert found.footer.retention_days == 7
    assert found.footer.alert_log_sha256 == alert_log_sha256(world.of_the_session)
    again = replay(found.takes)
    assert again.has_ended and not again.is_whole
    assert alert_log(again.alerts) != alert_log(world.of_the_session)
    assert world.states == {}


async def test_a_memory_that_is_gone_begins_another_take() -> None:
    world = World()
    shard, recorder = await world.shard()
    sent = reports()
    await world.send(shard, sent[:30])
    world.checkpoints.states.clear()
    shard, recorder = await world.shard()
    await world.send(shard, [replace(sent[30], spec=SPEC), *sent[31:]])
    await ended(world, shard)
    await flushed(recorder)
    found = await world.recording()
    assert [row.kind for row in found.takes[-1][:3]] == ["begin", "adopt", "begin_unknown"]
    again = replay(found.takes)
    assert set(alert_log(again.alerts).splitlines()) <= set(alert_log(world.alerts).splitlines())
    assert again.has_ended


async def test_a_tape_that_cannot_be_read_gives_way_to_another_and_is_forgotten() -> None:
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports()[:30])
    for key in [key for key in world.states if "/tape/" in key]:
        world.checkpoints.states[world.name][key] = b"[1]\tof another version"
    shard, recorder = await world.shard()
    await world.send(shard, reports()[30:])
    await ended(world, shard)
    await flushed(recorder)
    found = await world.recording()
    (rows,) = found.takes
    assert rows[0].kind == "begin"
    again = replay(found.takes)
    assert not again.is_whole
    assert set(alert_log(again.alerts).splitlines()) < set(alert_log(world.alerts).splitlines())
    assert world.metrics.counted("shard_recordings_stopped") == 1
    assert world.states == {}


async def test_a_recording_that_was_switched_off_leaves_nothing_behind_in_the_way() -> None:
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports()[:30])
    plain = JudgeShard(
        name=world.name,
        incidents=world.incidents,
        checkpoints=world.checkpoints,
        live=world.live,
        clock=world.clock,
        metrics=world.metrics,
    )
    await plain.start()
    await world.send(plain, reports()[30:])
    shard, recorder = await world.shard()
    await ended(world, shard)
    await flushed(recorder)
    found = await world.recording()
    assert len(found.takes) == 2
    assert found.footer is not None
    assert found.footer.alert_log_sha256 == alert_log_sha256(world.alerts)


async def test_a_shard_that_was_replaced_stores_nothing_more() -> None:
    world = World()
    shard, _ = await world.shard()
    await world.send(shard, reports())
    old, old_recorder = await world.shard()
    await world.shard()
    with pytest.raises(Conflict):
        await ended(world, old)
    old_recorder._end_all(SPEC.session_id)
    with pytest.raises(Conflict):
        await old_recorder.flush()


@pytest.mark.usefixtures("small_segments")
async def test_a_shard_that_was_replaced_cuts_no_segment_short_of_its_successor_s() -> None:
    """It ends a tape that its successor goes on with: its rest must not take the place of a segment."""
    world = World()
    first, old = await world.shard()
    sent = reports()
    await world.send(first, sent[:5])
    await old.flush()
    second, new = await world.shard()
    another = replace(SPEC, started_at=SPEC.started_at + timedelta(seconds=1))
    with pytest.raises(Conflict):
        await first.submit([replace(sent[0], spec=another)])
    await world.send(second, sent[5:])
    await new.flush()
    assert world.recordings.puts > 1
    with pytest.raises(Conflict):
        await old.flush()
    await ended(world, second)
    await flushed(new)
    assert same(await world.recording(), world)


async def test_two_sittings_of_one_session_are_two_takes() -> None:
    """A refused first offer moves the beginning: what came before was another sitting."""
    world = World()
    shard, recorder = await world.shard()
    await world.send(shard, reports()[:10])
    later = replace(SPEC, started_at=facts.BEGAN + timedelta(seconds=2), epoch=2)
    await world.clock.advance(1_000)
    second = [replace(each, epoch=2) for each in reports()]
    await shard.submit([replace(second[0], spec=later), *second[1:]])
    await shard.end(later, facts.BEGAN + timedelta(milliseconds=11_100))
    await flushed(recorder)
    found = await world.recording()
    assert len(found.takes) == 2
    assert alert_log(replay(found.takes).alerts) == alert_log(world.alerts)
