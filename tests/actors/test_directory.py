"""Sessions find their host and their shard, also while actors come and go."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.directory import (
    CALL_WITHIN_S,
    ROSTER_KEY,
    WANTED_CHANNEL,
    ActorJudges,
    ActorPlacement,
    Member,
    host_name,
    roster_from_json,
    roster_to_json,
    shard_name,
    shard_of,
)
from actors.mailbox import Mailboxes, NoAnswer
from proctor.domain.errors import InvalidInput, NoCapacity, NotFound, Unavailable
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import ClientEventName
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from tests.contract.samples import incident
from tests.fakes.actors import FakeActors
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics

SESSION = SessionId("ses_1")
SHARDS = [shard_name(index) for index in range(4)]


def spec(epoch: int = 1, session_id: SessionId = SESSION) -> SessionSpec:
    return SessionSpec(
        session_id=session_id,
        tenant_id=TenantId("t"),
        exam_id=ExamId("e"),
        candidate_id=CandidateId("c"),
        policy_text="",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        epoch=epoch,
    )


class Host:
    """A session host as its callers see it."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.refuses = refuses
        self.joined: list[int] = []
        self.left: list[int] = []
        self.told: list[tuple[str, object]] = []

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        if self.refuses is not None:
            raise self.refuses
        self.joined.append(spec.epoch)
        return Answer(f"answer to {offer_sdp}", spec.epoch)

    async def leave(self, _session_id: SessionId, epoch: int) -> None:
        self.left.append(epoch)

    async def trickle(self, _session_id: SessionId, epoch: int, fragment: str) -> None:
        self.told.append((fragment, epoch))

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        self.told.append((session_id, name))


class Hanging(Host):
    """A host that takes what it is told and answers nothing."""

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        await super().join(spec, offer_sdp)
        await asyncio.Event().wait()
        raise AssertionError

    async def leave(self, _session_id: SessionId, epoch: int) -> None:
        self.left.append(epoch)
        await asyncio.Event().wait()


async def passing(clock: FakeClock, milliseconds: int) -> None:
    """In steps: handles are looked up on a thread, which takes a moment of real time."""
    for _ in range(0, milliseconds, 50):
        await clock.advance(50)
        await asyncio.sleep(0.002)


def host_member(index: int, sessions: int, *, is_draining: bool = False) -> Member:
    return Member(
        name=host_name(index),
        kind="host",
        pid=index,
        sessions=sessions,
        capacity=50,
        is_draining=is_draining,
    )


class Town:
    """Hosts, their roster and the placement over them."""

    def __init__(
        self, *hosts: Host, patience_s: float = 2.0, clock: FakeClock | None = None
    ) -> None:
        self.clock = clock or FakeClock()
        self.live = FakeLiveState(self.clock)
        self.hosts = {host_name(index): host for index, host in enumerate(hosts)}
        self.actors = FakeActors()
        self.actors.inside.update(self.hosts)
        self.metrics = FakeMetrics()
        self.placement = ActorPlacement(
            Mailboxes(self.actors.find),
            self.live,
            self.clock,
            self.metrics,
            patience_s=patience_s,
        )

    async def write(self, *members: Member) -> None:
        await self.live.put(ROSTER_KEY, roster_to_json(members), None)


def test_the_roster_reads_back_as_it_was_written() -> None:
    members = [host_member(0, 3, is_draining=True), Member(name="s", kind="shard", pid=9)]
    assert roster_from_json(roster_to_json(members)) == members
    assert roster_from_json(None) == []


async def test_a_session_goes_to_the_emptiest_host_and_comes_back_to_it() -> None:
    full, empty = Host(), Host()
    town = Town(full, empty)
    await town.write(host_member(0, 40), host_member(1, 2))

    assert (await town.placement.join(spec(1), "offer")).sdp == "answer to offer"
    await town.write(host_member(0, 0), host_member(1, 3))
    await town.placement.join(spec(2), "offer")

    assert (full.joined, empty.joined) == ([], [1, 2])
    assert town.metrics.counted("placements", outcome="placed") == 2


async def test_a_host_that_refuses_or_is_dead_is_passed_over() -> None:
    last = Host()
    town = Town(Host(refuses=NoCapacity("full")), Host(), last)
    del town.actors.inside[host_name(1)]
    await town.write(host_member(0, 0), host_member(1, 1), host_member(2, 2))

    await town.placement.join(spec(), "offer")
    assert last.joined == [1]


async def test_a_crowd_is_spread_although_the_roster_is_a_second_old() -> None:
    hosts = [Host(), Host(), Host()]
    town = Town(*hosts)
    await town.write(host_member(0, 10), host_member(1, 0), host_member(2, 0))
    for number in range(40):
        await town.placement.join(spec(1, SessionId(f"ses_{number}")), "offer")
    assert [len(host.joined) for host in hosts] == [7, 17, 16]


async def test_new_sessions_wait_for_nothing_where_every_host_is_pressed() -> None:
    host = Host()
    town = Town(host)
    pressed = replace(host_member(0, 10), shed=4)
    await town.write(pressed)
    with pytest.raises(NoCapacity) as caught:
        await town.placement.join(spec(), "offer")
    assert caught.value.retry_after_s >= 2
    assert host.joined == [], "it was not even asked"


async def test_a_session_that_ran_before_is_offered_to_pressed_hosts_too() -> None:
    lost, pressed = Host(), Host()
    town = Town(lost, pressed)
    await town.write(host_member(0, 0))
    await town.placement.join(spec(1), "offer")
    await town.write(replace(host_member(1, 10), shed=4))
    await town.placement.join(spec(2), "offer")
    assert pressed.joined == [2]


def test_what_another_version_wrote_into_the_roster_is_left_out() -> None:
    text = roster_to_json([host_member(0, 3)]).replace('"pid"', '"mood": "fine", "pid"')
    assert roster_from_json(text) == [host_member(0, 3)]


async def test_when_the_session_moves_its_old_connection_is_closed() -> None:
    old, new = Host(), Host()
    town = Town(old, new)
    await town.write(host_member(0, 0), host_member(1, 1))
    await town.placement.join(spec(1), "offer")

    old.refuses = NoCapacity("late")
    await town.placement.join(spec(2), "offer")
    await asyncio.sleep(0)  # it is told and not waited for
    assert (new.joined, old.left) == ([2], [1])


async def test_a_host_that_did_not_answer_an_offer_is_told_to_give_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else two hosts would speak for one connection once it answers."""
    monkeypatch.setattr("actors.directory.JOIN_WITHIN_S", 0.01)
    hanging, other = Hanging(), Host()
    town = Town(hanging, other)
    await town.write(host_member(0, 0), host_member(1, 1))
    await town.placement.join(spec(3), "offer")
    await asyncio.sleep(0)
    assert (other.joined, hanging.left) == ([3], [3])


async def test_leaving_a_host_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever erased a face must know that a copy may be left."""
    monkeypatch.setattr("actors.directory.CALL_WITHIN_S", 0.01)
    town = Town(Host())
    await town.write(host_member(0, 0))
    await town.placement.join(spec(1), "offer")
    town.actors.inside[host_name(0)] = Hanging()
    town.placement = ActorPlacement(
        Mailboxes(town.actors.find), town.live, town.clock, town.metrics
    )
    with pytest.raises(NoAnswer):
        await town.placement.leave(SESSION, 1)


async def test_a_draining_host_gets_no_session() -> None:
    draining, other = Host(), Host()
    town = Town(draining, other)
    await town.write(host_member(0, 1, is_draining=True), host_member(1, 30))
    await town.placement.join(spec(), "offer")
    assert (draining.joined, other.joined) == ([], [1])


async def test_an_offer_that_cannot_be_used_is_not_tried_elsewhere() -> None:
    other = Host()
    town = Town(Host(refuses=InvalidInput("no video", "webrtc/no-video")), other)
    await town.write(host_member(0, 0), host_member(1, 1))
    with pytest.raises(InvalidInput):
        await town.placement.join(spec(), "offer")
    assert other.joined == []


async def test_a_join_waits_for_a_host_and_asks_for_one() -> None:
    town = Town(Host(refuses=NoCapacity("full")))
    await town.write(host_member(0, 1))
    joining = asyncio.create_task(town.placement.join(spec(), "offer"))
    await passing(town.clock, 500)
    assert (WANTED_CHANNEL, "host") in town.live.published

    town.actors.inside[host_name(1)] = fresh = Host()
    await town.write(host_member(0, 1), host_member(1, 0))
    await passing(town.clock, 500)
    assert (await joining).epoch == 1
    assert fresh.joined == [1]


async def test_a_join_gives_up_after_its_patience_and_says_when_to_come_back() -> None:
    town = Town(patience_s=1.0)
    joining = asyncio.create_task(town.placement.join(spec(), "offer"))
    await passing(town.clock, 2_000)
    with pytest.raises(NoCapacity) as caught:
        await joining
    assert 2 <= caught.value.retry_after_s <= 5
    assert town.metrics.counted("placements", outcome="no_host") == 1


async def test_trickle_and_client_events_reach_the_session_s_host() -> None:
    host = Host()
    town = Town(host)
    await town.write(host_member(0, 0))
    await town.placement.join(spec(), "offer")

    await town.placement.trickle(SESSION, 1, "a=candidate")
    await town.placement.client_event(SESSION, ClientEventName.PAGE_HIDDEN)
    assert host.told == [("a=candidate", 1), (SESSION, ClientEventName.PAGE_HIDDEN)]


async def test_a_session_that_is_nowhere_is_not_found_but_may_be_left() -> None:
    town = Town(Host())
    with pytest.raises(NotFound):
        await town.placement.trickle(SESSION, 1, "a=candidate")
    with pytest.raises(NotFound):
        await town.placement.client_event(SESSION, ClientEventName.PAGE_HIDDEN)
    await town.placement.leave(SESSION, 1)


async def test_leaving_a_host_that_died_is_no_error() -> None:
    town = Town(Host())
    await town.write(host_member(0, 0))
    await town.placement.join(spec(), "offer")
    town.actors.inside.clear()
    town.placement = ActorPlacement(
        Mailboxes(town.actors.find), town.live, town.clock, town.metrics
    )
    await town.placement.leave(SESSION, 1)


def test_a_new_shard_takes_sessions_only_for_itself() -> None:
    sessions = [SessionId(f"ses_{index}") for index in range(400)]
    before = {session: shard_of(session, SHARDS[:3]) for session in sessions}
    after = {session: shard_of(session, SHARDS) for session in sessions}
    moved = {session for session in sessions if before[session] != after[session]}
    assert {after[session] for session in moved} == {SHARDS[3]}
    assert 60 <= len(moved) <= 140  # a quarter of them, give or take
    assert {shard_of(session, tuple(reversed(SHARDS))) for session in sessions} == set(SHARDS)


def report(session_id: SessionId) -> TickReport:
    return TickReport(session_id=session_id, epoch=1, seq=1, sent_ms=0, observations=())


class Shard:
    """A fusion shard as its callers see it; away for its first `away` calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.batches: list[list[SessionId]] = []
        self.ended: list[SessionId] = []

    def _reach(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise Unavailable("restarting")

    async def submit(self, reports: list[TickReport]) -> list[Acknowledgement]:
        self._reach()
        self.batches.append([r.session_id for r in reports])
        return [Acknowledgement(session_id=r.session_id, epoch=1, seq=r.seq) for r in reports]

    async def end(self, spec: SessionSpec, _ended_at: datetime) -> None:
        self._reach()
        self.ended.append(spec.session_id)

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        self._reach()
        self.ended.append(session_id)

    async def annotate(self, note: IncidentNote) -> bool:
        self._reach()
        self.ended.append(note.incident.session_id)
        return True


def judges(clock: FakeClock, *shards: Shard) -> ActorJudges:
    actors = FakeActors()
    names = [shard_name(index) for index in range(len(shards))]
    actors.inside.update(dict(zip(names, shards, strict=True)))
    return ActorJudges(Mailboxes(actors.find), names, clock)


SESSIONS = [SessionId(f"ses_{index}") for index in range(20)]


async def test_each_shard_gets_its_sessions_in_one_call() -> None:
    shards = [Shard(), Shard()]
    acknowledged = await judges(FakeClock(), *shards).submit([report(s) for s in SESSIONS])
    assert {ack.session_id for ack in acknowledged} == set(SESSIONS)
    assert [len(shard.batches) for shard in shards] == [1, 1]
    for index, shard in enumerate(shards):
        mine = [
            s for s in SESSIONS if shard_of(s, [shard_name(0), shard_name(1)]) == shard_name(index)
        ]
        assert shard.batches == [mine]


async def test_the_lane_of_a_session_is_its_shard() -> None:
    there = judges(FakeClock(), Shard(), Shard())
    names = [shard_name(0), shard_name(1)]
    assert [there.lane(s) for s in SESSIONS] == [shard_of(s, names) for s in SESSIONS]
    assert {there.lane(s) for s in SESSIONS} == set(names)


async def test_a_shard_that_is_away_leaves_only_its_own_sessions_unacknowledged() -> None:
    shards = [Shard(), Shard(away=1)]
    acknowledged = await judges(FakeClock(), *shards).submit([report(s) for s in SESSIONS])
    assert {ack.session_id for ack in acknowledged} == set(shards[0].batches[0])


async def test_when_no_shard_answers_the_host_is_told() -> None:
    with pytest.raises(Unavailable):
        await judges(FakeClock(), Shard(away=1)).submit([report(SESSION)])


async def test_the_end_of_a_session_outlasts_a_restart_of_its_shard() -> None:
    clock, shard = FakeClock(), Shard(away=5)
    ending = asyncio.create_task(judges(clock, shard).end(spec(), datetime(2026, 1, 1, tzinfo=UTC)))
    await passing(clock, 2_000)
    await ending
    assert shard.ended == [SESSION]


async def test_allowances_and_late_news_outlast_it_too_and_reach_the_session_s_own_shard() -> None:
    clock, shards = FakeClock(), [Shard(away=5), Shard(away=5)]
    there = judges(clock, *shards)
    mine = shards[int(there.lane(SESSION) == shard_name(1))]
    note = IncidentNote(note_id="ver_1", incident=incident(session_id=SESSION))
    for call in (there.allowances_changed(TenantId("ten"), SESSION), there.annotate(note)):
        mine.away = 5
        asking = asyncio.create_task(call)
        await passing(clock, 2_000)
        await asking
    assert mine.ended == [SESSION, SESSION]


class HangingShard(Shard):
    """Lives, and answers nothing: whoever asks waits for each answer as long as they may."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    async def annotate(self, note: IncidentNote) -> bool:
        await self.clock.sleep(CALL_WITHIN_S)
        raise NoAnswer("the shard did not answer")


async def test_a_shard_that_hangs_is_not_waited_for_as_often_as_one_that_restarts() -> None:
    """A reviewer waits for it, and after them whoever is owed news of other shards."""
    clock = FakeClock()
    note = IncidentNote(note_id="ver_1", incident=incident(session_id=SESSION))
    asking = asyncio.create_task(judges(clock, HangingShard(clock)).annotate(note))
    await passing(clock, 16_000)
    assert asking.done()
    with pytest.raises(NoAnswer):
        await asking


async def test_a_shard_that_stays_away_is_told_in_the_end() -> None:
    clock = FakeClock()
    ending = asyncio.create_task(
        judges(clock, Shard(away=1_000)).end(spec(), datetime(2026, 1, 1, tzinfo=UTC))
    )
    await passing(clock, 20_000)
    with pytest.raises(Unavailable):
        await ending
