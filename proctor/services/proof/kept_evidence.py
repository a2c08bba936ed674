"""`StoredEvidence` over the rows and the store of evidence."""

from collections.abc import Sequence
from typing import Protocol

from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.sessions import Session


class Rows(Protocol):
    """The rows of evidence, as far as proof and erasure need them."""

    async def of_candidate(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[EvidenceRef]:
        """Every piece of a candidate; one that does not lie in the store has no `stored_at`."""
        ...

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Delete the rows; pieces that still wait somewhere end there."""
        ...


class Objects(Protocol):
    """Where sealed evidence lies. Raises `StateStoreUnavailable` when away."""

    async def get(self, object_key: str) -> bytes:
        """What was stored. Raises `NotFound`."""
        ...

    async def erase(self, object_keys: Sequence[str]) -> None:
        """Delete these; twice is once."""
        ...


class KeptEvidence:
    """Evidence as proof, export and erasure see it."""

    def __init__(self, rows: Rows, objects: Objects) -> None:
        self._rows = rows
        self._objects = objects

    async def of_session(self, session: Session) -> Sequence[EvidenceRef]:
        """The rows of a session's evidence that lies in the store."""
        found = await self._rows.of_candidate(session.tenant_id, session.candidate_id)
        return [
            ref
            for ref in found
            if ref.session_id == session.session_id and ref.stored_at is not None
        ]

    async def sealed(self, ref: EvidenceRef) -> bytes:
        """The bytes as they lie in the store. Raises `NotFound` when they are gone."""
        return await self._objects.get(ref.object_key)

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Delete objects, then rows: what breaks off is found again by its row; how many pieces."""
        found = await self._rows.of_candidate(tenant_id, candidate_id)
        names = [ref.object_key for ref in found]
        if not names:
            return 0
        await self._objects.erase(names)
        await self._rows.erase_candidate(tenant_id, candidate_id)
        await self._objects.erase(names)  # one that was put between the two
        return len(names)
