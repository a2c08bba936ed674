"""The places where aiortc 1.16 and aioice 0.13 are entered by their private names; all of them.

Both are pinned. Another version must be read before it is let in: `require_versions` refuses it, and
tests/proctor/adapters/webrtc/test_seams.py proves that each seam still holds.
"""

import aioice
import aiortc
from aiortc import RTCIceTransport, RTCRtpReceiver, RTCRtpTransceiver

AIORTC_VERSION = "1.16.0"
AIOICE_VERSION = "0.13.0"


def require_versions() -> None:
    """Raise `RuntimeError` unless the libraries are the ones that these seams were made for."""
    found = (aiortc.__version__, aioice.__version__)
    if found != (AIORTC_VERSION, AIOICE_VERSION):
        raise RuntimeError(
            f"the media path is made for aiortc {AIORTC_VERSION} and aioice {AIOICE_VERSION}, "
            f"found {found[0]} and {found[1]}: install the lock, or check proctor/adapters/webrtc"
        )


def fit_receiver(transceiver: RTCRtpTransceiver, receiver: RTCRtpReceiver) -> None:
    """Let `receiver` take the place of the one that the peer connection made.

    RTCPeerConnection makes its receivers itself and has no hook; the transceiver is the only one
    that keeps a reference before media flow.
    """
    receiver._set_rtcp_ssrc(transceiver.sender._ssrc)
    transceiver._RTCRtpTransceiver__receiver = receiver  # type: ignore[attr-defined]


def fit_connection(transport: RTCIceTransport, connection: aioice.Connection) -> None:
    """Let `connection` do the ICE of `transport`, before candidates are gathered."""
    transport.iceGatherer._connection = connection
    transport._connection = connection
    transport._recv = connection.recv
    transport._send = connection.send
