"""A keeper that remembers what it was given, and a maker of clips that are told apart by their pictures."""

import asyncio
from collections.abc import Sequence

from proctor.domain.errors import InvalidInput
from proctor.domain.evidence import EvidenceOrder, Piece, PieceKind
from proctor.domain.ids import IncidentId
from proctor.domain.media import Strip
from tests.fakes.outage import Outage


class FakeEvidenceKeeper(Outage):
    """`EvidenceKeeper` in memory. `down` raises, answers wait while `runs` is cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[EvidenceOrder, tuple[Piece, ...]]] = []
        self.runs = asyncio.Event()
        self.runs.set()

    async def run(self) -> None:
        """Everything is stored when it is kept."""

    async def keep(self, order: EvidenceOrder, pieces: Sequence[Piece]) -> None:
        await self.runs.wait()
        self._reach()
        self.kept.append((order, tuple(pieces)))

    def pieces(self, kind: PieceKind, incident_id: IncidentId | None = None) -> list[Piece]:
        """Everything of a kind that was kept, in order."""
        return [
            piece
            for order, pieces in self.kept
            for piece in pieces
            if piece.kind is kind and incident_id in (None, order.incident_id)
        ]


class FakeClips:
    """`ClipWriter` that joins what it is given: `<ms>:<picture>|...|<ms>~<sound>|`."""

    def write(self, strip: Strip) -> tuple[str, bytes]:
        if not strip.pictures or not strip.pictures[0][1].is_key:
            raise InvalidInput("a clip begins with a key picture", "evidence/clip")
        shown = [b"%d:%b" % (at_ms, picture.data) for at_ms, picture in strip.pictures]
        heard = [b"%d~%b" % (at_ms, sound.data) for at_ms, sound in strip.sounds]
        return "video/webm", b"|".join(shown + heard)
