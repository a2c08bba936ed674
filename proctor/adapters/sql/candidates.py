"""`CandidateStore` in SQL: candidates, what they agreed to, and that they were enrolled."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.erasures import is_erased, refuse_erased
from proctor.adapters.sql.tables import candidates, consents, enrolments
from proctor.domain.candidates import Candidate, Consent, Enrolment, ModelRef
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import CandidateId, TenantId


class SqlCandidateStore:
    """Candidates, their consents and the record of their enrolments (never a template)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_candidate(self, candidate: Candidate) -> None:
        """Store; raises `Conflict` when the tenant already has this `external_ref`."""
        async with self._database.writing() as connection:
            await connection.execute(insert(candidates).values(asdict(candidate)))

    async def get_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> Candidate:
        """Raises `NotFound`, for another tenant's candidate too, and for one who is erased."""
        wanted = select(candidates).where(
            candidates.c.tenant_id == tenant_id,
            candidates.c.candidate_id == candidate_id,
            ~is_erased(candidates.c.tenant_id, candidates.c.candidate_id),
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no candidate {candidate_id}")
        return Candidate(**row._mapping)

    async def list_candidates(
        self, tenant_id: TenantId, after: CandidateId | None, limit: int
    ) -> Sequence[Candidate]:
        """By id, after a cursor, without those who are erased."""
        page = select(candidates).where(
            candidates.c.tenant_id == tenant_id,
            ~is_erased(candidates.c.tenant_id, candidates.c.candidate_id),
        )
        if after is not None:
            page = page.where(candidates.c.candidate_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(candidates.c.candidate_id).limit(limit))
            return [Candidate(**row._mapping) for row in rows]

    async def add_consent(self, consent: Consent) -> None:
        """Store a new consent record. Raises `NotFound` for an unknown candidate."""
        async with self._database.writing() as connection:
            await connection.execute(insert(consents).values(asdict(consent)))
            await refuse_erased(connection, consent.tenant_id, consent.candidate_id)

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

    async def add_enrolment(self, enrolment: Enrolment) -> None:
        """Record an enrolment; earlier ones are marked erased at its `created_at`.

        Raises `Conflict` when the candidate already has this version, `NotFound`.
        """
        whose = (enrolment.tenant_id, enrolment.candidate_id)
        new = insert(enrolments).values(
            tenant_id=enrolment.tenant_id,
            candidate_id=enrolment.candidate_id,
            version=enrolment.version,
            model=enrolment.model.model,
            model_version=enrolment.model.version,
            pictures=enrolment.pictures,
            created_at=enrolment.created_at,
            erased_at=enrolment.erased_at,
        )
        async with self._database.writing() as connection:
            newest = await _newest_enrolment(connection, *whose)
            if newest is not None and newest.version >= enrolment.version:
                raise Conflict("the candidate has this version already")
            await _erase_enrolments(connection, *whose, enrolment.created_at)
            await connection.execute(new)
            await refuse_erased(connection, *whose)

    async def newest_enrolment(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Enrolment | None:
        """The record of the highest version, erased or not; None when there never was one."""
        async with self._database.reading() as connection:
            return await _newest_enrolment(connection, tenant_id, candidate_id)

    async def erase_enrolments(
        self, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
    ) -> None:
        """Mark every enrolment of the candidate as erased; those marked already keep their time."""
        async with self._database.writing() as connection:
            await _erase_enrolments(connection, tenant_id, candidate_id, at)


async def _newest_enrolment(
    connection: AsyncConnection, tenant_id: TenantId, candidate_id: CandidateId
) -> Enrolment | None:
    newest = (
        select(enrolments)
        .where(enrolments.c.tenant_id == tenant_id, enrolments.c.candidate_id == candidate_id)
        .order_by(enrolments.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).one_or_none()
    if row is None:
        return None
    fields = dict(row._mapping)
    model = ModelRef(fields.pop("model"), fields.pop("model_version"))
    return Enrolment(model=model, **fields)


async def _erase_enrolments(
    connection: AsyncConnection, tenant_id: TenantId, candidate_id: CandidateId, at: datetime
) -> None:
    serving = (
        enrolments.c.tenant_id == tenant_id,
        enrolments.c.candidate_id == candidate_id,
        enrolments.c.erased_at.is_(None),
    )
    await connection.execute(update(enrolments).where(*serving).values(erased_at=at))
