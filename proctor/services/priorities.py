"""In which order an exam's sessions are worth a look: the highest review priority first."""

from collections.abc import Sequence

from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.priority import Priority
from proctor.domain.sessions import Session
from proctor.ports import ExamStore, PriorityStore


class Priorities:
    """Reads review priorities."""

    def __init__(self, store: PriorityStore, exams: ExamStore) -> None:
        self._store = store
        self._exams = exams

    async def of(self, tenant_id: TenantId, session_id: SessionId) -> Priority | None:
        """The session's; None before there was one."""
        return await self._store.get(tenant_id, session_id)

    async def ranked(
        self, tenant_id: TenantId, exam_id: ExamId, after: tuple[int, SessionId] | None, limit: int
    ) -> Sequence[tuple[Session, Priority | None]]:
        """Those withheld come last. A session that moves between two pages may be on both or none.

        Raises `NotFound` for another tenant's exam, too.
        """
        await self._exams.get_exam(tenant_id, exam_id)
        return await self._store.ranked(tenant_id, exam_id, after, limit)
