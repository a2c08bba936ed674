"""What the database knows of a session, asked for with a deadline: a shard's other sessions wait."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from proctor.domain.allowances import Allowances
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.ids import AlertId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import SessionSpec
from proctor.fusion.news import note_alert_id
from proctor.ports import Clock, IncidentStore
from proctor.services.deadline import TimedOut, within

ANSWER_WITHIN_MS = 1_500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Committed:
    """What was committed of a session.

    Attributes:
        incidents: Oldest first.
        last_seq: The highest number of an alert, 0 when there is none.
    """

    incidents: tuple[Incident, ...]
    last_seq: int


class Archive:
    """Reads of one shard. Each raises `StateStoreUnavailable` when the database is away or slow."""

    def __init__(self, incidents: IncidentStore, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock

    async def last_seq(self, session_id: SessionId) -> int:
        """The highest number of an alert, 0 when there is none."""
        return await self._in_time(self._incidents.last_seq(session_id))

    async def read(self, spec: SessionSpec) -> Committed:
        """Everything that was committed of a session."""
        last_seq = await self.last_seq(spec.session_id)
        listed = self._incidents.list_incidents(spec.tenant_id, spec.session_id)
        return Committed(tuple(await self._in_time(listed)), last_seq)

    async def incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        """One incident. Raises `NotFound`."""
        return await self._in_time(self._incidents.get_incident(tenant_id, incident_id))

    async def is_told(self, note: IncidentNote) -> bool:
        """Whether an alert tells the note already."""
        alert_id = note_alert_id(note.incident.incident_id, note.note_id)
        return await self.has_alert(note.incident.tenant_id, alert_id)

    async def has_alert(self, tenant_id: TenantId, alert_id: AlertId) -> bool:
        """Whether an alert is committed."""
        return await self._in_time(self._incidents.has_alert(tenant_id, alert_id))

    async def allowances(self, spec: SessionSpec) -> Allowances:
        """What is allowed in the session. Raises `NotFound`."""
        return await self._in_time(self._incidents.allowances(spec.tenant_id, spec.session_id))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await within(self._clock, ANSWER_WITHIN_MS, work)
        except TimedOut as error:
            raise StateStoreUnavailable(
                f"the database took longer than {ANSWER_WITHIN_MS} ms"
            ) from error
