"""A stream without a network: packets go straight to a receiver, its RTCP is read back."""

import asyncio
from collections.abc import Callable, Iterator

from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    wrap_rtx,
)

from tests.proctor.adapters.webrtc.sender import audio_frame, video_frame

VIDEO = [
    RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96),
    RTCRtpCodecParameters(
        mimeType="video/rtx", clockRate=90_000, payloadType=97, parameters={"apt": 96}
    ),
]
AUDIO = [
    RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)
]
SOURCE, REPAIR, OWN = 1_111, 2_222, 3_333


class Wire:
    """What a receiver needs of a DTLS transport."""

    state = "connected"

    def __init__(self) -> None:
        self.sent: list[AnyRtcpPacket] = []
        self.receivers: list[object] = []
        self._changed = asyncio.Event()

    def _register_rtp_receiver(self, receiver: object, parameters: RTCRtpReceiveParameters) -> None:
        self.receivers.append(receiver)

    def _unregister_rtp_receiver(self, receiver: object) -> None:
        self.receivers.remove(receiver)

    async def _send_rtp(self, data: bytes) -> None:
        self.sent += RtcpPacket.parse(data)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def asked(self) -> list[int]:
        """Numbers asked for by NACK, in order of asking."""
        return [
            seq
            for packet in self.sent
            if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK
            for seq in packet.lost
        ]

    def key_requests(self) -> int:
        return sum(
            isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI
            for packet in self.sent
        )


def pictures(
    count: int,
    *,
    keys: frozenset[int] = frozenset(),
    fps: float = 5.0,
    size: tuple[int, int] = (320, 240),
    first_seq: int = 65_530,
    first_timestamp: int = 0xFFFFFFFF - 50_000,
) -> Iterator[list[RtpPacket]]:
    """The packets of each VP8 frame; sequence numbers and timestamps wrap early."""
    encoder = Vp8Encoder()
    seq = first_seq
    for index in range(count):
        frame = video_frame(index, *size, fps)
        payloads, timestamp = encoder.encode(frame, force_keyframe=index in keys)
        packets: list[RtpPacket] = []
        for payload in small(payloads):
            packets.append(
                RtpPacket(
                    payload_type=96,
                    marker=0,
                    sequence_number=seq & 0xFFFF,
                    timestamp=(first_timestamp + timestamp) & 0xFFFFFFFF,
                    ssrc=SOURCE,
                    payload=payload,
                )
            )
            seq += 1
        packets[-1].marker = 1
        yield packets


def small(payloads: list[bytes], most: int = 120) -> list[bytes]:
    """Payloads of a frame cut smaller, so that every frame has several packets."""
    data = b""
    picture_id = None
    for payload in payloads:
        descriptor, part = VpxPayloadDescriptor.parse(payload)
        picture_id = descriptor.picture_id
        data += part
    size = min(most, max(1, len(data) // 3))
    return [
        bytes(VpxPayloadDescriptor(int(at == 0), 0, picture_id)) + data[at : at + size]
        for at in range(0, len(data), size)
    ]


def retransmitted(packet: RtpPacket, number: int) -> RtpPacket:
    return wrap_rtx(packet, payload_type=97, sequence_number=number, ssrc=REPAIR)


def sounds(count: int, *, first_seq: int = 65_500) -> list[RtpPacket]:
    """Opus packets of 20 ms."""
    encoder = OpusEncoder()
    packets: list[RtpPacket] = []
    for index in range(count + 2):
        for payload in encoder.encode(audio_frame(index))[0]:
            at = len(packets)
            packets.append(
                RtpPacket(
                    payload_type=111,
                    sequence_number=(first_seq + at) & 0xFFFF,
                    timestamp=(0xFFFFFFFF - 20_000 + at * 960) & 0xFFFFFFFF,
                    ssrc=SOURCE,
                    payload=payload,
                )
            )
    return packets[:count]
