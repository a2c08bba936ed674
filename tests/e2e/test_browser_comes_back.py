"""A real page waits as it is told when there is no room, and moves to another host when asked to."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor.domain.errors import NoCapacity
from proctor.domain.ids import SessionId
from proctor.domain.sending import MediaWish
from proctor.services.host.pages import Pages
from tests.e2e.support import footage
from tests.e2e.support.browser import Candidate, candidate_page
from tests.e2e.support.door import Counter, RealPeers, open_door
from tests.e2e.test_browser_asked_to_send import Noise

pytestmark = pytest.mark.e2e

RETRY_AFTER_S = 2


async def until(holds: Callable[[], bool], what: str) -> float:
    """When it held first; fails after 40 s."""
    for _ in range(800):
        if holds():
            return time.monotonic()
        await asyncio.sleep(0.05)
    pytest.fail(what)


async def test_a_page_waits_for_room_and_moves_when_it_is_asked(tmp_path: Path) -> None:
    video, sound = tmp_path / "camera.y4m", tmp_path / "microphone.wav"
    footage.write_y4m(video, Noise(), 2.0)
    footage.write_quiet(sound, 4.0)
    placement = RealPeers()
    placement.refuses = NoCapacity("no session host can take the session now", RETRY_AFTER_S)
    async with open_door(tmp_path, placement) as (api, address):
        made = await api.new_session()
        session_id = SessionId(made["session"]["session_id"])
        link = f"{address}/candidate#ticket={made['join_ticket']}&auto=1"
        async with candidate_page(link, video, sound) as candidate:
            refused_at = await shown(candidate)
            placement.refuses = None
            came_at = await until(
                lambda: pictures(placement.open) > 5, "the page did not come back"
            )
            assert came_at - refused_at >= RETRY_AFTER_S - 1, "it was told to wait"

            (first,) = placement.open
            pages = Pages(live=api.live, usual=MediaWish(), clock=api.clock)
            asked_at = time.monotonic()
            await pages.move([session_id])
            moved_at = await until(
                lambda: any(
                    key != first and sink.pictures > 0 for key, (_, sink) in placement.open.items()
                ),
                "the page did not move",
            )
            assert (await candidate.state())["phase"] == "live"
            assert [epoch for _, epoch in placement.open] == sorted(
                epoch for _, epoch in placement.open
            )
    print(
        f"came back {came_at - refused_at:.1f} s after it was refused; moved in {moved_at - asked_at:.1f} s"
    )


async def shown(candidate: Candidate) -> float:
    """When the page told the candidate that there is no room yet."""
    await candidate.page.wait_for_function(
        "() => document.getElementById('problem')?.hidden === false", timeout=40_000
    )
    return time.monotonic()


def pictures(connections: dict[tuple[SessionId, int], tuple[object, Counter]]) -> int:
    return sum(sink.pictures for _, sink in connections.values())
