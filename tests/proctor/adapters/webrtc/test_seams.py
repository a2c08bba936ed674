"""The private names of aiortc and aioice that we enter by, and the guard on their versions."""

import aioice
import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc import seams
from proctor.adapters.webrtc.ice import GuardedConnection
from proctor.adapters.webrtc.peer import LeanPeers
from proctor.adapters.webrtc.video import VideoReceiver
from proctor.settings import WebRtcSettings
from tests.fakes.metrics import FakeMetrics
from tests.proctor.adapters.webrtc.sink import RecordingSink


def test_the_installed_versions_are_the_ones_that_were_read() -> None:
    seams.require_versions()


@pytest.mark.parametrize("library", [aiortc, aioice])
def test_another_version_is_refused_before_anything_is_opened(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "__version__", "99.0")
    with pytest.raises(RuntimeError, match=r"aiortc 1\.16\.0 and aioice 0\.13\.0, found .*99\.0"):
        LeanPeers(WebRtcSettings(), SystemClock(), FakeMetrics())


async def test_what_is_fitted_is_what_aiortc_uses() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    transport = transceiver.receiver.transport
    ice = GuardedConnection(
        bind_address="127.0.0.1",
        is_advertised=False,
        port_min=0,
        port_max=0,
        on_drop=lambda reason: None,
        ice_servers={},
    )
    receiver = VideoReceiver(transport, RecordingSink(), SystemClock(), FakeMetrics(), lambda: None)
    seams.fit_connection(transport.transport, ice)
    seams.fit_receiver(transceiver, receiver)
    assert connection.getReceivers() == [receiver] and receiver.transport is transport
    await connection.setLocalDescription(await connection.createOffer())
    assert ice.local_username in connection.localDescription.sdp
    (candidate,) = ice.local_candidates
    assert (candidate.host, candidate.type) == ("127.0.0.1", "host")
    await connection.close()
    assert ice.local_candidates == []
