"""The real pages and API over fakes, served on a port of this machine; media arrive at a real peer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.peer import LeanPeer, LeanPeers
from proctor.domain.ids import SessionId
from proctor.domain.media import Image, PictureOrigin, Samples
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from proctor.settings import WebRtcSettings
from tests.fakes.api import FakeApi
from tests.fakes.metrics import FakeMetrics
from tests.fakes.placement import FakePlacement


class Counter:
    """A `MediaSink` that counts."""

    def __init__(self) -> None:
        self.pictures = 0
        self.sounds = 0
        self.size = (0, 0)

    def on_picture(
        self, image: Image, _received_ms: int, _origin: PictureOrigin | None = None
    ) -> None:
        self.pictures += 1
        self.size = (image.shape[1], image.shape[0])

    def on_sound(self, _samples: Samples, _received_ms: int, _gap_ms: int) -> None:
        self.sounds += 1

    def on_connection(self, _state: str) -> None:
        return


class RealPeers(FakePlacement):
    """A placement whose connections are real ones, each with a sink that counts."""

    def __init__(self) -> None:
        super().__init__()
        self._peers = LeanPeers(WebRtcSettings(), SystemClock(), FakeMetrics())
        self.open: dict[tuple[SessionId, int], tuple[LeanPeer, Counter]] = {}

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        await super().join(spec, offer_sdp)
        sink = Counter()
        peer = self._peers.open(sink)
        self.open[(spec.session_id, spec.epoch)] = (peer, sink)
        return Answer(await peer.answer(offer_sdp), spec.epoch)

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        await self.open[(session_id, epoch)][0].trickle(fragment)

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        await super().leave(session_id, epoch)
        if (session_id, epoch) in self.open:
            await self.open[(session_id, epoch)][0].close()

    async def close(self) -> None:
        for peer, _ in self.open.values():
            await peer.close()


@asynccontextmanager
async def open_door(folder: Path, placement: RealPeers) -> AsyncIterator[tuple[FakeApi, str]]:
    """The API over fakes and its address, until the block ends."""
    api = FakeApi(folder, placement)
    whole = Starlette(routes=[Mount("/v1/live", api.live_app), Mount("/", api.app)])
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        whole, log_level="error", lifespan="off", ws="websockets-sansio", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield api, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        await placement.close()
        await api.close()
