"""`CandidateStore` in SQL: candidates and what they agreed to."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import insert, select, update

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import candidates, consents
from proctor.domain.candidates import Candidate, Consent
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, TenantId


class SqlCandidateStore:
    """Candidates and their consents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_candidate(self, candidate: Candidate) -> None:
        """Store; raises `Conflict` when the tenant already has this `external_ref`."""
        async with self._database.writing() as connection:
            await connection.execute(insert(candidates).values(asdict(candidate)))

    async def get_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        """Raises `NotFound`, for another tenant's candidate too."""
        wanted = select(candidates).where(
            candidates.c.tenant_id == tenant_id, candidates.c.candidate_id == candidate_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no candidate {candidate_id}")
        return Candidate(**row._mapping)

    async def list_candidates(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        """By id, after a cursor."""
        page = select(candidates).where(candidates.c.tenant_id == tenant_id)
        if after is not None:
            page = page.where(candidates.c.candidate_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(candidates.c.candidate_id).limit(limit))
            return [Candidate(**row._mapping) for row in rows]

    async def add_consent(self, consent: Consent) -> None:
        """Store a new consent record. Raises `NotFound` for an unknown candidate."""
        async with self._database.writing() as connection:
            await connection.execute(insert(consents).values(asdict(consent)))

    async def withdraw_consent(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every live consent of the candidate as withdrawn."""
        live = (
            consents.c.tenant_id == tenant_id,
            consents.c.candidate_id == candidate_id,
            consents.c.withdrawn_at.is_(None),
        )
        async with self._database.writing() as connection:
            await connection.execute(update(consents).where(*live).values(withdrawn_at=at))

    async def live_consent(self, tenant_id: TenantId, candidate_id: CandidateId) -> Consent | None:
        """The newest consent that has not been withdrawn."""
        newest = (
            select(consents)
            .where(
                consents.c.tenant_id == tenant_id,
                consents.c.candidate_id == candidate_id,
                consents.c.withdrawn_at.is_(None),
            )
            .order_by(consents.c.given_at.desc(), consents.c.consent_id.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(newest)).one_or_none()
        return None if row is None else Consent(**row._mapping)
