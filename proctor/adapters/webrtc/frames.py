"""Puts video packets back into frames: in order, complete, or not at all.

aiortc 1.16 releases a frame when the next one begins (201 ms at 5 fps) and stood still for 30 s
after one lost packet. Here a frame is complete at its marker bit; a hole is asked for again and
again, waited for with a stated patience, then given up with a request for a key frame.
Pure: time is an argument, packets go in, frames and wishes come out.
"""

from dataclasses import dataclass

PATIENCE_MS = 1_500
"""How long a hole is waited for. A lost packet is noticed with the next frame (200 ms at 5 fps) and
its retransmission takes a round trip; wish and retransmission may be lost as well. At 40 % loss and a
round trip of 300 ms, 1 s lost 26 of 100 frames and 1.5 s lost 5 (test_frames.py has the sender); with
a key frame's round trip and a frame's time after it, it is still shorter than what counts as blind."""

NACK_EVERY_MS = 100
"""How often the same packet is asked for; libwebrtc's default round trip."""

KEY_EVERY_MS = 500
"""Least distance of two key frame requests: a round trip and a frame time at 5 fps, with margin."""

MAX_HOLES = 128
"""More missing packets than a sender keeps (aiortc's history is 128) are given up at once."""

MAX_PIECES = 1_024
"""Most packets kept: 1.5 MB. A frame that needs more is not ours."""

MAX_LATE_RUN = 100
"""So many late packets in a row mean that the sender began anew with other numbers."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One packet of a frame.

    Attributes:
        seq: Extended sequence number.
        timestamp: RTP timestamp, shared by all packets of a frame.
        ends_frame: RTP marker bit.
        starts_key: Whether a key frame begins with this packet.
        data: The codec's bytes; empty for padding, which only fills a number.
    """

    seq: int
    timestamp: int
    ends_frame: bool
    starts_key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A complete coded frame; every frame that it depends on was delivered before it."""

    timestamp: int
    is_key: bool
    data: bytes


@dataclass(slots=True)
class _Hole:
    noticed_ms: int
    ask_again_ms: int


class FrameBuffer:
    """One stream's packets on their way to becoming frames."""

    def __init__(self) -> None:
        self._pieces: dict[int, Piece] = {}
        self._holes: dict[int, _Hole] = {}
        self._next: int | None = None  # first packet of the next frame; None while a key is awaited
        self._newest: int | None = None
        self._newest_timestamp = -1
        self._late_run = 0
        self._is_fresh = True
        self._key_wanted = False
        self._key_asked_ms: int | None = None
        self.given_up = 0
        self.late = 0

    @property
    def awaits_key(self) -> bool:
        """Whether nothing can be shown before a key frame comes."""
        return self._next is None

    def add(self, piece: Piece, now_ms: int) -> list[Frame]:
        """Take a packet; the frames that it completed, in order."""
        if self._is_late(piece):
            return []
        self._holes.pop(piece.seq, None)
        self._pieces[piece.seq] = piece
        self._note_holes(piece.seq, now_ms)
        may_complete = (
            piece.ends_frame
            or piece.seq != self._newest
            or piece.timestamp != self._newest_timestamp
        )
        if piece.seq == self._newest:
            self._newest_timestamp = piece.timestamp
        if self._next is None:
            self._try_to_start(piece, now_ms)
        if len(self._holes) > MAX_HOLES or len(self._pieces) > MAX_PIECES:
            self._give_up(now_ms)
        return self._complete() if may_complete else []

    def tick(self, now_ms: int) -> list[Frame]:
        """Give up holes that were waited for long enough; the frames that this set free."""
        oldest = min((hole.noticed_ms for hole in self._holes.values()), default=now_ms)
        if now_ms - oldest < PATIENCE_MS:
            return []
        self._give_up(now_ms)
        return self._complete()

    def packets_to_ask(self, now_ms: int) -> list[int]:
        """16-bit numbers of the packets to ask for now (NACK); asking is noted."""
        due = [seq for seq, hole in self._holes.items() if hole.ask_again_ms <= now_ms]
        for seq in due:
            self._holes[seq].ask_again_ms = now_ms + NACK_EVERY_MS
        return sorted(seq & 0xFFFF for seq in due)  # aiortc packs rising numbers only

    def key_to_ask(self, now_ms: int) -> bool:
        """Whether to ask for a key frame now (PLI); asking is noted."""
        if not self._key_wanted:
            return False
        if self._key_asked_ms is not None and now_ms - self._key_asked_ms < KEY_EVERY_MS:
            return False
        self._key_asked_ms = now_ms
        return True

    def due_ms(self) -> int | None:
        """When `tick`, `packets_to_ask` or `key_to_ask` has something to do; None: not before `add`."""
        moments = [
            min(hole.ask_again_ms, hole.noticed_ms + PATIENCE_MS) for hole in self._holes.values()
        ]
        if self._key_wanted and self._key_asked_ms is not None:
            moments.append(self._key_asked_ms + KEY_EVERY_MS)
        return min(moments, default=None)

    def await_key(self, *, ask: bool) -> None:
        """What comes next cannot be decoded until a key frame; `ask` for one, or wait for it."""
        self._next = None
        self._key_wanted = ask
        self._pieces.clear()
        self._holes.clear()

    def _is_late(self, piece: Piece) -> bool:
        if self._newest is None:
            return False
        far = abs(piece.seq - self._newest) > MAX_PIECES
        behind = self._next is not None and piece.seq < self._next
        known = piece.seq in self._pieces
        if not (known or behind or (far and piece.seq < self._newest)):
            self._late_run = 0
            if far:
                self._restart()
            return False
        self.late += 1
        self._late_run += 1
        if self._late_run > MAX_LATE_RUN and not known:
            self._restart()
            return False
        return True

    def _restart(self) -> None:
        self.await_key(ask=True)
        self._newest = None
        self._late_run = 0
        self._is_fresh = False

    def _note_holes(self, seq: int, now_ms: int) -> None:
        if self._newest is None:
            self._newest = seq
            return
        if seq <= self._newest:
            return
        if self._next is not None:
            for missing in range(self._newest + 1, seq):
                self._holes[missing] = _Hole(now_ms, now_ms)
        self._newest = seq

    def _try_to_start(self, piece: Piece, now_ms: int) -> None:
        """A key frame may begin here; without one, packets wait in case its first comes late."""
        if piece.starts_key:
            self._start_at(piece.seq, now_ms)
            return
        if self._is_fresh:
            self._key_wanted = True  # the stream was joined in its middle
            self._is_fresh = False
        while len(self._pieces) > MAX_HOLES:
            del self._pieces[min(self._pieces)]

    def _start_at(self, seq: int, now_ms: int) -> None:
        self._next = seq
        self._is_fresh = False
        self._key_wanted = False
        self._pieces = {at: piece for at, piece in self._pieces.items() if at >= seq}
        newest = self._newest if self._newest is not None else seq
        self._holes = {
            missing: self._holes.get(missing) or _Hole(now_ms, now_ms)
            for missing in range(seq, newest)
            if missing not in self._pieces
        }

    def _give_up(self, now_ms: int) -> None:
        """Let go of what has a hole; go on at a key frame already here, else ask for one."""
        self.given_up += 1
        hole = min(self._holes, default=self._newest or 0)
        later_key = min(
            (at for at, piece in self._pieces.items() if piece.starts_key and at > hole),
            default=None,
        )
        if later_key is None or len(self._pieces) > MAX_PIECES:
            self.await_key(ask=True)
        else:
            self._start_at(later_key, now_ms)

    def _complete(self) -> list[Frame]:
        frames: list[Frame] = []
        while (frame := self._take()) is not None:
            frames.append(frame)
        return frames

    def _take(self) -> Frame | None:
        """The next frame when all of it is here."""
        if self._next is None:
            return None
        parts: list[Piece] = []
        seq = self._next
        while (piece := self._pieces.get(seq)) is not None:
            if parts and piece.data and piece.timestamp != parts[0].timestamp:
                break  # the marker was never set: the next frame begins here
            seq += 1
            if piece.data:
                parts.append(piece)
            elif not parts:
                del self._pieces[seq - 1]
                self._next = seq
            if parts and piece.ends_frame:
                break
        else:
            return None
        for at in range(self._next, seq):
            del self._pieces[at]
        self._next = seq
        return Frame(parts[0].timestamp, parts[0].starts_key, b"".join(part.data for part in parts))
