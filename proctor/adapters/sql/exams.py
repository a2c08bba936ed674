"""`ExamStore` in SQL: tenants and exams."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import exams, tenants
from proctor.domain.errors import NotFound
from proctor.domain.ids import ExamId, TenantId
from proctor.domain.sessions import Exam


class SqlExamStore:
    """Tenants and exams."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_tenant(self, tenant_id: TenantId, name: str) -> None:
        """Create the tenant unless it exists."""
        new = self._database.insert(tenants).values(tenant_id=tenant_id, name=name)
        async with self._database.writing() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def add_exam(self, exam: Exam) -> None:
        """Store a new exam. Raises `NotFound` for an unknown tenant, `Conflict` for a known id."""
        async with self._database.writing() as connection:
            await connection.execute(insert(exams).values(asdict(exam)))

    async def get_exam(self, tenant_id: TenantId, exam_id: ExamId) -> Exam:
        """Raises `NotFound`, for another tenant's exam too."""
        wanted = select(exams).where(exams.c.tenant_id == tenant_id, exams.c.exam_id == exam_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no exam {exam_id}")
        return Exam(**row._mapping)

    async def list_exams(
        self, tenant_id: TenantId, after: ExamId | None, limit: int
    ) -> Sequence[Exam]:
        """By id, after a cursor."""
        page = select(exams).where(exams.c.tenant_id == tenant_id)
        if after is not None:
            page = page.where(exams.c.exam_id > after)
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(exams.c.exam_id).limit(limit))
            return [Exam(**row._mapping) for row in rows]
