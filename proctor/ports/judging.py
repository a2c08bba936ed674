"""What a shard judges, where it writes it down, and how alerts are read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from proctor.domain.alerts import Alert, FeedItem
from proctor.domain.allowances import Allowances
from proctor.domain.coverage import CoverageInterval
from proctor.domain.ids import AlertId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.notes import IncidentNote
from proctor.domain.priority import Priority
from proctor.domain.reports import Acknowledgement, TickReport
from proctor.domain.sessions import SessionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one step of judging leaves behind, committed in one transaction.

    Attributes:
        tenant_id: Whose.
        session_id: Whose.
        alerts: New alerts, in seq order; each gets an outbox row unless `suppressed_by`.
        incidents: New or changed incidents.
        coverage: The session's whole coverage when it changed, else None.
        priority: The session's review priority when it moved by a step, else None.
    """

    tenant_id: TenantId
    session_id: SessionId
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]
    coverage: tuple[CoverageInterval, ...] | None
    priority: Priority | None = None


class IncidentStore(Protocol):
    """Incidents, alerts, outbox and coverage: the shard's one writer."""

    async def commit(self, judged: Sequence[Judged]) -> None:
        """All in one transaction; repeating the same commit changes nothing (alert_id, (session, seq))."""
        ...

    async def last_seq(self, session_id: SessionId) -> int:
        """Highest committed alert seq of the session, 0 when none."""
        ...

    async def has_alert(self, tenant_id: TenantId, alert_id: AlertId) -> bool:
        """Whether an alert is committed."""
        ...

    async def list_incidents(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[Incident]:
        """Oldest first."""
        ...

    async def get_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        """With the verdict that a human gave. Raises `NotFound`."""
        ...

    async def allowances(self, tenant_id: TenantId, session_id: SessionId) -> Allowances:
        """What is allowed in a session as it stands now. Raises `NotFound`."""
        ...


class AlertFeed(Protocol):
    """Alerts in delivery order. Positions are given after the commit, so they never run backwards."""

    async def publish_pending(self, limit: int) -> int:
        """Give the next outbox rows a feed position; returns how many. The dispatcher's step."""
        ...

    async def read(
        self,
        tenant_id: TenantId,
        after: int,
        limit: int,
        session_id: SessionId | None = None,
        exam_id: ExamId | None = None,
    ) -> Sequence[FeedItem]:
        """Items with a position above `after`, in order."""
        ...

    async def head(self, tenant_id: TenantId) -> int:
        """The highest position given so far, 0 when none."""
        ...

    async def heads(self) -> Mapping[TenantId, int]:
        """The head of every tenant that has one: whom the dispatcher has to tell."""
        ...

    async def waiting(self) -> tuple[int, datetime | None]:
        """Of all tenants: how many outbox rows have no position yet, and when the oldest was raised."""
        ...


class Checkpoints(Protocol):
    """A fusion shard's memory outside itself (Redis). Values are JSON, never pickle."""

    async def claim(self, shard: str) -> int:
        """Take the shard over: returns a new, higher fencing epoch."""
        ...

    async def save(self, shard: str, fence: int, states: dict[SessionId, bytes]) -> None:
        """Write sessions' states in one step; raises `Conflict` when the fence was passed."""
        ...

    async def load(self, shard: str) -> dict[SessionId, bytes]:
        """Every state saved for this shard."""
        ...

    async def drop(self, shard: str, fence: int, *states: SessionId) -> None:
        """Forget these states, in one step; raises `Conflict` when the fence was passed."""
        ...


class SessionJudges(Protocol):
    """The fusion shards as the rest of the system sees them."""

    def lane(self, session_id: SessionId) -> str:
        """Which of them judges the session: one that hangs must hold up no other's sessions."""
        ...

    async def submit(self, reports: Sequence[TickReport]) -> Sequence[Acknowledgement]:
        """Judge, commit, checkpoint, acknowledge. May be repeated."""
        ...

    async def end(self, spec: SessionSpec, ended_at: datetime) -> None:
        """Close what is open, fix the coverage to the session's length, forget the session."""
        ...

    async def allowances_changed(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Have its shard read what is allowed in the session; it judges by it from then on."""
        ...

    async def annotate(self, note: IncidentNote) -> bool:
        """Have its shard tell late news of an incident.

        Returns:
            True once it is told and safe, also when it was told before; False when the shard does not
            have the session: if it is over, whoever asks tells the news.
        """
        ...
