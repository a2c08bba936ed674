"""A hundred candidates come within a second to hosts that refuse while they are pressed: none is lost."""

import asyncio
import random
from dataclasses import dataclass, field

from actors.directory import Member, host_name
from proctor.domain.errors import NoCapacity
from proctor.domain.ids import SessionId
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from proctor.services.host.pace import HostLoad, refusal
from proctor.services.host.sampling import Shed
from tests.actors.test_directory import Host, Town, spec
from tests.fakes.clock import FakeClock

SESSIONS = 100
PER_SECOND = 3
"""Joins a second that press a host no further."""


@dataclass
class Pressed(Host):
    """A host whose joins press it: after more than it can take in a second it refuses for a while."""

    clock: FakeClock
    capacity: int = 50
    joined_ms: list[int] = field(default_factory=list)
    asked: int = 0

    def load(self) -> HostLoad:
        now_ms = self.clock.monotonic_ms()
        lately = sum(1 for at in self.joined_ms if now_ms - at < 2_000)
        shed = Shed.HALF_OF_FACES if lately > 2 * PER_SECOND else Shed.NOTHING
        return HostLoad(len(self.joined_ms), self.capacity, 0, shed)

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        self.asked += 1
        why = refusal(self.load(), is_running=False)
        if why is not None:
            raise NoCapacity(why)
        self.joined_ms.append(self.clock.monotonic_ms())
        return Answer(f"answer to {offer_sdp}", spec.epoch)


async def come(town: Town, number: int, dice: random.Random) -> int:
    """As the page does it: offer, and when refused wait as told and up to as long again."""
    await town.clock.sleep(number / SESSIONS)
    while True:
        try:
            await town.placement.join(spec(1, SessionId(f"ses_{number}")), "offer")
        except NoCapacity as refused:
            await town.clock.sleep(refused.retry_after_s * dice.uniform(1, 2))
        else:
            return town.clock.monotonic_ms()


async def test_a_hundred_who_come_at_once_are_all_in_within_a_minute() -> None:
    clock = FakeClock()
    hosts = [Pressed(clock), Pressed(clock)]
    town = Town(*hosts, clock=clock)
    dice = random.Random(7)
    began_ms = clock.monotonic_ms()
    coming = [asyncio.create_task(come(town, number, dice)) for number in range(SESSIONS)]
    for step in range(60 * 20):
        if step % 20 == 0:  # the reconciler looks every second
            await town.write(*(member(index, host) for index, host in enumerate(hosts)))
        await clock.advance(50)
        if all(task.done() for task in coming):
            break
    in_ms = [task.result() - began_ms for task in coming]
    assert max(in_ms) < 60_000
    assert [len(host.joined_ms) for host in hosts] == [50, 50]
    asked = sum(host.asked for host in hosts)
    assert asked < 5 * SESSIONS, "who is refused must not press the hosts by asking"


def member(index: int, host: Pressed) -> Member:
    load = host.load()
    return Member(
        name=host_name(index),
        kind="host",
        pid=index,
        sessions=load.sessions,
        capacity=load.capacity,
        shed=int(load.shed),
    )
