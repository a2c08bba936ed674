"""Pictures of one connection: packets to frames, frames to RGB, in the event loop."""

from collections.abc import Callable

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtpPacket,
)

from proctor.adapters.webrtc.decoders import PictureDecoder, TooLarge, Undecodable
from proctor.adapters.webrtc.frames import Frame, FrameBuffer, Piece
from proctor.adapters.webrtc.payloads import unpack_h264, unpack_vp8
from proctor.adapters.webrtc.receiver import LeanReceiver
from proctor.adapters.webrtc.sequence import SequenceCounter, ticks_between
from proctor.domain.media import CodedPicture, PictureOrigin
from proctor.ports import Clock, MediaSink, MediaTap, Metrics

MIN_PICTURE_TICKS = 90_000 // 16
"""Pictures closer than this (by their RTP time) are decoded, since others depend on them, but neither
converted nor handed on: no policy looks more often than 4 times a second, and a client that sends
30 fps must not cost what six sessions do."""

_UNPACK = {"VP8": unpack_vp8, "H264": unpack_h264}


class VideoReceiver(LeanReceiver):
    """Delivers each frame as soon as its last packet is here."""

    def __init__(
        self,
        transport: RTCDtlsTransport,
        sink: MediaSink,
        clock: Clock,
        metrics: Metrics,
        on_flood: Callable[[], None],
    ) -> None:
        super().__init__("video", transport, sink, clock, metrics, on_flood)
        self._buffer = FrameBuffer()
        self._counter = SequenceCounter()
        self._decoder: PictureDecoder | None = None
        self._shown_timestamp: int | None = None

    def _restart(self) -> None:
        self._buffer = FrameBuffer()
        self._counter = SequenceCounter()
        self._decoder = None
        self._shown_timestamp = None

    async def _take(self, packet: RtpPacket, codec: RTCRtpCodecParameters, now_ms: int) -> None:
        piece = self._piece(packet, codec)
        if piece is None:
            return
        late = self._buffer.late
        for frame in self._buffer.add(piece, now_ms):
            self._show(frame, codec.name, now_ms)
        if self._buffer.late > late:
            self._drop("late")
        if await self._ask(now_ms):
            self._wake.set()

    async def _tick(self, now_ms: int) -> int | None:
        given_up = self._buffer.given_up
        if self._decoder is not None:
            for frame in self._buffer.tick(now_ms):
                self._show(frame, self._decoder.codec_name, now_ms)
        if self._buffer.given_up > given_up:
            self._metrics.count("proctor_webrtc_video_gaps_total")
        await self._ask(now_ms)
        return self._buffer.due_ms()

    def _piece(self, packet: RtpPacket, codec: RTCRtpCodecParameters) -> Piece | None:
        data, starts_key = b"", False
        if packet.payload:
            try:
                data, starts_key = _UNPACK[codec.name](packet.payload)
            except (KeyError, ValueError):
                self._drop("payload")
                return None
        seq = self._counter.extend(packet.sequence_number)
        return Piece(seq, packet.timestamp, bool(packet.marker), starts_key, data)

    def _show(self, frame: Frame, codec_name: str, now_ms: int) -> None:
        if self._buffer.awaits_key and not frame.is_key:
            return  # an earlier frame of this batch could not be decoded
        if self._decoder is None or self._decoder.codec_name != codec_name:
            self._decoder = PictureDecoder(codec_name)
        try:
            decoded = self._decoder.decode(frame.data)
        except TooLarge:
            self._drop("size")
            self._buffer.await_key(ask=False)  # it would be as large; a change of size brings one
            return
        except Undecodable:
            self._drop("undecodable")
            self._buffer.await_key(ask=True)
            return
        tap: MediaTap | None = getattr(self._sink, "tap", None)
        if tap is not None:
            size = decoded or self._decoder
            tap.on_coded_picture(
                CodedPicture(
                    codec_name,
                    frame.data,
                    frame.is_key,
                    frame.timestamp,
                    size.width,
                    size.height,
                ),
                now_ms,
            )
        if decoded is None:
            return
        shown = self._shown_timestamp
        if shown is not None and 0 <= ticks_between(shown, frame.timestamp) < MIN_PICTURE_TICKS:
            self._metrics.count("proctor_webrtc_pictures_skipped_total")
            return
        self._shown_timestamp = frame.timestamp
        origin = PictureOrigin(codec_name, frame.timestamp)
        self._sink.on_picture(self._decoder.picture(decoded), now_ms, origin)

    def _tap_wants_key(self, now_ms: int) -> bool:
        tap: MediaTap | None = getattr(self._sink, "tap", None)
        is_flowing = self._decoder is not None and not self._buffer.awaits_key
        return tap is not None and is_flowing and tap.wants_key(now_ms)

    async def _ask(self, now_ms: int) -> bool:
        """Send the NACK or PLI that is due; whether the timer has something to wait for."""
        lost = self._buffer.packets_to_ask(now_ms)
        key = self._buffer.key_to_ask(now_ms) or self._tap_wants_key(now_ms)
        if self._own_ssrc is not None and self._source is not None:
            if lost:
                self._metrics.count("proctor_webrtc_nacks_total", len(lost))
                nack = RtcpRtpfbPacket(
                    fmt=RTCP_RTPFB_NACK, ssrc=self._own_ssrc, media_ssrc=self._source
                )
                nack.lost = lost
                await self._send_rtcp(nack)
            if key:
                self._metrics.count("proctor_webrtc_key_requests_total")
                await self._send_rtcp(
                    RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._own_ssrc, media_ssrc=self._source)
                )
        return bool(lost or key)
