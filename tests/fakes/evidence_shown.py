"""`StoredEvidence` in memory."""

from collections.abc import Sequence

from proctor.domain.errors import NotFound, StateStoreUnavailable
from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.sessions import Session
from tests.fakes.outage import Outage


class FakeStoredEvidence(Outage):
    """Rows and sealed bytes of evidence; the store may be away by itself (`sealed_down`)."""

    def __init__(self) -> None:
        super().__init__()
        self.sealed_down = False
        self.asked = 0
        self.rows: dict[str, EvidenceRef] = {}
        self.objects: dict[str, bytes] = {}

    def put(self, ref: EvidenceRef, sealed: bytes) -> None:
        self.rows[ref.evidence_id] = ref
        self.objects[ref.object_key] = sealed

    async def of_session(self, session: Session) -> Sequence[EvidenceRef]:
        self._reach()
        whose = (session.tenant_id, session.session_id)
        return [one for one in self.rows.values() if (one.tenant_id, one.session_id) == whose]

    async def sealed(self, ref: EvidenceRef) -> bytes:
        self._reach()
        self.asked += 1
        if self.sealed_down:
            raise StateStoreUnavailable("evidence objects are away")
        if ref.object_key not in self.objects:
            raise NotFound(f"no evidence {ref.evidence_id}")
        return self.objects[ref.object_key]

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        self._reach()
        gone = [
            one
            for one in self.rows.values()
            if (one.tenant_id, one.candidate_id) == (tenant_id, candidate_id)
        ]
        for one in gone:
            del self.rows[one.evidence_id]
            self.objects.pop(one.object_key, None)
        return len(gone)
