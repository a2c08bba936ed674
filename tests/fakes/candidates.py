"""Candidates, consents and enrolment records in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.candidates import Candidate, Consent, Enrolment
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId, TenantId
from tests.fakes.database import FakeRelational, page


class FakeCandidateStore(FakeRelational):
    """`CandidateStore` in memory."""

    async def add_candidate(self, candidate: Candidate) -> None:
        self._reach()
        if candidate.tenant_id not in self.database.tenants:
            raise NotFound(f"no tenant {candidate.tenant_id}")
        for known in self.database.candidates.values():
            same_name = known.tenant_id == candidate.tenant_id and (
                known.external_ref == candidate.external_ref
            )
            if same_name or known.candidate_id == candidate.candidate_id:
                raise Conflict("the tenant has this candidate already")
        self.database.candidates[candidate.candidate_id] = candidate

    async def get_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        self._reach()
        candidate = self.database.candidates.get(candidate_id)
        is_erased = (tenant_id, candidate_id) in self.database.erasures
        if candidate is None or candidate.tenant_id != tenant_id or is_erased:
            raise NotFound(f"no candidate {candidate_id}")
        return candidate

    async def list_candidates(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        self._reach()
        found = self.database.candidates.values()
        theirs = [
            (c.candidate_id, c)
            for c in found
            if c.tenant_id == tenant_id
            and (tenant_id, c.candidate_id) not in self.database.erasures
        ]
        return page(theirs, after, limit)

    async def add_consent(self, consent: Consent) -> None:
        await self.get_candidate(consent.tenant_id, consent.candidate_id)
        if any(known.consent_id == consent.consent_id for known in self.database.consents):
            raise Conflict(f"consent {consent.consent_id} exists")
        self.database.consents.append(consent)

    async def withdraw_consent(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        self._reach()
        for index, consent in enumerate(self.database.consents):
            whose = (consent.tenant_id, consent.candidate_id)
            if whose == (tenant_id, candidate_id) and consent.withdrawn_at is None:
                self.database.consents[index] = replace(consent, withdrawn_at=at)

    async def live_consent(self, tenant_id: TenantId, candidate_id: CandidateId) -> Consent | None:
        self._reach()
        live = [
            consent
            for consent in self.database.consents
            if (consent.tenant_id, consent.candidate_id) == (tenant_id, candidate_id)
            and consent.withdrawn_at is None
        ]
        return max(live, key=lambda consent: consent.given_at, default=None)

    async def add_enrolment(self, enrolment: Enrolment) -> None:
        tenant_id, candidate_id = enrolment.tenant_id, enrolment.candidate_id
        await self.get_candidate(tenant_id, candidate_id)
        newest = await self.newest_enrolment(tenant_id, candidate_id)
        if newest is not None and newest.version >= enrolment.version:
            raise Conflict("the candidate has this version already")
        await self.erase_enrolments(tenant_id, candidate_id, enrolment.created_at)
        self.database.enrolments.append(enrolment)

    async def newest_enrolment(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Enrolment | None:
        self._reach()
        found = [
            enrolment
            for enrolment in self.database.enrolments
            if (enrolment.tenant_id, enrolment.candidate_id) == (tenant_id, candidate_id)
        ]
        return max(found, key=lambda enrolment: enrolment.version, default=None)

    async def erase_enrolments(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        self._reach()
        for index, enrolment in enumerate(self.database.enrolments):
            whose = (enrolment.tenant_id, enrolment.candidate_id)
            if whose == (tenant_id, candidate_id) and enrolment.erased_at is None:
                self.database.enrolments[index] = replace(enrolment, erased_at=at)
