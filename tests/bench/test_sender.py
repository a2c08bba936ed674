"""The scripted candidate's media against the product's own receive path, over loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from bench.candidate.pictures import Covered, Moved
from bench.candidate.reels import Reels, encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sender import Playback, Sender, stay_on_loopback
from bench.candidate.sounds import QuietRoom
from bench.candidate.stills import empty_room
from bench.candidate.wire import ApiProblem
from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.peer import LeanPeers
from proctor.ports import MediaPeer
from proctor.settings import WebRtcSettings
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.sink import RecordingSink

BASE = "http://127.0.0.1:8800"
WHIP = "/v1/sessions/ses_1/whip"


class Door:
    """WHIP over plain receiving peers: what the API does, without the API."""

    def __init__(self) -> None:
        self.received: list[RecordingSink] = []
        self.peers: list[MediaPeer] = []
        self.left: list[str] = []
        self.refuse_with = 0
        self._peers = LeanPeers(WebRtcSettings(), SystemClock(), FakeMetrics())

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            self.left.append(request.url.path)
            return httpx.Response(200)
        if self.refuse_with:
            body = {"code": "sessions/no-capacity", "detail": "full"}
            return httpx.Response(self.refuse_with, json=body, headers={"Retry-After": "2"})
        assert request.headers["Content-Type"] == "application/sdp"
        self.received.append(RecordingSink())
        peer = self._peers.open(self.received[-1])
        self.peers.append(peer)
        sdp = await peer.answer(request.content.decode())
        headers = {"Location": f"{WHIP}/{len(self.peers)}"}
        return httpx.Response(201, text=sdp, headers=headers)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.MockTransport(self.answer)
        async with httpx.AsyncClient(base_url=BASE, transport=transport) as client:
            yield client
        for peer in self.peers:
            await peer.close()


@pytest.fixture(scope="module")
def reels() -> Reels:
    """Two seconds of a room, then darkness."""
    scenes = [
        Scene(name="room", start_s=0, picture=Moved(empty_room(1), 1), sound=QuietRoom(1)),
        Scene(name="dark", start_s=2, picture=Covered(2), sound=QuietRoom(2)),
    ]
    return encode(Script(scenes, 8))


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    import aioice.ice

    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    stay_on_loopback(BASE)


def brightness(sink: RecordingSink) -> list[float]:
    return [float(picture.mean()) for picture in sink.pictures]


async def test_scenes_arrive_at_their_times_with_sound(reels: Reels) -> None:
    door, states = Door(), []
    async with door.client() as client:
        playback = Playback(reels)
        sender = Sender(playback, states.append)
        await sender.open(client, WHIP)
        assert sender.epoch == 1
        got = door.received[0]
        await got.until(lambda: len(got.pictures) >= 13)
        position_s = playback.position_s
        assert 2.4 <= position_s < 3.0  # thirteen pictures at five a second, none late
        assert [value > 50 for value in brightness(got)[:13]] == [True] * 10 + [False] * 3
        assert got.sound_ms == pytest.approx(position_s * 1000, abs=200)
        assert got.states == ["connected"] and sender.state == "connected"
        await sender.leave(client)
        assert door.left == [f"{WHIP}/1"]
    assert states[-1] == "closed"


async def test_a_second_connection_goes_on_where_life_is_not_where_it_broke_off(
    reels: Reels,
) -> None:
    door = Door()
    async with door.client() as client:
        playback = Playback(reels)
        first = Sender(playback, lambda _state: None)
        await first.open(client, WHIP)
        await door.received[0].until(lambda: len(door.received[0].pictures) >= 3)
        await first.close()
        await asyncio.sleep(max(0.0, 2.1 - playback.position_s))
        second = Sender(playback, lambda _state: None)
        await second.open(client, WHIP)
        assert second.epoch == 2
        await door.received[1].until(lambda: len(door.received[1].pictures) >= 2)
        assert max(brightness(door.received[1])) < 15  # the dark scene, from a key frame on
        assert playback.position_s < 5.0
        await second.close()


async def test_a_refusal_tells_whether_to_come_back_and_when(reels: Reels) -> None:
    door = Door()
    door.refuse_with = 503
    async with door.client() as client:
        sender = Sender(Playback(reels), lambda _state: None)
        with pytest.raises(ApiProblem) as refused:
            await sender.open(client, WHIP)
        assert refused.value.code == "sessions/no-capacity"
        assert refused.value.retryable and refused.value.retry_after_s == 2.0
        door.refuse_with = 409
        with pytest.raises(ApiProblem) as ended:
            await call_again(client)
        assert not ended.value.retryable
        await sender.close()


async def call_again(client: httpx.AsyncClient) -> None:
    from bench.candidate.desk import call

    await call(client, "POST", WHIP, content="v=0", content_type="application/sdp")
