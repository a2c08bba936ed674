"""Plays films into peer connections: aiortc for SDP, ICE and DTLS, the pump for every packet after.

aiortc's own sender runs two tasks and a dozen objects per packet. Here are the places where its private
names are entered, for the one version that is pinned.
"""

import contextlib
import uuid
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.codecs import is_rtx
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
)

from bench.candidate.film import PICTURE_MS, Film, Library, Spool
from bench.candidate.pump import Pump, Stream, Wire
from bench.candidate.sender import Playback

CODECS = (("audio", ("audio/opus",)), ("video", ("video/VP8", "video/rtx")))


class FilmSender(RTCRtpSender):
    """Takes the place of the sender that a peer connection made."""

    def __init__(
        self, kind: str, transport: RTCDtlsTransport, spool: Spool, playback: Playback, pump: Pump
    ) -> None:
        super().__init__(kind, transport)
        self._spool = spool
        self._playback = playback
        self._pump = pump
        self._stream: Stream | None = None

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Begin; called by the peer connection once DTLS stands."""
        if self._stream is not None:
            return
        self.transport._register_rtp_sender(self, parameters)
        codec = parameters.codecs[0]
        assert codec.payloadType is not None
        again = next((c.payloadType for c in parameters.codecs[1:] if is_rtx(c)), None)
        send_rtp, send_rtcp = _outlets(self.transport)
        wire = Wire(
            send_rtp=send_rtp,
            send_rtcp=send_rtcp,
            ssrc=self._ssrc,
            payload_type=codec.payloadType,
            rtx_ssrc=self._rtx_ssrc,
            rtx_payload_type=again,
            cname=parameters.rtcp.cname or str(uuid.uuid4()),
        )
        self._playback.start()
        self._stream = Stream(self.kind, self._spool, wire, lambda: self._playback.position_s)
        self._pump.add(self._stream)

    async def stop(self) -> None:
        """End for good, and say so."""
        if self._stream is None:
            return
        self._pump.remove(self._stream)
        self._stream = None
        self.transport._unregister_rtp_sender(self)
        with contextlib.suppress(ConnectionError):
            await self.transport._send_rtp(bytes(RtcpByePacket(sources=[self._ssrc])))

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if self._stream is None:
            return
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            for sequence in packet.lost:
                self._stream.again(sequence)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._stream.wish_for_key()


def _outlets(transport: RTCDtlsTransport) -> tuple[Any, Any]:
    """What protects and sends a packet, past three coroutines a packet of aiortc and aioice."""
    srtp = transport._tx_srtp
    pair = transport.transport._connection._nominated[1]
    socket, address = pair.protocol.transport, pair.remote_addr

    def send_rtp(packet: bytes) -> None:
        if not socket.is_closing():
            socket.sendto(srtp.protect(packet), address)

    def send_rtcp(packet: bytes) -> None:
        if not socket.is_closing():
            socket.sendto(srtp.protect_rtcp(packet), address)

    return send_rtp, send_rtcp


class Projector:
    """Shows films from a library over one pump."""

    def __init__(self, library: Library, pump: Pump) -> None:
        self._library = library
        self._pump = pump

    def attach(self, connection: RTCPeerConnection, playback: Playback) -> None:
        """Let a new connection send what `playback` plays, which must be a film."""
        film = playback.shown
        assert isinstance(film, Film)
        for kind, codecs in CODECS:
            transceiver = connection.addTransceiver(kind, direction="sendonly")
            known = RTCRtpSender.getCapabilities(kind).codecs
            transceiver.setCodecPreferences(
                [codec for name in codecs for codec in known if codec.mimeType == name]
            )
            made = transceiver.sender
            unit_ms = PICTURE_MS if kind == "video" else film.ptime_ms
            cues = film.video if kind == "video" else film.audio
            spool = Spool(cues, self._library, unit_ms, film.length_s)
            sender = FilmSender(kind, made.transport, spool, playback, self._pump)
            sender._stream_id = made._stream_id
            transceiver._RTCRtpTransceiver__sender = sender  # type: ignore[attr-defined]
            transceiver.receiver._set_rtcp_ssrc(sender._ssrc)
