"""A keeper of evidence that takes nothing: what is measured here is the host, not the store."""

from collections.abc import Sequence

from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.evidence import EvidenceOrder, Piece


class Unkept:
    """An `EvidenceKeeper` without a store: it takes nothing, so every order is told as lost."""

    async def run(self) -> None:
        """Nothing is to be done."""

    async def keep(self, order: EvidenceOrder, pieces: Sequence[Piece]) -> None:
        """Refuse; raises `StateStoreUnavailable`, which a host tells as a loss."""
        raise StateStoreUnavailable(f"no store of evidence is wired ({len(pieces)} pieces)")
