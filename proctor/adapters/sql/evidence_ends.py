"""`EvidenceEnds` in SQL: when rows of evidence die."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.evidence import REF_COLUMNS, read_ref
from proctor.adapters.sql.evidence_tables import evidence, incident_evidence
from proctor.adapters.sql.tables import exams, incidents, sessions
from proctor.domain.evidence import EvidenceRef, KeptSession
from proctor.domain.ids import CandidateId, TenantId

RETENTION = "retention"
"""Who is named in the audit rows of what was deleted in time."""


class SqlEvidenceEnds:
    """Finds and deletes rows of evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, at: datetime, limit: int) -> Sequence[KeptSession]:
        """Of every tenant: ended sessions of which rows outlived their exam's retention."""
        kept = select(incident_evidence.c.session_id).where(
            incident_evidence.c.tenant_id == sessions.c.tenant_id,
            incident_evidence.c.session_id == sessions.c.session_id,
        )
        async with self._database.reading() as connection:
            days = list(await connection.scalars(select(exams.c.retention_days).distinct()))
            over = [
                (exams.c.retention_days == each)
                & (sessions.c.ended_at <= at - timedelta(days=each))
                for each in days
            ]
            if not over:
                return []
            joined = sessions.join(
                exams,
                (exams.c.tenant_id == sessions.c.tenant_id)
                & (exams.c.exam_id == sessions.c.exam_id),
            )
            wanted = (
                select(sessions.c.tenant_id, sessions.c.exam_id, sessions.c.session_id)
                .select_from(joined)
                .where(or_(*over), kept.exists())
                .order_by(sessions.c.session_id)
                .limit(limit)
            )
            rows = await connection.execute(wanted)
            return [KeptSession(**row._mapping) for row in rows]

    async def erase_session(self, session: KeptSession, at: datetime) -> None:
        """Delete the rows of a session, with an audit row."""
        async with self._database.writing() as connection:
            for table in (evidence, incident_evidence):
                await connection.execute(
                    delete(table).where(
                        table.c.tenant_id == session.tenant_id,
                        table.c.session_id == session.session_id,
                    )
                )
            await write_audit(
                connection,
                session.tenant_id,
                at=at,
                actor=RETENTION,
                action="evidence.erased",
                subject=session.session_id,
                reason="the exam's retention is over",
            )

    async def of_candidate(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[EvidenceRef]:
        """Every piece of a candidate: what an erasure deletes."""
        wanted = select(*REF_COLUMNS).where(
            evidence.c.tenant_id == tenant_id, evidence.c.candidate_id == candidate_id
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(evidence.c.evidence_id))
            return [read_ref(row) for row in rows]

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Delete the rows of a candidate's pieces; pieces that still wait somewhere end there."""
        theirs = [
            select(table.c.incident_id).where(
                table.c.tenant_id == tenant_id, table.c.candidate_id == candidate_id
            )
            for table in (evidence, incidents)
        ]
        async with self._database.writing() as connection:
            await connection.execute(
                delete(incident_evidence).where(
                    incident_evidence.c.tenant_id == tenant_id,
                    or_(*(incident_evidence.c.incident_id.in_(each) for each in theirs)),
                )
            )
            await connection.execute(
                delete(evidence).where(
                    evidence.c.tenant_id == tenant_id, evidence.c.candidate_id == candidate_id
                )
            )

    async def retention(self, tenant_id: TenantId) -> Mapping[int, int]:
        """Days of retention -> how many of the tenant's exams say so."""
        days = exams.c.retention_days
        wanted = select(days, func.count()).where(exams.c.tenant_id == tenant_id).group_by(days)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(days))
            return {row[0]: row[1] for row in rows}
