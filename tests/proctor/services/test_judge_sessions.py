"""A shard of sessions: nothing acknowledged is lost, nothing is told twice, an outage accuses nobody."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from proctor.domain.alerts import Alert, Transition
from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.errors import Conflict, StateStoreUnavailable
from proctor.domain.evidence import EvidenceOrder
from proctor.domain.ids import SessionId
from proctor.domain.incidents import EvidenceStatus
from proctor.domain.observations import Observation
from proctor.domain.reports import (
    Acknowledgement,
    CommandName,
    OrderNews,
    OrderState,
    TickReport,
)
from proctor.domain.sessions import SessionSpec
from proctor.ports import Judged
from proctor.services.judge_sessions import JudgeShard
from tests.fakes import facts
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeCheckpoints, FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.stores import FakeDatabase, FakeIncidentStore

T = TypeVar("T")
NO_FACE_OPENED = ("no_face", Transition.OPENED)
NO_FACE_CLOSED = ("no_face", Transition.CLOSED)


@dataclass
class World:
    """A shard with its stores; the clock stands at the session's beginning."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    checkpoints: FakeCheckpoints = field(default_factory=FakeCheckpoints)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    name: str = "proctor-shard-0"
    rules: tuple[str, ...] = ("no_face",)

    def __post_init__(self) -> None:
        self.incidents = FakeIncidentStore(self.database)
        self.live = FakeLiveState(self.clock)

    async def shard(self) -> JudgeShard:
        made = JudgeShard(
            name=self.name,
            incidents=self.incidents,
            checkpoints=self.checkpoints,
            live=self.live,
            clock=self.clock,
            metrics=self.metrics,
            rules=self.rules,
        )
        await made.start()
        return made

    @property
    def alerts(self) -> list[Alert]:
        return sorted(self.database.alerts.values(), key=lambda alert: alert.seq)

    @property
    def told(self) -> list[tuple[str, Transition]]:
        return [(alert.rule_id, alert.transition) for alert in self.alerts]

    def video(self, session: str = facts.SESSION) -> list[tuple[int, int | None, str]]:
        return [
            (part.start_ms, part.end_ms, part.reason or part.state)
            for part in self.database.coverage[facts.spec(session).session_id]
            if part.modality is Modality.VIDEO
        ]

    def messages(self, session: str = facts.SESSION) -> list[dict[str, object]]:
        return [
            json.loads(text)
            for channel, text in self.live.published
            if channel == f"session:{session}"
        ]


async def in_time(world: World, shard: JudgeShard, reports: Sequence[TickReport]) -> list[int]:
    """Send every report at its own moment; return what was acknowledged."""
    acknowledged = []
    for report in reports:
        now_ms = (world.clock.now() - facts.BEGAN) // timedelta(milliseconds=1)
        await world.clock.advance(max(0, report.sent_ms - now_ms))
        acknowledged += [answer.seq for answer in await shard.submit([report])]
    return acknowledged


async def patiently(world: World, work: Coroutine[Any, Any, T]) -> T:
    """Let time pass by itself meanwhile: retries of a commit wait on the clock."""
    task = asyncio.ensure_future(work)
    for _ in range(20):
        await asyncio.sleep(0)
        if task.done():
            break
        await world.clock.advance(200)
    return await task


def absence(until_ms: int = 8_000) -> list[Observation]:
    """Somebody, and from the second second on nobody."""
    seen = facts.media_come() + facts.attentive_face(0, 2_000, 0.0, hz=2)
    return seen + [facts.faces(at) for at in range(2_000, until_ms, 500)]


async def test_reports_are_judged_committed_and_acknowledged_in_order() -> None:
    world = World()
    shard = await world.shard()
    assert await in_time(world, shard, facts.reports(absence(), 8_000)) == list(range(1, 42))
    (alert,) = world.alerts
    assert (alert.rule_id, alert.seq, alert.occurred_ms) == ("no_face", 1, 2_000)
    assert alert.raised_at - facts.BEGAN == timedelta(milliseconds=5_000)
    assert not alert.unsynced
    assert world.metrics.counted("alerts_raised", severity="medium", transition="opened") == 1
    assert world.metrics.counted("incidents_opened", rule="no_face", severity="medium") == 1
    assert world.video() == [(0, None, "monitored")]


async def test_a_rule_that_others_named_is_no_label() -> None:
    world = World(rules=())
    await in_time(world, await world.shard(), facts.reports(absence(), 8_000))
    assert world.told == [NO_FACE_OPENED]
    assert world.metrics.counted("incidents_opened", rule="custom") == 1
    assert world.metrics.counted("incidents_opened", rule="no_face") == 0


async def test_sessions_are_counted_by_how_they_are_seen_until_they_end() -> None:
    def sessions(modality: str, state: str, reason: str) -> float | None:
        labels = (("modality", modality), ("reason", reason), ("state", state))
        return world.metrics.gauges.get(("sessions_coverage", labels))

    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 4_000))
    await shard.tick()
    assert sessions("video", "monitored", "none") == 1
    await world.clock.advance(4_000)
    await shard.tick()
    assert sessions("video", "monitored", "none") == 0
    assert sessions("video", "blind", "host_lost") == 1
    assert sessions("audio", "blind", "host_lost") == 1
    await shard.end(facts.spec(), world.clock.now())
    await shard.tick()
    assert sessions("video", "blind", "host_lost") == 0


async def test_reports_that_come_again_change_nothing() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    for start in range(0, len(reports), 5):
        batch = reports[max(0, start - 10) : start + 5]
        for _ in range(2):
            (answer,) = await shard.submit(batch)
            assert answer.seq == batch[-1].seq
    assert world.told == [NO_FACE_OPENED]
    await shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=8))
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]


async def test_only_what_is_contiguous_is_acknowledged() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    (answer,) = await shard.submit([*reports[:3], *reports[5:]])
    assert answer.seq == 3
    assert [command.name for command in answer.commands] == [
        CommandName.LOOK_CLOSER,
        CommandName.RESEND_SPEC,
    ]
    assert [each.seq for each in await shard.submit(reports[3:])] == [41]
    assert world.told == [NO_FACE_OPENED]


async def test_an_unknown_session_is_asked_for_its_particulars() -> None:
    world = World()
    shard = await world.shard()
    (answer,) = await shard.submit([facts.report(7, 1_400)])
    assert (answer.seq, [command.name for command in answer.commands]) == (
        0,
        [CommandName.RESEND_SPEC],
    )
    (answer,) = await shard.submit([facts.report(7, 1_400, with_spec=True)])
    assert answer.seq == 7


async def test_sessions_of_one_batch_are_kept_apart() -> None:
    world = World()
    shard = await world.shard()
    mine = facts.reports(absence(), 8_000)
    other = [
        replace(each, session_id=facts.spec("ses_other").session_id, observations=())
        for each in mine
    ]
    other[0] = replace(other[0], spec=facts.spec("ses_other"))
    answers = await shard.submit(
        [report for pair in zip(mine, other, strict=True) for report in pair]
    )
    assert {answer.session_id: answer.seq for answer in answers} == {
        facts.SESSION: 41,
        "ses_other": 41,
    }
    assert {alert.session_id for alert in world.alerts} == {facts.SESSION}


@pytest.mark.parametrize("dies_after", range(0, 41, 4))
async def test_a_killed_shard_loses_and_doubles_nothing(dies_after: int) -> None:
    seen = [*absence(6_000), *facts.attentive_face(6_000, 8_000, 0.0)]
    reports = facts.reports(seen, 8_000)
    undisturbed, world = World(), World()
    await in_time(undisturbed, await undisturbed.shard(), reports)
    await in_time(world, await world.shard(), reports[:dies_after])
    await in_time(world, await world.shard(), reports[dies_after:])
    assert len(undisturbed.alerts) == 2
    assert [replace(each, raised_at=facts.BEGAN) for each in world.alerts] == [
        replace(each, raised_at=facts.BEGAN) for each in undisturbed.alerts
    ]


async def test_killed_between_commit_and_acknowledgement_it_tells_nothing_twice() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:25])
    world.incidents.loses_answer = True
    await patiently(world, shard.submit(reports[25:26]))
    assert world.told == [NO_FACE_OPENED]
    again = await world.shard()
    await in_time(world, again, reports[25:])
    assert world.told == [NO_FACE_OPENED]
    assert [alert.seq for alert in world.alerts] == [1]


async def test_the_time_a_shard_was_away_is_told() -> None:
    world = World()
    reports = facts.reports(absence(2_000), 4_000)
    await in_time(world, await world.shard(), reports)
    await world.clock.advance(3_000)
    again = await world.shard()
    assert world.video() == [
        (0, 4_000, "monitored"),
        (4_000, 7_000, "shard_lost"),
        (7_000, None, "monitored"),
    ]
    await again.tick()
    assert world.metrics.counted("shard_hosts_lost") == 0


async def test_while_the_database_is_away_alerts_wait_and_say_so() -> None:
    world = World()
    shard = await world.shard()
    world.incidents.down = True
    (answer,) = await patiently(world, shard.submit(facts.reports(absence(), 8_000)))
    assert answer.seq == 41
    assert world.alerts == []
    again = await patiently(world, world.shard())
    world.incidents.down = False
    await world.clock.advance(1_000)
    await again.tick()
    assert [(alert.seq, alert.unsynced) for alert in world.alerts] == [(1, True)]
    later = facts.reports(
        facts.attentive_face(8_200, 10_000, 0.0), 10_000, from_ms=8_200, first_seq=42
    )
    await again.submit(later)
    assert [(alert.seq, alert.unsynced) for alert in world.alerts] == [(1, True), (2, False)]


class HangingIncidents(FakeIncidentStore):
    """Takes a commit and never answers."""

    async def commit(self, judged: Sequence[Judged]) -> None:
        await asyncio.Event().wait()


async def test_a_database_that_hangs_holds_up_no_session_for_long() -> None:
    world = World()
    world.incidents = HangingIncidents(world.database)
    shard = await world.shard()
    (answer,) = await patiently(world, shard.submit(facts.reports(absence(), 8_000)))
    assert answer.seq == 41
    assert world.clock.monotonic_ms() < 2_000
    (answer,) = await shard.submit([facts.report(42, 8_200)])
    assert answer.seq == 42
    world.incidents = FakeIncidentStore(world.database)
    await patiently(world, world.shard())
    assert [(alert.seq, alert.unsynced) for alert in world.alerts] == [(1, True)]


async def test_while_redis_is_away_nothing_is_acknowledged_and_alerts_still_go_out() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await in_time(world, shard, reports[:5])
    world.checkpoints.down = world.live.down = True
    (answer,) = await shard.submit(reports[5:])
    assert answer.seq == 5
    assert world.told == [NO_FACE_OPENED]
    assert world.video()[-1][2] == "state_store"
    world.checkpoints.down = world.live.down = False
    (answer,) = await shard.submit(reports[5:])
    assert answer.seq == 41
    assert world.told == [NO_FACE_OPENED]
    await shard.tick()
    assert world.video()[-1][2] == "monitored"


async def test_a_shard_that_was_taken_over_stops() -> None:
    world = World()
    first = await world.shard()
    second = await world.shard()
    reports = facts.reports(absence(), 2_000)
    with pytest.raises(Conflict):
        await first.submit(reports)
    assert [answer.seq for answer in await second.submit(reports)] == [11]


async def test_a_checkpoint_that_cannot_be_read_is_asked_for_again() -> None:
    world = World()
    await (await world.shard()).submit(facts.reports(absence(), 8_000))
    world.checkpoints.states[world.name][facts.SESSION] = b'{"version":"old"}'
    await world.clock.advance(8_200)
    again = await world.shard()
    (answer,) = await again.submit([facts.report(42, 8_200)])
    assert [command.name for command in answer.commands] == [CommandName.RESEND_SPEC]
    seen = facts.attentive_face(8_000, 8_200, 0.0)
    await again.submit([facts.report(42, 8_200, seen, with_spec=True)])
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    assert [alert.seq for alert in world.alerts] == [1, 2]
    assert world.video() == [(0, 8_200, "host_lost"), (8_200, None, "monitored")]


async def test_a_memory_older_than_the_database_goes_on_from_what_is_committed() -> None:
    """Redis lost its last second, in which an incident opened: it is closed, and numbers go on."""
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    await shard.submit(reports[:5])
    old = dict(world.checkpoints.states[world.name])
    await shard.submit(reports[5:])
    world.checkpoints.states[world.name] = old
    again = await world.shard()
    coming_back = facts.reports(
        [*absence(), *facts.attentive_face(8_200, 10_000, 0.0)], 10_000, tick_ms=200
    )
    (answer,) = await again.submit([replace(coming_back[41], spec=facts.spec()), *coming_back[42:]])
    assert answer.seq == 51
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    assert [alert.seq for alert in world.alerts] == [1, 2]
    assert len({alert.incident_id for alert in world.alerts}) == 1
    assert (800, 8_200, "shard_lost") in world.video()


class SlowToRead(FakeIncidentStore):
    """Takes rows, but never says what it has."""

    async def last_seq(self, session_id: SessionId) -> int:
        return await asyncio.Event().wait() and 0


async def test_a_database_that_never_answers_a_question_holds_up_the_others_for_a_moment() -> None:
    world = World()
    world.incidents = SlowToRead(world.database)
    shard = await world.shard()
    forgotten = facts.report(42, 20_000, session="ses_forgotten", with_spec=True)
    known = facts.report(1, 0, facts.media_come())
    answers = await patiently(world, shard.submit([forgotten, known]))
    assert [(answer.session_id, answer.seq) for answer in answers] == [(facts.SESSION, 1)]


async def test_an_incident_that_was_closed_in_the_lost_second_stays_closed() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports([*absence(), *facts.attentive_face(8_200, 12_000, 0.0)], 12_000)
    await shard.submit(reports[:41])
    old = dict(world.checkpoints.states[world.name])
    await shard.submit(reports[41:])
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    world.checkpoints.states[world.name] = old
    again = await world.shard()
    await again.end(facts.spec(), facts.BEGAN + timedelta(seconds=13))
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    assert all(each.closed_ms is not None for each in world.database.incidents.values())


async def test_a_host_that_falls_silent_is_lost_and_the_page_is_asked_to_reconnect() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(2_000), 4_000))
    running = asyncio.ensure_future(shard.run())
    await asyncio.sleep(0)
    await world.clock.advance(2_500)
    assert world.video() == [(0, None, "monitored")]
    await world.clock.advance(1_000)
    assert world.video() == [(0, 4_000, "monitored"), (4_000, None, "host_lost")]
    assert world.messages()[-2:] == [
        {
            "type": "status",
            "video": {"state": "blind", "reason": "host_lost"},
            "audio": {"state": "blind", "reason": "host_lost"},
        },
        {"type": "reconnect", "reason": "host_lost", "epoch": 1},
    ]
    await world.clock.advance(8_500)
    asked = [each for each in world.messages() if each["type"] == "reconnect"]
    assert len(asked) == 2
    back = facts.reports(facts.media_come(13_000), 13_000, epoch=2, from_ms=12_800)
    await in_time(world, shard, back)
    await world.clock.advance(1_000)
    assert world.messages()[-1] == {
        "type": "status",
        "video": {"state": "monitored", "reason": None},
        "audio": {"state": "monitored", "reason": None},
    }
    status = await world.live.get(f"status:{facts.SESSION}")
    assert status is not None
    assert json.loads(status) == world.messages()[-1]
    assert world.told == []
    assert world.metrics.counted("shard_hosts_lost") == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_without_media_for_three_seconds_the_page_is_asked_to_reconnect() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(2_000), 4_000))
    await shard.tick()
    lost = facts.stream(4_200, Modality.VIDEO, CoverageReason.NO_MEDIA, 2_000)
    await in_time(world, shard, [facts.report(22, 4_200, [lost])])
    for seq, sent_ms in enumerate(range(5_000, 12_000, 1_000), start=23):
        await in_time(world, shard, [facts.report(seq, sent_ms)])
        await shard.tick()
    asked = [each for each in world.messages() if each["type"] == "reconnect"]
    assert asked == [{"type": "reconnect", "reason": "no_media", "epoch": 1}]


async def test_a_peer_that_left_in_order_is_not_asked_for() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(2_000), 4_000))
    await in_time(world, shard, [facts.report(22, 4_200, closing=True)])
    await world.clock.advance(20_000)
    await shard.tick()
    assert world.video() == [(0, 4_200, "monitored"), (4_200, None, "no_media")]
    assert all(each["type"] == "status" for each in world.messages())


async def test_the_end_closes_everything_and_is_said_once() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    for _ in range(2):
        await shard.end(facts.spec(), facts.BEGAN + timedelta(milliseconds=8_100))
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    assert world.alerts[-1].occurred_ms == 8_100
    assert {incident.closed_ms for incident in world.database.incidents.values()} == {8_100}
    assert world.video() == [(0, 8_100, "monitored")]
    assert [each["type"] for each in world.messages()].count("ended") == 1
    assert world.checkpoints.states[world.name] == {}
    for late in (facts.report(42, 8_200), facts.report(42, 8_200, with_spec=True)):
        again = await world.shard()
        answers = [*await shard.submit([late]), *await again.submit([late])]
        wishes = {command.name for answer in answers for command in answer.commands}
        assert wishes <= {CommandName.STOP, CommandName.RESEND_SPEC}
    assert world.video() == [(0, 8_100, "monitored")]


async def test_an_unknown_session_can_be_ended_and_was_blind() -> None:
    world = World()
    shard = await world.shard()
    await shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=5))
    assert world.video() == [(0, 5_000, "host_lost")]
    again = await world.shard()
    await again.end(facts.spec(), facts.BEGAN + timedelta(seconds=9))
    assert world.video() == [(0, 5_000, "host_lost")]


async def test_an_end_without_the_database_is_kept_until_it_is_back() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(), 8_000))
    world.incidents.down = True
    await patiently(world, shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=8)))
    again = await patiently(world, world.shard())
    world.incidents.down = False
    await world.clock.advance(1_000)
    await again.tick()
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED]
    assert world.video() == [(0, 8_000, "monitored")]
    assert world.checkpoints.states[world.name] == {}


async def test_an_end_that_no_store_could_take_may_be_repeated() -> None:
    world = World()
    shard = await world.shard()
    await in_time(world, shard, facts.reports(absence(2_000), 2_000))
    world.incidents.down = world.checkpoints.down = True
    with pytest.raises(StateStoreUnavailable):
        await patiently(world, shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=3)))
    world.incidents.down = world.checkpoints.down = False
    await world.clock.advance(1_000)
    await shard.tick()
    await shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=3))
    assert world.video() == [(0, 3_000, "monitored")]


class HangingCheckpoints(FakeCheckpoints):
    """Once `hangs`, every write takes three seconds and fails."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.hangs = False

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        if self.hangs:
            await self.clock.sleep(3.0)
            raise StateStoreUnavailable("too slow")
        await super().save(shard, fence, states)


async def test_a_shard_that_waits_for_redis_calls_no_host_lost() -> None:
    clock = FakeClock()
    redis = HangingCheckpoints(clock)
    world = World(clock=clock, checkpoints=redis)
    shard = await world.shard()
    names = ("ses_a", "ses_b")
    for name in names:
        await shard.submit([facts.report(1, 0, facts.media_come(), session=name)])
    redis.hangs = True
    steps = [
        asyncio.ensure_future(shard.submit([facts.report(2, 200, session="ses_a")])),
        asyncio.ensure_future(shard.tick()),  # its turn comes before the other host's
        asyncio.ensure_future(shard.submit([facts.report(2, 200, session="ses_b")])),
    ]
    for _ in range(60):
        await clock.advance(200)
    await asyncio.gather(*steps)
    redis.hangs = False
    await shard.submit([facts.report(3, 12_000, session=name) for name in names])
    await shard.tick()
    assert world.metrics.counted("shard_hosts_lost") == 0
    assert [[reason for *_, reason in world.video(name)] for name in names] == [
        ["monitored", "state_store", "monitored"]
    ] * 2


async def test_redis_that_is_away_is_asked_once_a_step_and_not_once_a_session() -> None:
    world = World()
    shard = await world.shard()
    names = [f"ses_{number}" for number in range(5)]
    for name in names:
        await shard.submit([facts.report(1, 0, session=name, with_spec=True)])
    asked: list[str] = []

    async def away(key: str, _value: str, _ttl_s: int | None) -> None:
        asked.append(key)
        raise StateStoreUnavailable("away")

    world.live.put = away  # type: ignore[method-assign]
    await shard.submit([facts.report(2, 200, facts.media_come(100), session=n) for n in names])
    assert asked == [f"status:{names[0]}"]
    del world.live.put
    await shard.tick()
    assert [world.messages(name)[-1]["type"] for name in names] == ["status"] * 5


async def test_a_database_that_is_away_at_the_start_is_asked_once() -> None:
    world = World()
    shard = await world.shard()
    for name in ("ses_a", "ses_b", "ses_c"):
        await shard.submit([facts.report(1, 0, session=name, with_spec=True)])
    asked: list[str] = []

    async def away(session_id: SessionId) -> int:
        asked.append(session_id)
        raise StateStoreUnavailable("away")

    world.incidents.last_seq = away  # type: ignore[method-assign]
    await world.shard()
    assert asked == ["ses_a"]


async def test_a_session_whose_beginning_moved_is_judged_anew() -> None:
    """The first offer was refused after its host had spoken: the session begins with the second."""
    world = World()
    shard = await world.shard()
    await shard.submit(facts.reports(facts.media_come(), 1_000))
    moved: SessionSpec = replace(
        facts.spec(epoch=2), started_at=facts.BEGAN + timedelta(seconds=30)
    )
    first = replace(facts.report(1, 200, facts.media_come(100), epoch=2), spec=moved)
    (answer,) = await shard.submit([first])
    assert (answer.epoch, answer.seq) == (2, 1)
    assert world.video() == [(0, 100, "no_media"), (100, None, "monitored")]


async def test_a_policy_that_cannot_be_read_stops_the_session_and_no_other() -> None:
    world = World()
    shard = await world.shard()
    broken = replace(facts.report(1, 0, session="ses_x"), spec=facts.spec("ses_x", policy="id: x"))
    answers = await shard.submit([broken, *facts.reports(absence(), 8_000)])
    wishes = {answer.session_id: [one.name for one in answer.commands] for answer in answers}
    assert wishes["ses_x"] == [CommandName.STOP]
    assert world.told == [NO_FACE_OPENED]


async def test_a_report_that_breaks_the_judge_is_passed_over() -> None:
    world = World()
    shard = await world.shard()
    reports = facts.reports(absence(), 8_000)
    nonsense = replace(facts.gaze(700, 1.0), gaze="left")  # type: ignore[arg-type]
    reports[4] = replace(reports[4], observations=(nonsense,))
    (answer,) = await shard.submit(reports)
    assert answer.seq == 41
    assert world.told == [NO_FACE_OPENED]
    assert world.metrics.counted("shard_reports", outcome="broken") == 1


async def test_a_quiet_session_costs_a_mark_and_no_more() -> None:
    world = World()
    shard = await world.shard()
    quiet = facts.media_come() + facts.attentive_face(0, 20_000, 0.0, hz=1)
    quiet += [facts.picture(at) for at in range(0, 20_000, 1_000)]
    quiet += [facts.speech(at) for at in range(0, 20_000, 192)]
    reports = facts.reports(quiet, 20_000)
    await in_time(world, shard, reports[:60])  # its review priority is known since 10 s
    before = dict(world.checkpoints.states[world.name])
    await in_time(world, shard, reports[60:])
    after = world.checkpoints.states[world.name]
    changed = [key for key in after if after[key] != before[key]]
    assert changed == [f"{facts.SESSION}/mark"]
    assert len(after[facts.spec(f"{facts.SESSION}/mark").session_id]) < 150


def orders_of(answers: Sequence[Acknowledgement]) -> list[EvidenceOrder]:
    return [
        command.order
        for answer in answers
        for command in answer.commands
        if command.name is CommandName.KEEP and command.order is not None
    ]


async def ordered(world: World, shard: JudgeShard) -> EvidenceOrder:
    """Nobody is seen; the first order that rides on an acknowledgement."""
    found: list[EvidenceOrder] = []
    for report in facts.reports(absence(), 6_000):
        await world.clock.advance(max(0, report.sent_ms - world.clock.monotonic_ms()))
        found += orders_of(await shard.submit([report]))
    assert len(set(found)) == 1
    return found[0]


def status(world: World) -> EvidenceStatus:
    (incident,) = world.database.incidents.values()
    return incident.evidence.status


async def test_an_order_of_evidence_rides_on_the_acknowledgement_and_outlives_the_shard() -> None:
    world = World()
    order = await ordered(world, await world.shard())
    (alert,) = world.alerts
    assert order.digests == (alert.frame_digest,) and order.incident_id == alert.incident_id
    assert status(world) is EvidenceStatus.PENDING
    again = await world.shard()  # another process takes over, from what was written down
    await world.clock.advance(1_000)
    assert orders_of(await again.submit([facts.report(32, 7_000)])) == [order]


async def test_evidence_that_a_lost_host_was_to_keep_is_told_as_lost() -> None:
    world = World()
    shard = await world.shard()
    order = await ordered(world, shard)
    for _ in range(100):
        await world.clock.advance(500)
        await shard.tick()
    assert status(world) is EvidenceStatus.LOST
    assert world.told == [NO_FACE_OPENED, NO_FACE_CLOSED, ("no_face", Transition.UPDATED)]
    assert world.alerts[-1].reason == "Its evidence was lost."
    assert world.alerts[-1].incident_id == order.incident_id
    assert world.metrics.counted("shard_evidence_lost") == 1


async def test_the_last_words_of_a_connection_reach_a_shard_that_judges_the_next_one() -> None:
    world = World()
    shard = await world.shard()
    order = await ordered(world, shard)
    await shard.submit([facts.report(1, 7_000, facts.media_come(7_000), epoch=2)])
    said = OrderNews(
        incident_id=order.incident_id, until_ms=order.until_ms, state=OrderState.HANDED
    )
    (answer,) = await shard.submit([replace(facts.report(32, 6_400), orders=(said,), closing=True)])
    assert (answer.epoch, answer.seq) == (1, 32)  # it need not come again
    for at_ms in range(7_000, 60_000, 1_000):
        await world.clock.advance(1_000)
        await shard.submit([facts.report(2 + at_ms // 1_000, at_ms, epoch=2)])
        await shard.tick()
    assert status(world) is EvidenceStatus.PENDING  # its keeper tells the rest


async def test_a_session_that_ends_with_an_order_that_nobody_got_says_so() -> None:
    world = World()
    shard = await world.shard()
    await ordered(world, shard)
    for _ in range(10):
        await world.clock.advance(500)
        await shard.tick()
    await shard.end(facts.spec(), facts.BEGAN + timedelta(seconds=12))
    assert status(world) is EvidenceStatus.LOST  # its host was silent
