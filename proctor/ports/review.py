"""What people decide about candidates and incidents, and in which order sessions are worth a look."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.allowances import Accommodated, Break, SessionBreak
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import Priority
from proctor.domain.sessions import Session


class AllowanceStore(Protocol):
    """Accommodations and breaks. What holds in a session, `IncidentStore.allowances` tells."""

    async def put_accommodations(self, given: Accommodated, actor: str, at: datetime) -> None:
        """Store in place of what was there, with an audit row. Raises `NotFound`."""
        ...

    async def list_accommodations(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[Accommodated]:
        """What holds in every exam first, then by exam."""
        ...

    async def put_break(self, given: SessionBreak, actor: str, at: datetime) -> None:
        """Store a break, or its new end, with an audit row.

        Raises `NotFound` when the session is not the tenant's.
        """
        ...

    async def list_breaks(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Break]:
        """By their beginning."""
        ...


class VerdictStore(Protocol):
    """What reviewers say of incidents."""

    async def add(self, given: VerdictGiven) -> None:
        """Store it, set the incident's verdict, add an audit row: all or nothing. Raises `NotFound`."""
        ...

    async def list(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[VerdictGiven]:
        """Oldest first."""
        ...

    async def told(self, tenant_id: TenantId, verdict_id: str, at: datetime) -> None:
        """The alert about it is safe; twice is once."""
        ...

    async def owed(
        self, given_before: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[VerdictGiven]:
        """Of every tenant: those whose alert is owed, oldest first.

        Args:
            given_before: Newer ones may still be being told.
            after: When the last of the page before was given, and its name.
            limit: How many at most.
        """
        ...


class PriorityStore(Protocol):
    """Review priorities; shards write them with what they judge."""

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Priority | None:
        """The newest that was written down; None before there was one."""
        ...

    async def ranked(
        self,
        tenant_id: TenantId,
        exam_id: ExamId,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[tuple[Session, Priority | None]]:
        """An exam's sessions without coverage, the highest rank first, those withheld last.

        Args:
            tenant_id: Whose.
            exam_id: Of which exam.
            after: Rank and session that the page before ended with.
            limit: How many at most.
        """
        ...
