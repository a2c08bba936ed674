"""What waits in a keeper's spool, and what gives way when there is no room. No I/O, no clock."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proctor.domain.evidence import SpooledPiece, worth


@dataclass(slots=True)
class Waiting:
    """A piece in the spool.

    Attributes:
        piece: Which.
        tries: How often its upload failed.
        next_ms: When it may be tried again, by the monotonic clock.
        is_busy: Whether it is being uploaded.
        is_uploaded: Whether the store has it and only its row does not say so.
    """

    piece: SpooledPiece
    tries: int = 0
    next_ms: int = 0
    is_busy: bool = False
    is_uploaded: bool = False


class Shelf:
    """The waiting pieces of one process.

    Args:
        most_bytes: How many sealed bytes may wait.

    Attributes:
        bytes: How many do.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: dict[str, Waiting] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting.values()))

    def __contains__(self, evidence_id: object) -> bool:
        return evidence_id in self._waiting

    def add(self, piece: SpooledPiece) -> None:
        """It lies in the spool."""
        self.remove(piece)
        self._waiting[piece.ref.evidence_id] = Waiting(piece)
        self.bytes += piece.sealed_size

    def remove(self, piece: SpooledPiece) -> None:
        """It does not any more; twice is once."""
        gone = self._waiting.pop(piece.ref.evidence_id, None)
        if gone is not None:
            self.bytes -= gone.piece.sealed_size

    def known(self, piece: SpooledPiece) -> None:
        """The database has its row."""
        waiting = self._waiting.get(piece.ref.evidence_id)
        if waiting is not None:
            waiting.piece = replace(waiting.piece, is_known=True)

    def unknown(self, limit: int) -> list[SpooledPiece]:
        """The oldest of those that the database has no row of."""
        found = (each.piece for each in self if not each.piece.is_known)
        return heapq.nsmallest(limit, found, key=lambda piece: piece.spooled_at)

    def due(self, now_ms: int, limit: int) -> list[Waiting]:
        """What to upload next: the most urgent first, of two alike the older."""
        found = (
            each
            for each in self
            if each.piece.is_known and not each.is_busy and each.next_ms <= now_ms
        )
        return heapq.nsmallest(limit, found, key=_urgency)

    def makes_way(self, new: SpooledPiece, wanted_bytes: int) -> Sequence[SpooledPiece] | None:
        """What must go, the least first, so that `wanted_bytes` become free for a new piece.

        Nothing goes for a piece that is worth less, or for one that would not fit even then: None.
        """
        gone: list[SpooledPiece] = []
        freed = 0
        for each in sorted((one.piece for one in self if not one.is_busy), key=worth):
            if freed >= wanted_bytes or worth(each) > worth(new):
                break
            gone.append(each)
            freed += each.sealed_size
        return gone if freed >= wanted_bytes else None

    def lacking(self, new_bytes: int) -> int:
        """How many bytes must go before so many more fit."""
        return max(0, self.bytes + new_bytes - self._most_bytes)

    def surplus(self) -> list[SpooledPiece]:
        """What must go because more waits than may: the least first."""
        gone: list[SpooledPiece] = []
        freed = 0
        for each in sorted((one.piece for one in self if not one.is_busy), key=worth):
            if self.bytes - freed <= self._most_bytes:
                break
            gone.append(each)
            freed += each.sealed_size
        return gone


def _urgency(waiting: Waiting) -> tuple[Any, ...]:
    severity, kind, spooled_at = worth(waiting.piece)
    return -severity, -kind, spooled_at
