"""Puts sound packets back into order and says what is missing. Sound is never dropped newest-wins.

Pure: time is an argument, packets go in, packets in order with the gap before each come out.
"""

from dataclasses import dataclass

from proctor.adapters.webrtc.payloads import OPUS_RATE_HZ
from proctor.adapters.webrtc.sequence import ticks_between

PATIENCE_MS = 400
"""How long a packet that was overtaken is waited for: 300 ms of jitter (TRUST F13) and a packet of 60 ms,
with margin. Told as lost, it would be a gap in what was heard although it came; what waits behind it
loses nothing, for the voice detector is asked about half a second at a time anyway."""

MAX_HELD = 64
"""Most packets held back; more means that the numbers jumped."""

MAX_LATE_RUN = 50
"""So many late packets in a row mean that the sender began anew with other numbers."""

MAX_PAUSE_MS = 1_000
"""A sender with DTX sends nothing while it is quiet, at most 400 ms at a time (RFC 7587 3.1.3):
such a pause is silence that the sender states. Anything longer is told as a gap."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One coded packet.

    Attributes:
        seq: Extended sequence number.
        timestamp: RTP timestamp, 48 kHz.
        ticks: Its length at 48 kHz.
        payload: Opus.
    """

    seq: int
    timestamp: int
    ticks: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class InOrder:
    """A packet whose turn has come.

    Attributes:
        sound: The packet.
        gap_ms: Sound lost just before it.
        pause_ms: Silence that the sender stated just before it, by not sending (DTX).
    """

    sound: Sound
    gap_ms: int = 0
    pause_ms: int = 0


class SoundBuffer:
    """One stream's packets on their way into order."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Sound, int]] = {}
        self._last: Sound | None = None
        self._late_run = 0
        self.late = 0

    def add(self, sound: Sound, now_ms: int) -> list[InOrder]:
        """Take a packet; those whose turn has come."""
        if self._last is None:
            self._last = sound
            return [InOrder(sound)]
        if sound.seq <= self._last.seq or sound.seq in self._held:
            self.late += 1
            self._late_run += 1
            if self._late_run <= MAX_LATE_RUN:
                return []
            self._held.clear()
            self._late_run = 0
            self._last = sound
            return [InOrder(sound)]
        self._late_run = 0
        self._held[sound.seq] = (sound, now_ms)
        ready = self._in_turn()
        if len(self._held) > MAX_HELD:
            ready += self._skip_hole()
        return ready

    def tick(self, now_ms: int) -> list[InOrder]:
        """Give up holes that were waited for long enough; what this set free."""
        ready: list[InOrder] = []
        while (due := self.due_ms()) is not None and due <= now_ms:
            ready += self._skip_hole()
        return ready

    def due_ms(self) -> int | None:
        """When `tick` has something to do; None: not before `add`."""
        return (
            min((came for _, came in self._held.values()), default=-1) + PATIENCE_MS
            if (self._held)
            else None
        )

    def _in_turn(self) -> list[InOrder]:
        ready: list[InOrder] = []
        while self._last is not None and (held := self._held.pop(self._last.seq + 1, None)):
            sound = held[0]
            missing_ms = self._missing_ms(sound)
            is_pause = missing_ms <= MAX_PAUSE_MS
            ready.append(
                InOrder(sound, pause_ms=missing_ms)
                if is_pause
                else InOrder(sound, gap_ms=missing_ms)
            )
            self._last = sound
        return ready

    def _skip_hole(self) -> list[InOrder]:
        sound = self._held.pop(min(self._held))[0]
        last = self._last
        gap_ms = self._missing_ms(sound)
        if gap_ms == 0 and last is not None:  # the clock says nothing is missing, the numbers do
            gap_ms = (sound.seq - last.seq - 1) * last.ticks * 1000 // OPUS_RATE_HZ
        self._last = sound
        return [InOrder(sound, gap_ms=gap_ms), *self._in_turn()]

    def _missing_ms(self, sound: Sound) -> int:
        if self._last is None:
            return 0
        ticks = ticks_between(self._last.timestamp, sound.timestamp) - self._last.ticks
        return max(ticks, 0) * 1000 // OPUS_RATE_HZ
