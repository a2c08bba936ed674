"""Candidates: the people who sit exams, under the integrator's own names for them."""

from collections.abc import Sequence

from proctor.domain.candidates import Candidate
from proctor.domain.ids import CandidateId, TenantId, new_id
from proctor.ports import CandidateStore, Clock, ExamStore


class Candidates:
    """Makes and finds candidates."""

    def __init__(self, store: CandidateStore, tenants: ExamStore, clock: Clock) -> None:
        self._store = store
        self._tenants = tenants
        self._clock = clock

    async def create(self, tenant_id: TenantId, external_ref: str) -> Candidate:
        """A new candidate. Raises `Conflict` when the tenant has this `external_ref` already."""
        await self._tenants.ensure_tenant(tenant_id, tenant_id)
        candidate = Candidate(
            candidate_id=CandidateId(new_id("can")),
            tenant_id=tenant_id,
            external_ref=external_ref,
            created_at=self._clock.now(),
        )
        await self._store.add_candidate(candidate)
        return candidate

    async def get(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        """Raises `NotFound`."""
        return await self._store.get_candidate(tenant_id, candidate_id)

    async def list(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        """By id, after a cursor."""
        return await self._store.list_candidates(tenant_id, after, limit)
