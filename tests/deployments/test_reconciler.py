"""The set of actors is kept as it should be, whatever happens to its members."""

import asyncio
from collections.abc import Set as AbstractSet

import pytest
from ray.exceptions import ActorDiedError

from actors.directory import ROSTER_KEY, WANTED_CHANNEL, Member, roster_from_json
from actors.mailbox import Mailboxes, MailboxSpec, Pulse
from deployments.reconciler import CrewSize, Reconciler
from proctor.domain.errors import Unavailable
from tests.fakes.actors import FakeActors
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics


class FakeActor:
    """An actor that answers pings, or not."""

    def __init__(self, version: str, capacity: int) -> None:
        self.version = version
        self.capacity = capacity
        self.sessions = 0
        self.is_silent = False
        self.is_dead = False
        self.taken_since_the_ping = 0
        self.is_draining = False
        self.shed = 0
        self.waves: list[int] = []

    async def drain(self, wave: int) -> int:
        self.is_draining = True
        self.waves.append(wave)
        return self.sessions

    async def retire(self) -> bool:
        self.sessions += self.taken_since_the_ping
        return self.sessions == 0

    async def ping(self) -> Pulse:
        if self.is_dead:
            raise ActorDiedError
        if self.is_silent:
            raise Unavailable("silent")
        return Pulse(
            version=self.version,
            pid=1,
            sessions=self.sessions,
            capacity=self.capacity,
            shed=self.shed,
            is_draining=self.is_draining,
        )


class FakeYard:
    """Makes actors in this process."""

    def __init__(self, actors: FakeActors, capacity: int) -> None:
        self._actors = actors
        self._capacity = capacity
        self.restarted: list[str] = []

    def names(self) -> AbstractSet[str]:
        return set(self._actors.inside)

    def make_host(self, spec: MailboxSpec) -> None:
        self._actors.inside[spec.name] = FakeActor(spec.version, self._capacity)

    def make_shard(self, spec: MailboxSpec) -> None:
        self._actors.inside[spec.name] = FakeActor(spec.version, 0)

    def restart(self, name: str) -> None:
        self.restarted.append(name)

    def remove(self, name: str) -> None:
        ended = self._actors.inside.pop(name, None)
        if isinstance(ended, FakeActor):
            ended.is_dead = True  # handles that others hold know it


class Site:
    """A yard, its reconciler and time."""

    def __init__(self, size: CrewSize, version: str = "v1") -> None:
        self.clock = FakeClock()
        self.live = FakeLiveState(self.clock)
        self.actors = FakeActors()
        self.yard = FakeYard(self.actors, size.sessions_per_host)
        self.size = size
        self.metrics = FakeMetrics()
        self.reconciler = self.make(version)

    def make(self, version: str) -> Reconciler:
        return Reconciler(
            yard=self.yard,
            mailboxes=Mailboxes(self.actors.find),
            live=self.live,
            clock=self.clock,
            metrics=self.metrics,
            size=self.size,
            version=version,
        )

    def actor(self, name: str) -> FakeActor:
        found = self.actors.inside[name]
        assert isinstance(found, FakeActor)
        return found

    async def steps(self, count: int) -> list[Member]:
        members: list[Member] = []
        for _ in range(count):
            members = await self.reconciler.step()
            await self.clock.advance(1_000)
        return members


FIXED = CrewSize(hosts=2, shards=2, sessions_per_host=50, hosts_max=2)
GROWING = CrewSize(hosts=1, shards=1, sessions_per_host=10, hosts_max=3)
ON_DEMAND = CrewSize(hosts=2, shards=1, sessions_per_host=1, hosts_max=4)


async def test_missing_actors_are_made_and_told() -> None:
    site = Site(FIXED)
    members = await site.steps(2)
    assert [m.name for m in members] == [
        "proctor-host-0",
        "proctor-host-1",
        "proctor-shard-0",
        "proctor-shard-1",
    ]
    assert roster_from_json(await site.live.get(ROSTER_KEY)) == members


async def test_a_dead_actor_is_made_again_under_its_name() -> None:
    site = Site(FIXED)
    await site.steps(2)
    del site.actors.inside["proctor-host-0"], site.actors.inside["proctor-shard-1"]
    await site.steps(1)
    assert set(site.actors.inside) == {
        f"proctor-{k}-{i}" for k in ("host", "shard") for i in (0, 1)
    }


async def test_a_silent_actor_leaves_the_roster_at_once_and_is_restarted_after_15_s() -> None:
    site = Site(FIXED)
    await site.steps(2)
    site.actor("proctor-host-1").is_silent = True

    members = await site.steps(1)
    assert "proctor-host-1" not in [m.name for m in members]
    await site.steps(10)
    assert site.yard.restarted == []
    await site.steps(8)
    assert site.yard.restarted == ["proctor-host-1"]


async def test_an_actor_may_take_a_minute_to_open() -> None:
    site = Site(FIXED)
    await site.steps(1)
    site.actor("proctor-shard-0").is_silent = True
    await site.steps(59)
    assert site.yard.restarted == []
    await site.steps(5)
    assert site.yard.restarted == ["proctor-shard-0"]


async def test_another_version_replaces_shards_and_empty_hosts_and_drains_the_others() -> None:
    site = Site(FIXED)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = 3

    site.reconciler = site.make("v2")
    members = await site.steps(3)
    assert site.actor("proctor-host-0").version == "v1"
    assert [m.name for m in members if m.is_draining] == ["proctor-host-0"]
    serving = [m.name for m in members if m.kind == "host" and not m.is_draining]
    assert len(serving) == 2
    assert {site.actor(name).version for name in serving} == {"v2"}
    assert site.actor("proctor-shard-0").version == "v2"

    site.actor("proctor-host-0").sessions = 0
    members = await site.steps(2)
    assert [m.name for m in members if m.kind == "host"] == serving
    assert site.metrics.counted("actors_ended", why="replaced") >= 2


async def test_it_tells_how_many_there_are_and_how_many_there_should_be() -> None:
    site = Site(FIXED)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = 3
    await site.steps(1)
    told = {name: value for (name, labels), value in site.metrics.gauges.items() if not labels}
    assert (told["hosts_wanted"], told["shards_wanted"]) == (FIXED.hosts, FIXED.shards)
    assert told["shards"] == FIXED.shards
    assert told["hosts_sessions"] == 3
    assert told["hosts_places"] == FIXED.hosts * FIXED.sessions_per_host
    assert told["hosts_refusing"] == 0
    assert site.metrics.gauges[("hosts", (("state", "staying"),))] == FIXED.hosts
    assert site.metrics.gauges[("hosts", (("state", "leaving"),))] == 0


async def test_hosts_of_one_session_are_kept_in_reserve_up_to_the_limit() -> None:
    site = Site(ON_DEMAND)
    await site.steps(2)
    for index in range(2):
        site.actor(f"proctor-host-{index}").sessions = 1
    await site.steps(2)
    hosts = sorted(name for name in site.actors.inside if "host" in name)
    assert hosts == [f"proctor-host-{i}" for i in range(4)]

    for name in hosts:
        site.actor(name).sessions = 1
    await site.steps(3)
    assert len([name for name in site.actors.inside if "host" in name]) == 4


async def test_hosts_that_are_not_needed_end_one_by_one_after_a_minute() -> None:
    site = Site(ON_DEMAND)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = site.actor("proctor-host-1").sessions = 1
    await site.steps(2)
    site.actor("proctor-host-0").sessions = site.actor("proctor-host-1").sessions = 0

    await site.steps(59)
    assert len(site.yard.names()) == 5
    await site.steps(10)
    assert sorted(site.yard.names()) == ["proctor-host-0", "proctor-host-1", "proctor-shard-0"]


async def test_a_host_that_took_a_session_since_its_ping_is_let_be() -> None:
    site = Site(ON_DEMAND)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = site.actor("proctor-host-1").sessions = 1
    await site.steps(2)
    site.actor("proctor-host-0").sessions = site.actor("proctor-host-1").sessions = 0
    site.actor("proctor-host-3").taken_since_the_ping = 1

    await site.steps(62)
    assert "proctor-host-3" in site.yard.names()
    assert site.actor("proctor-host-3").sessions == 1


async def test_the_sessions_of_an_old_host_are_moved_in_waves_once_there_are_new_hosts() -> None:
    site = Site(CrewSize(hosts=1, shards=1, sessions_per_host=10, hosts_max=1))
    await site.steps(2)
    old = site.actor("proctor-host-0")
    old.sessions = 8

    site.reconciler = site.make("v2")
    (host,) = await site.steps(1)
    assert not host.is_draining, "until there is another one it serves on"
    assert old.waves == []
    await site.steps(1)
    assert old.waves == [5]
    new = site.actor("proctor-host-1")
    old.sessions, new.sessions = 3, 5
    await site.steps(1)
    assert old.waves == [5, 3]
    old.sessions, new.sessions = 0, 8
    members = await site.steps(1)
    assert [m.name for m in members if m.kind == "host"] == ["proctor-host-1"]


async def test_no_session_is_moved_to_a_host_that_is_pressed() -> None:
    site = Site(CrewSize(hosts=1, shards=1, sessions_per_host=10, hosts_max=1))
    await site.steps(2)
    old = site.actor("proctor-host-0")
    old.sessions = 8
    site.reconciler = site.make("v2")
    await site.steps(1)
    site.actor("proctor-host-1").shed = 4
    await site.steps(3)
    assert old.waves == [0, 0, 0]


async def test_shared_hosts_are_added_before_the_others_are_full_and_emptied_when_they_are_too_many() -> (
    None
):
    site = Site(GROWING)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = 8
    await site.steps(2)
    assert "proctor-host-1" not in site.yard.names()
    site.actor("proctor-host-0").sessions = 9
    await site.steps(2)
    assert "proctor-host-1" in site.yard.names()

    first, second = site.actor("proctor-host-0"), site.actor("proctor-host-1")
    first.sessions, second.sessions = 5, 2  # 7 of 10 places: more than one host should be filled to
    await site.steps(70)
    assert second.waves == []
    first.sessions, second.sessions = 4, 2
    await site.steps(60)
    assert second.waves == []
    members = await site.steps(3)
    assert second.waves[0] == 2
    assert [m.name for m in members if m.is_draining] == ["proctor-host-1"]
    first.sessions, second.sessions = 6, 0
    await site.steps(2)
    assert site.yard.names() == {"proctor-host-0", "proctor-shard-0"}


async def test_another_reconciler_goes_on_emptying_what_one_before_began_to() -> None:
    site = Site(GROWING)
    await site.steps(2)
    site.actor("proctor-host-0").sessions = 1
    site.actor("proctor-host-0").is_draining = True
    site.reconciler = site.make("v1")
    members = await site.steps(3)
    assert [m.name for m in members if m.kind == "host" and not m.is_draining] == ["proctor-host-1"]


async def test_a_session_that_waits_wakes_the_reconciler() -> None:
    site = Site(FIXED)
    running = asyncio.create_task(site.reconciler.run())
    try:
        await until(lambda: len(site.actors.inside) == 4)
        del site.actors.inside["proctor-host-0"]
        await asyncio.sleep(0.05)
        assert len(site.actors.inside) == 3  # the next step is due in a second that does not pass
        await site.live.publish(WANTED_CHANNEL, "host")
        await until(lambda: len(site.actors.inside) == 4)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_outage_of_the_live_state_stops_nothing() -> None:
    site = Site(FIXED)
    site.live.down = True
    running = asyncio.create_task(site.reconciler.run())
    try:
        await until(lambda: len(site.actors.inside) == 4)
        site.live.down = False
        for _ in range(3):
            await site.clock.advance(1_000)
            await asyncio.sleep(0.02)
        assert len(roster_from_json(await site.live.get(ROSTER_KEY))) == 4
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(holds: "object") -> None:
    assert callable(holds)
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never became true")
