"""What those who review and administer read of many sessions at once, and what they add to one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from proctor.domain.alerts import Alert
from proctor.domain.casework import Added, SessionDecision, Statement
from proctor.domain.desk import (
    Card,
    IncidentFilter,
    IncidentLine,
    QueueFilter,
    SessionRecord,
)
from proctor.domain.figures import RuleCount, TenantFigures
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.sessions import Session


class ReviewDesk(Protocol):
    """Lists for reviewers. Reads only."""

    async def queue(
        self,
        tenant_id: TenantId,
        wanted: QueueFilter,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[Card]:
        """The highest rank first, those withheld last; of one rank the highest id first.

        Args:
            tenant_id: Whose.
            wanted: Which.
            after: Rank (-1 when withheld) and session that the page before ended with.
            limit: How many at most.
        """
        ...

    async def cards(self, tenant_id: TenantId, sessions: Sequence[Session]) -> Sequence[Card]:
        """These sessions, in their order, with what a list shows of them."""
        ...

    async def incidents(
        self,
        tenant_id: TenantId,
        wanted: IncidentFilter,
        after: tuple[datetime, IncidentId] | None,
        limit: int,
    ) -> Sequence[IncidentLine]:
        """The newest first; of one moment the highest id first."""
        ...

    async def line(self, tenant_id: TenantId, incident_id: IncidentId) -> IncidentLine:
        """One incident as lists have it. Raises `NotFound`."""
        ...

    async def record(
        self, tenant_id: TenantId, session_id: SessionId, incidents: int, detailed: int
    ) -> SessionRecord:
        """What a session's timeline is made of.

        Args:
            tenant_id: Whose.
            session_id: Which session; nothing is found of another tenant's.
            incidents: How many incidents at most; verdicts and connections as many.
            detailed: How many of them whole, at most.
        """
        ...

    async def told(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[Alert]:
        """Every alert about an incident, by seq."""
        ...

    async def openings(
        self, tenant_id: TenantId, incident_ids: Sequence[IncidentId]
    ) -> Mapping[IncidentId, Alert]:
        """The newest alert of each that opened or escalated it; incidents without one are not in it."""
        ...


class CaseStore(Protocol):
    """What people add to a session's record, each with an audit row in the same step.

    About a session whose candidate was erased nothing is taken: `NotFound`.
    """

    async def decide(self, decision: SessionDecision) -> None:
        """Store the next version.

        Raises:
            Conflict: It is not the one after the newest (1 for the first).
            NotFound: The session is not the tenant's.
        """
        ...

    async def decisions(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[SessionDecision]:
        """Oldest first."""
        ...

    async def add_statement(self, statement: Statement, most: int) -> None:
        """Store it.

        Raises:
            Conflict: The session has `most` already.
            NotFound: The session is not the tenant's, or the incident not the session's.
        """
        ...

    async def statements(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Statement]:
        """Oldest first."""
        ...

    async def add_incident(self, incident: Incident, added: Added, most: int) -> None:
        """Store an incident that a person saw, and who says so.

        Raises:
            Conflict: The session has `most` that people added.
            NotFound: The session is not the tenant's.
        """
        ...

    async def additions(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Added]:
        """Who added which incident, oldest first."""
        ...


class FigureStore(Protocol):
    """Sums over a tenant. Reads only."""

    async def rules(self, tenant_id: TenantId) -> Sequence[RuleCount]:
        """Incidents by policy version, rule and verdict; those that people added by version 0."""
        ...

    async def totals(self, tenant_id: TenantId, alerts: int) -> TenantFigures:
        """Everything else; the models of so many of the newest alerts."""
        ...
