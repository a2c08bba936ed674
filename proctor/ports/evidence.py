"""Evidence on its way: a session host hands it over, the rest happens off the alert path."""

from collections.abc import Sequence
from typing import Protocol

from proctor.domain.evidence import EvidenceOrder, Piece


class EvidenceKeeper(Protocol):
    """Takes evidence from a session host, sealed on disk before it answers; stores it in its own time."""

    async def keep(self, order: EvidenceOrder, pieces: Sequence[Piece]) -> None:
        """Take what could be had for an order, or nothing: then the incident is told of its loss.

        Never raises for a store that is away or a disk that is full: `evidence.status` tells those.
        """
        ...
