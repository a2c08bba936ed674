"""Evidence on its way: a session host hands it over, the rest happens off the alert path."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.evidence import (
    EvidenceOrder,
    EvidenceRef,
    IncidentEvidence,
    KeptPiece,
    KeptSession,
    Loss,
    Piece,
    SpooledPiece,
    Taken,
)
from proctor.domain.ids import CandidateId, IncidentId, TenantId
from proctor.domain.incidents import EvidenceStatus


class EvidenceKeeper(Protocol):
    """Takes evidence from a session host, sealed on disk before it answers; stores it in its own time."""

    async def keep(self, order: EvidenceOrder, pieces: Sequence[Piece]) -> None:
        """Take what could be had for an order, or nothing: then the incident is told of its loss.

        Never raises for a store that is away or a disk that is full: `evidence.status` tells those.
        """
        ...


class EvidenceObjects(Protocol):
    """Where sealed evidence lies for good. Raises `StateStoreUnavailable` when away."""

    async def put(self, object_key: str, sealed: bytes) -> None:
        """Store; the same key again replaces it."""
        ...

    async def get(self, object_key: str) -> bytes:
        """What was stored. Raises `NotFound`."""
        ...

    async def erase(self, object_keys: Sequence[str]) -> None:
        """Delete these; twice is once."""
        ...

    async def erase_session(self, session: KeptSession) -> None:
        """Delete everything of a session, also what no row names; twice is once."""
        ...


class EvidenceSpool(Protocol):
    """Sealed pieces on the local disk, until the store has them. One folder belongs to one process."""

    async def write(self, piece: SpooledPiece, sealed: bytes) -> None:
        """On the disk, synced, whole or not at all. Raises `NoRoom`, or `OSError` for other faults."""
        ...

    async def known(self, piece: SpooledPiece) -> None:
        """Remember that the database has its row."""
        ...

    async def read(self, piece: SpooledPiece) -> bytes:
        """The sealed bytes. Raises `InvalidInput` when they are not what was written."""
        ...

    async def drop(self, piece: SpooledPiece) -> None:
        """Delete; twice is once."""
        ...

    async def adopt(self) -> Sequence[SpooledPiece]:
        """Take over what dead processes of this machine left; what came that way, oldest first."""
        ...


class EvidenceLedger(Protocol):
    """The rows of evidence. Where an incident stands follows from its pieces, in the same transaction.

    A shard's commit of an incident with pending evidence makes the incident's row (`IncidentStore`).
    """

    async def take(self, refs: Sequence[EvidenceRef], at: datetime) -> Taken:
        """Rows of pieces that wait from now on; which of them do not."""
        ...

    async def stored(self, ref: EvidenceRef, at: datetime) -> bool:
        """It lies in the store. False when its row is gone: then it must not lie there."""
        ...

    async def lost(self, ref: EvidenceRef, loss: Loss, at: datetime) -> None:
        """It will not come, with an audit row; one that is stored stays stored.

        Of an erased candidate no row is made, here or in `nothing`: an incident that waits is lost.
        """
        ...

    async def nothing(self, order: EvidenceOrder, loss: Loss, at: datetime) -> None:
        """Nothing of an order will come, with an audit row. Pieces that came of another order count."""
        ...

    async def incident(
        self, tenant_id: TenantId, incident_id: IncidentId
    ) -> tuple[IncidentEvidence | None, Sequence[KeptPiece]]:
        """Where it stands (None: nothing was ordered), and its pieces by the moment they show."""
        ...

    async def find(self, tenant_id: TenantId, evidence_id: str) -> KeptPiece:
        """One piece. Raises `NotFound`, for another tenant's too."""
        ...

    async def untold(self, after: IncidentId | None, limit: int) -> Sequence[IncidentEvidence]:
        """Of every tenant, by incident: those whose state was not told yet."""
        ...

    async def told(
        self, tenant_id: TenantId, incident_id: IncidentId, status: EvidenceStatus
    ) -> None:
        """This state was told; twice is once."""
        ...

    async def give_up(self, at: datetime, ordered_before: datetime, taken_before: datetime) -> int:
        """What is overdue is lost, with an audit row; how many incidents and pieces.

        Args:
            at: Now; an order that is seen for the first time counts from here.
            ordered_before: Of orders first seen earlier, those without a piece: NEVER_DELIVERED.
            taken_before: Pieces that wait since earlier: SPOOL_GONE.
        """
        ...


class EvidenceEnds(Protocol):
    """When rows of evidence die: at the end of their exam's retention, or with their candidate's data."""

    async def due(self, at: datetime, limit: int) -> Sequence[KeptSession]:
        """Of every tenant: ended sessions of which rows outlived their exam's retention."""
        ...

    async def erase_session(self, session: KeptSession, at: datetime) -> None:
        """Delete the rows of a session, with an audit row."""
        ...

    async def of_candidate(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[EvidenceRef]:
        """Every piece of a candidate: what an erasure deletes."""
        ...

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Delete the rows of a candidate's pieces; pieces that still wait somewhere end there."""
        ...

    async def retention(self, tenant_id: TenantId) -> Mapping[int, int]:
        """Days of retention -> how many of the tenant's exams say so."""
        ...


class AuditLog(Protocol):
    """Rows that say who saw or did what; the stores add those of their own writes themselves."""

    async def note(
        self,
        tenant_id: TenantId,
        *,
        at: datetime,
        actor: str,
        action: str,
        subject: str,
        reason: str | None = None,
    ) -> None:
        """Add a row; when this returns, it is on the disk."""
        ...
