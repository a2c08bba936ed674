"""Sends the films of all candidates of a process: one timer, no encoder, no task per stream.

A load generator shares its cores with what it measures, so a packet costs little here: the payload was
encoded before, the header is one `pack_into`, then SRTP and a datagram. Packets go out on a beat of 5 ms.
"""

import asyncio
import heapq
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.candidate.film import Spool

BEAT_S = 0.005
BEHIND_S = 1.0
"""This far behind, a stream jumps to where life is, and there to something that can be decoded alone."""
CHUNK = 1296
"""Payload of a packet of pictures beside its four bytes of descriptor, as aiortc cuts them."""
KEPT = 64
"""Packets kept for a wish to send them again: two seconds of pictures."""
KEY_WISH_EVERY_S = 0.5
_VIDEO = struct.Struct("!BBHIIBBH")
_AUDIO = struct.Struct("!BBHII")
_RTX = struct.Struct("!BBHIIH")
_REPORT = struct.Struct("!BBHIQIII")
_NTP_EPOCH_S = 2_208_988_800
_JITTER_TICKS = (0, 189, -117, 72, 261, -216, 99, -45, 153, -270)
"""How late or early a camera takes its pictures, at 90 kHz: one that never is would be no camera."""

Protect = Callable[[bytes], bytes]
Send = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How a stream's packets leave.

    Attributes:
        send_rtp: Protects and sends a packet.
        send_rtcp: The same for reports.
        ssrc: Of the stream.
        payload_type: Of its codec.
        rtx_ssrc: Of what is sent again.
        rtx_payload_type: None: nothing is sent again.
        cname: Of the candidate.
    """

    send_rtp: Send
    send_rtcp: Send
    ssrc: int
    payload_type: int
    rtx_ssrc: int
    rtx_payload_type: int | None
    cname: str


class Stream:
    """One modality on its way out.

    Args:
        kind: `video` or `audio`.
        spool: What is played.
        wire: Where it goes.
        position_s: Seconds into the film, now.
    """

    def __init__(
        self, kind: str, spool: Spool, wire: Wire, position_s: Callable[[], float]
    ) -> None:
        self._is_video = kind == "video"
        self._spool = spool
        self._wire = wire
        self._position_s = position_s
        self._next = self._number_at(position_s())
        self._rate = 90 if self._is_video else 48  # ticks of the RTP clock in a ms
        self._origin = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._rtx_sequence = random.getrandbits(15)
        self._sent: list[bytes] = [b""] * KEPT
        self._packets = 0
        self._octets = 0
        self._timestamp = 0
        self._report_every_s = 1.0 if self._is_video else 5.0  # as browsers do
        self._reported_s = 0.0
        self._key_sent_s = 0.0
        if self._is_video and self._next < spool.count:
            spool.skip_to_key(self._next)

    def _number_at(self, position_s: float) -> int:
        return -(-int(position_s * 1000) // self._spool.unit_ms)

    def due_s(self) -> float | None:
        """Seconds from now until the next unit; None when the film is over."""
        if self._next >= self._spool.count:
            return None
        return self._next * self._spool.unit_ms / 1000 - self._position_s()

    def step(self, now_s: float) -> None:
        """Send what is due."""
        behind_s = -(self.due_s() or 0.0)
        if behind_s > BEHIND_S:
            self._next = self._number_at(self._position_s())
            if self._next >= self._spool.count:
                return
            if self._is_video:
                self._spool.skip_to_key(self._next)
        number = self._next
        self._next = number + 1
        data = self._spool.unit(number)
        ticks = self._origin + number * self._spool.unit_ms * self._rate
        if self._is_video:
            self._send_picture(data, number, ticks + _JITTER_TICKS[number % len(_JITTER_TICKS)])
        else:
            self._send_sound(data, ticks)
        if now_s - self._reported_s >= self._report_every_s:
            self._reported_s = now_s
            self._report()

    def _send_picture(self, data: bytes, number: int, ticks: int) -> None:
        """VP8 (RFC 7741): the descriptor names the picture; the last packet carries the marker."""
        wire, last = self._wire, (len(data) - 1) // CHUNK
        self._timestamp = ticks & 0xFFFFFFFF
        for part in range(last + 1):
            kind = wire.payload_type | (0x80 if part == last else 0)
            begins = 0x90 if part == 0 else 0x80
            head = _VIDEO.pack(
                0x80,
                kind,
                self._sequence,
                self._timestamp,
                wire.ssrc,
                begins,
                0x80,
                0x8000 | number & 0x7FFF,
            )
            self._send(head + data[part * CHUNK : (part + 1) * CHUNK])

    def _send_sound(self, data: bytes, ticks: int) -> None:
        wire = self._wire
        self._timestamp = ticks & 0xFFFFFFFF
        head = _AUDIO.pack(0x80, wire.payload_type, self._sequence, self._timestamp, wire.ssrc)
        self._send(head + data)

    def _send(self, packet: bytes) -> None:
        self._sent[self._sequence % KEPT] = packet
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._packets += 1
        self._octets += len(packet) - 12
        self._wire.send_rtp(packet)

    def again(self, sequence: int) -> None:
        """Send a packet again (RFC 4588), when it is still there and the other side takes it."""
        packet, wire = self._sent[sequence % KEPT], self._wire
        if len(packet) < 12 or int.from_bytes(packet[2:4]) != sequence:
            return
        if wire.rtx_payload_type is None:
            wire.send_rtp(packet)
            return
        kind = wire.rtx_payload_type | (packet[1] & 0x80)
        number, self._rtx_sequence = self._rtx_sequence, (self._rtx_sequence + 1) & 0xFFFF
        timestamp = int.from_bytes(packet[4:8])
        head = _RTX.pack(0x80, kind, number, timestamp, wire.rtx_ssrc, sequence)
        wire.send_rtp(head + packet[12:])

    def wish_for_key(self) -> None:
        """The other side cannot decode: the next picture is one that it can."""
        position_s = self._position_s()
        if self._next < self._spool.count and position_s - self._key_sent_s >= KEY_WISH_EVERY_S:
            self._key_sent_s = position_s
            self._spool.skip_to_key(self._next)

    def _report(self) -> None:
        """A sender report with the name that binds sound and pictures (RFC 3550 6.4.1, 6.5)."""
        wire = self._wire
        ntp = int((time.time() + _NTP_EPOCH_S) * 2**32) & (2**64 - 1)
        report = _REPORT.pack(
            0x80, 200, 6, wire.ssrc, ntp, self._timestamp, self._packets, self._octets & 0xFFFFFFFF
        )
        name = wire.cname.encode()
        item = bytes((1, len(name))) + name + b"\x00"
        chunk = struct.pack("!I", wire.ssrc) + item + b"\x00" * (-len(item) % 4)
        wire.send_rtcp(report + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk)


class Pump:
    """Runs every stream of a process. `run` it as a task; streams come and go meanwhile."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Stream]] = []
        self._living: set[int] = set()
        self._count = 0
        self._numbers: dict[int, int] = {}
        self._wake = asyncio.Event()

    def add(self, stream: Stream) -> None:
        """Begin to send it."""
        due_s = stream.due_s()
        if due_s is None:
            return
        self._count += 1
        self._numbers[id(stream)] = self._count
        self._living.add(self._count)
        heapq.heappush(self._due, (time.monotonic() + due_s, self._count, stream))
        self._wake.set()

    def remove(self, stream: Stream) -> None:
        """Send no more of it."""
        self._living.discard(self._numbers.pop(id(stream), 0))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self._due:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(max(BEAT_S, self._due[0][0] - time.monotonic()))
            self._turn(time.monotonic())

    def _turn(self, now_s: float) -> None:
        while self._due and self._due[0][0] <= now_s:
            _, number, stream = self._due[0]
            due_s: float | None = None
            if number in self._living:
                stream.step(now_s)
                due_s = stream.due_s()
            if due_s is None:
                heapq.heappop(self._due)
                if number in self._living:
                    self.remove(stream)
            else:
                heapq.heapreplace(self._due, (now_s + due_s, number, stream))
