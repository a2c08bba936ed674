"""Receives one RTP stream in the event loop: no decoder thread, no unbounded queue, no REMB.

Replaces aiortc's receiver (`seams.fit_receiver`). Shared by sound and pictures: who may speak on the
stream, statistics and receiver reports, and a timer for what waits.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from aiortc import RTCRtpReceiver
from aiortc.codecs import is_rtx
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    unwrap_rtx,
)

from proctor.ports import Clock, MediaSink, Metrics

logger = logging.getLogger(__name__)

SILENT_SOURCE_MS = 2_000
"""A stream may come from another source (SSRC) once the one before was quiet for so long."""

MAX_FOREIGN_SOURCES = 64
"""More sources than this in one connection are a flood: each costs libsrtp and aiortc memory that they
never give back, so the connection is failed."""


class LeanReceiver(RTCRtpReceiver):
    """What both kinds of receivers share. `_take` and `_tick` are theirs."""

    def __init__(
        self,
        kind: str,
        transport: RTCDtlsTransport,
        sink: MediaSink,
        clock: Clock,
        metrics: Metrics,
        on_flood: Callable[[], None],
    ) -> None:
        super().__init__(kind, transport)
        self._kind = kind
        self._sink = sink
        self._clock = clock
        self._metrics = metrics
        self._on_flood = on_flood
        self._codecs: dict[int, RTCRtpCodecParameters] = {}
        self._own_ssrc: int | None = None
        self._source: int | None = None
        self._source_heard_ms = 0
        self._repair_source: int | None = None
        self._foreign: set[int] = set()
        self._statistics: StreamStatistics | None = None
        self._sender_report: tuple[int, int] | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _set_rtcp_ssrc(self, ssrc: int) -> None:
        self._own_ssrc = ssrc

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin; called by the peer connection once DTLS stands."""
        if self._task is not None:
            return
        self._codecs = {
            codec.payloadType: codec for codec in parameters.codecs if codec.payloadType is not None
        }
        self.transport._register_rtp_receiver(self, parameters)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End for good; nothing is left running."""
        if self._task is not None:
            self.transport._unregister_rtp_receiver(self)
            self._task.cancel()
            await asyncio.wait([self._task])

    def _handle_disconnect(self) -> None:
        """Nothing is kept that a lost connection would have to release before `stop`."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._source:
            middle = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
            self._sender_report = (middle, self._clock.monotonic_ms())

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """One packet. Never raises: aiortc would end the whole connection."""
        try:
            now_ms = self._clock.monotonic_ms()
            ours = self._sift(packet, now_ms)
            if ours is not None:
                await self._take(ours[0], ours[1], now_ms)
        except Exception:  # the mailbox's border: one bad packet costs one packet
            logger.exception("packet failed", extra={"kind": self._kind})
            self._drop("error")

    async def _take(self, packet: RtpPacket, codec: RTCRtpCodecParameters, now_ms: int) -> None:
        raise NotImplementedError

    async def _tick(self, now_ms: int) -> int | None:
        """Do what is due; when next (None: not before a packet comes)."""
        raise NotImplementedError

    def _restart(self) -> None:
        """Another source begins: forget the stream before."""
        raise NotImplementedError

    def _drop(self, reason: str) -> None:
        self._metrics.count("proctor_webrtc_packets_dropped_total", kind=self._kind, reason=reason)

    def _sift(
        self, packet: RtpPacket, now_ms: int
    ) -> tuple[RtpPacket, RTCRtpCodecParameters] | None:
        """The packet, unwrapped when it is a retransmission, with its codec; None for strangers."""
        if not self._enabled:
            return None
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            self._drop("codec")
            return None
        if is_rtx(codec):
            return self._repair(packet, codec)
        if packet.ssrc != self._source and not self._admit(packet.ssrc, now_ms):
            return None
        self._source_heard_ms = now_ms
        if self._statistics is None:
            self._statistics = StreamStatistics(codec.clockRate)
        self._statistics.add(packet)
        return packet, codec

    def _admit(self, ssrc: int, now_ms: int) -> bool:
        if self._source is None or now_ms - self._source_heard_ms > SILENT_SOURCE_MS:
            if self._source is not None:
                self._foreign.add(self._source)
                self._restart()
            self._source = ssrc
            self._statistics = None
            self._sender_report = None
            return True
        self._refuse(ssrc)
        return False

    def _refuse(self, ssrc: int) -> None:
        self._drop("source")
        self._foreign.add(ssrc)
        if len(self._foreign) > MAX_FOREIGN_SOURCES:
            self._foreign.clear()
            self._on_flood()

    def _repair(
        self, packet: RtpPacket, codec: RTCRtpCodecParameters
    ) -> tuple[RtpPacket, RTCRtpCodecParameters] | None:
        """RFC 4588: the payload is the original's number and payload."""
        if self._repair_source is None:
            self._repair_source = packet.ssrc
        if packet.ssrc != self._repair_source:
            self._refuse(packet.ssrc)
            return None
        original_type = codec.parameters.get("apt")
        if not isinstance(original_type, int) or self._source is None or len(packet.payload) < 2:
            return None
        original = self._codecs.get(original_type)
        if original is None:
            return None
        return unwrap_rtx(packet, payload_type=original_type, ssrc=self._source), original

    async def _run(self) -> None:
        """Receiver reports every 0.5 to 1.5 s (RFC 3550 6.2), and whatever is due in between."""
        report_ms = self._clock.monotonic_ms() + _report_interval_ms()
        while True:
            now_ms = self._clock.monotonic_ms()
            try:
                due_ms = await self._tick(now_ms)
            except Exception:  # the mailbox's border
                logger.exception("timer failed", extra={"kind": self._kind})
                due_ms = None
            if now_ms >= report_ms:
                await self._report(now_ms)
                report_ms = now_ms + _report_interval_ms()
            until_ms = report_ms if due_ms is None else min(due_ms, report_ms)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(until_ms - now_ms, 1) / 1000):
                    await self._wake.wait()

    async def _report(self, now_ms: int) -> None:
        if self._statistics is None or self._source is None or self._own_ssrc is None:
            return
        last_report, since = 0, 0
        if self._sender_report is not None:
            last_report = self._sender_report[0]
            since = min((now_ms - self._sender_report[1]) * 65536 // 1000, 0xFFFFFFFF)
        report = RtcpReceiverInfo(
            ssrc=self._source,
            fraction_lost=self._statistics.fraction_lost,
            packets_lost=self._statistics.packets_lost,
            highest_sequence=self._statistics.max_seq or 0,
            jitter=self._statistics.jitter,
            lsr=last_report,
            dlsr=since,
        )
        await self._send_rtcp(RtcpRrPacket(ssrc=self._own_ssrc, reports=[report]))

    async def _send_rtcp(self, packet: AnyRtcpPacket) -> None:
        with contextlib.suppress(ConnectionError):  # closing; its owner learns it elsewhere
            await self.transport._send_rtp(bytes(packet))


def _report_interval_ms() -> int:
    return 500 + int(random.random() * 1000)
