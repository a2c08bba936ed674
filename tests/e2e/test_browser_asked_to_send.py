"""A real browser sends less when a host asks for it, and as much as before when it asks for that.

Counted where it arrives: pictures and their size at the sink of a real peer, packets and bytes at its
transport. The way of the wish is the product's own: a pressed host, the live state, the WebSocket.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.candidate.pictures import HEIGHT, WIDTH
from proctor.domain.ids import SessionId
from proctor.domain.media import Image, frozen
from proctor.domain.sending import MediaWish
from proctor.services.host.pages import Pages
from proctor.services.host.sampling import Shed
from tests.e2e.support import footage
from tests.e2e.support.browser import Candidate, candidate_page
from tests.e2e.support.door import Counter, RealPeers, open_door

pytestmark = pytest.mark.e2e

MEASURED_S = float(os.environ.get("PROCTOR_TEST_SECONDS", "6"))


class Noise:
    """A picture that changes everywhere, so that the encoder spends what it may."""

    def at(self, index: int) -> Image:
        import numpy as np

        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
        return frozen(coarse.repeat(8, axis=0).repeat(8, axis=1))


@dataclass(frozen=True)
class Rates:
    """What arrived in a second."""

    pictures: float
    kbps: float
    packets: float


async def arriving(peer: object, sink: Counter) -> Rates:
    """Measured over `MEASURED_S` seconds at the server's end of the connection."""
    began, before = time.monotonic(), await received(peer)
    pictures = sink.pictures
    await asyncio.sleep(MEASURED_S)
    after, lasted = await received(peer), time.monotonic() - began
    return Rates(
        pictures=(sink.pictures - pictures) / lasted,
        kbps=(after[0] - before[0]) * 8 / 1000 / lasted,
        packets=(after[1] - before[1]) / lasted,
    )


async def received(peer: object) -> tuple[int, int]:
    """(bytes, packets) that the transport has taken."""
    transport = peer._connection.getReceivers()[0].transport  # type: ignore[attr-defined]
    (stats,) = transport._get_stats().values()
    return stats.bytesReceived, stats.packetsReceived


async def until_asked(candidate: Candidate, fps: int) -> None:
    for _ in range(100):
        if ((await candidate.state())["send"] or {}).get("fps") == fps:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"the page was not asked for {fps} pictures a second: {await candidate.state()}")


async def test_a_page_sends_less_and_more_as_the_host_asks(tmp_path: Path) -> None:
    video, sound = tmp_path / "camera.y4m", tmp_path / "microphone.wav"
    footage.write_y4m(video, Noise(), 2.0)
    footage.write_quiet(sound, 4.0)
    placement = RealPeers()
    async with open_door(tmp_path, placement) as (api, address):
        made = await api.new_session()
        session_id = SessionId(made["session"]["session_id"])
        pages = Pages(live=api.live, usual=MediaWish(), clock=api.clock)
        link = f"{address}/candidate#ticket={made['join_ticket']}&auto=1"
        async with candidate_page(link, video, sound) as candidate:
            for _ in range(200):
                if any(sink.pictures > 10 for _, sink in placement.open.values()):
                    break
                await asyncio.sleep(0.1)
            ((peer, sink),) = placement.open.values()
            usual = await arriving(peer, sink)

            pages.tick({session_id: 1.0}, Shed.ATTENTION, 0)
            await until_asked(candidate, 2)
            less = await arriving(peer, sink)

            pages.tick({session_id: 2.0}, Shed.NOTHING, 60_000)
            await until_asked(candidate, 5)
            again = await arriving(peer, sink)
            assert sink.size == (320, 240)

            small = MediaWish(width=160, height=120)
            smaller = Pages(live=api.live, usual=small, clock=api.clock)
            smaller.tick({session_id: 6.0}, Shed.NOTHING, 0)
            await until_asked(candidate, 8)
            await arriving(peer, sink)
            assert sink.size == (160, 120)
            assert candidate.problems == []
    print(f"usual {usual}, less {less}, again {again}")
    assert less.pictures < 0.7 * usual.pictures
    assert less.kbps < 0.7 * usual.kbps
    assert again.pictures > 1.5 * less.pictures
    assert again.kbps > 1.3 * less.kbps
