"""Recordings of sessions, and the alerts that were committed of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.alerts import Alert
from proctor.domain.ids import AlertId, ExamId, SessionId, TenantId
from proctor.domain.recordings import Footer, Recording, RecordingKey, Segment


class Recordings(Protocol):
    """Where recordings live (a folder, an object store). Raises `StateStoreUnavailable` when away."""

    async def put(self, segment: Segment) -> None:
        """Store a segment; the same take and number again replaces it."""
        ...

    async def close_with(self, footer: Footer) -> None:
        """The session is over and everything of it is stored; a later footer replaces this one."""
        ...

    async def read(self, key: RecordingKey) -> Recording:
        """Everything that is stored of a session. Raises `NotFound` when that is nothing."""
        ...

    async def footer(self, key: RecordingKey) -> Footer | None:
        """What closed a session's recording; None while it is open, or when there is none."""
        ...

    async def sessions(self, tenant_id: TenantId, exam_id: ExamId) -> Sequence[SessionId]:
        """The exam's sessions that left a recording, by id."""
        ...

    def footers(self) -> AsyncIterator[Footer]:
        """Of every closed recording of every tenant: what retention looks at."""
        ...

    def unclosed(self) -> AsyncIterator[tuple[RecordingKey, datetime]]:
        """Recordings without a footer, of every tenant, and when their first take began.

        It looks at every segment there is: not for often.
        """
        ...

    async def erase(self, key: RecordingKey) -> None:
        """Delete everything of a session; twice is once."""
        ...


class AlertArchive(Protocol):
    """Committed alerts, delivered or suppressed."""

    async def find(self, alert_id: AlertId) -> Alert:
        """One alert. Raises `NotFound`."""
        ...

    async def of_session(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Alert]:
        """Every alert of a session, by seq."""
        ...
