"""A host speaks to candidates' pages over the live state."""

import asyncio
import json

from proctor.domain.ids import SessionId
from proctor.domain.reports import Command, CommandName
from proctor.domain.sending import MediaWish
from proctor.services.host.pages import Pages
from proctor.services.host.sampling import Shed
from proctor.services.judging.page_news import send_key, session_channel
from tests.fakes.clock import FakeClock
from tests.fakes.live_state import FakeLiveState
from tests.proctor.services.host.room import ADA, STANDARD, Room

USUAL = MediaWish()
LESS = MediaWish(fps=3, max_kbps=150)


def message(wish: MediaWish) -> dict[str, object]:
    return {"type": "send", "width": 320, "height": 240, "fps": wish.fps, "max_kbps": wish.max_kbps}


class Town:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.live = FakeLiveState(self.clock)
        self.pages = Pages(live=self.live, usual=USUAL, clock=self.clock)

    async def tick(self, shed: Shed, milliseconds: int = 200) -> None:
        await self.clock.advance(milliseconds)
        self.pages.tick({ADA: 2.0}, shed, self.clock.monotonic_ms())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def said(self) -> list[dict[str, object]]:
        return [
            json.loads(text) for where, text in self.live.published if where == session_channel(ADA)
        ]


async def test_a_wish_is_published_and_kept_for_a_page_that_comes_later() -> None:
    town = Town()
    await town.tick(Shed.NOTHING)
    await town.tick(Shed.NOTHING)
    await town.tick(Shed.SMALL_FACES, 10_000)
    assert town.said() == [message(USUAL), message(LESS)]
    assert json.loads(await town.live.get(send_key(ADA)) or "") == message(LESS)


async def test_what_could_not_be_said_is_said_when_the_live_state_is_back() -> None:
    town = Town()
    town.live.down = True
    await town.tick(Shed.SMALL_FACES)
    town.live.down = False
    await town.tick(Shed.SMALL_FACES)
    assert town.said() == []  # it is left alone for two seconds
    await town.tick(Shed.SMALL_FACES, 2_000)
    assert town.said() == [message(LESS)]
    await town.pages.close()


async def test_pages_are_asked_to_connect_elsewhere() -> None:
    town = Town()
    await town.pages.move([ADA])
    assert town.said() == [{"type": "reconnect", "reason": "moving"}]


async def test_a_host_asks_a_session_that_it_looks_at_closely_for_more() -> None:
    keen = STANDARD.replace("face_attentive_hz: 4", "face_attentive_hz: 6")
    assert keen != STANDARD
    async with Room(policy=keen) as room:
        await room.join()
        await room.watch(1_000)
        room.judges.commands[ADA] = [Command(name=CommandName.LOOK_CLOSER, until_ms=4_000)]
        await room.watch(12_000)
        told = [
            json.loads(text)["fps"]
            for where, text in room.live.published
            if where == session_channel(SessionId(ADA))
        ]
        assert told == [5, 8, 5]
