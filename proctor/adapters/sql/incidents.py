"""`IncidentStore` in SQL: what a fusion shard leaves behind, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.evidence_tables import incident_evidence
from proctor.adapters.sql.review import read_allowances
from proctor.adapters.sql.review_tables import coverage_sums
from proctor.adapters.sql.tables import (
    EPOCH,
    alerts,
    coverage,
    incidents,
    outbox,
    priorities,
    sessions,
)
from proctor.domain.alerts import Alert
from proctor.domain.allowances import Allowances
from proctor.domain.coverage import CoverageInterval
from proctor.domain.desk import sums_of
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import AlertId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict
from proctor.ports import Judged

_NEVER = datetime.fromisoformat(EPOCH).replace(tzinfo=UTC)


class SqlIncidentStore:
    """Incidents, alerts, outbox and coverage. A repeated commit changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def commit(self, judged: Sequence[Judged]) -> None:
        """All in one transaction.

        Raises `Conflict`, and stores nothing, when a (session, seq) is another alert's already: two
        writers judged one session, and the one that raises is the one that was replaced.
        """
        new_alerts = {alert.alert_id: alert for part in judged for alert in part.alerts}
        changed = {found.incident_id: found for part in judged for found in part.incidents}
        seen = {part.session_id: part for part in judged if part.coverage is not None}
        ranked = {part.session_id: part for part in judged if part.priority is not None}
        if not (new_alerts or changed or seen or ranked):
            return
        async with self._database.writing() as connection:
            await self._add_alerts(connection, list(new_alerts.values()))
            await self._put_incidents(connection, list(changed.values()))
            for part in seen.values():
                await _replace_coverage(connection, part, part.coverage or ())
            await self._put_priorities(connection, list(ranked.values()))

    async def _add_alerts(self, connection: AsyncConnection, new: Sequence[Alert]) -> None:
        if not new:
            return
        # No index is named: with the key alone, PostgreSQL raises for (session, seq) when two commits of
        # the same alerts meet between its look and its insert.
        add = self._database.insert(alerts).on_conflict_do_nothing().returning(alerts.c.alert_id)
        rows = [alert_row(alert) for alert in new]
        added = set((await connection.scalars(add, rows)).all())
        refused = {alert.alert_id for alert in new} - added
        if refused:
            same = select(func.count()).where(alerts.c.alert_id.in_(refused))
            if await connection.scalar(same) != len(refused):
                raise Conflict("another alert of the session has this seq already")
        waiting = [
            {"tenant_id": alert.tenant_id, "alert_id": alert.alert_id}
            for alert in new
            if alert.alert_id in added and alert.suppressed_by is None
        ]
        if waiting:
            await connection.execute(insert(outbox), waiting)

    async def _put_incidents(
        self, connection: AsyncConnection, changed: Sequence[Incident]
    ) -> None:
        if not changed:
            return
        new = self._database.insert(incidents)
        put = new.on_conflict_do_update(
            index_elements=[incidents.c.incident_id],
            set_={
                "severity": new.excluded.severity,
                "closed_ms": new.excluded.closed_ms,
                "evidence": new.excluded.evidence,
                "suppressed_by": new.excluded.suppressed_by,
                "payload": new.excluded.payload,
            },
            where=incidents.c.tenant_id == new.excluded.tenant_id,
        )
        began = await began_at(connection, {incident.session_id for incident in changed})
        rows = [
            incident_row(incident, began.get(incident.session_id, _NEVER)) for incident in changed
        ]
        await connection.execute(put, rows)
        await self._expect_evidence(connection, changed)

    async def _expect_evidence(
        self, connection: AsyncConnection, changed: Sequence[Incident]
    ) -> None:
        """What is pending is owed from now on: a host that dies with it is told as a loss."""
        pending = EvidenceStatus.PENDING
        rows = [
            {
                "incident_id": incident.incident_id,
                "tenant_id": incident.tenant_id,
                "session_id": incident.session_id,
                "status": pending.value,
                "is_told": True,
            }
            for incident in changed
            if incident.evidence.status is pending
        ]
        if rows:
            new = self._database.insert(incident_evidence).on_conflict_do_nothing()
            await connection.execute(new, rows)

    async def _put_priorities(self, connection: AsyncConnection, ranked: Sequence[Judged]) -> None:
        rows = [
            {
                "session_id": part.session_id,
                "tenant_id": part.tenant_id,
                "rank": part.priority.rank,
                "payload": part.priority,
            }
            for part in ranked
            if part.priority is not None
        ]
        if not rows:
            return
        new = self._database.insert(priorities)
        put = new.on_conflict_do_update(
            index_elements=[priorities.c.session_id],
            set_={"rank": new.excluded.rank, "payload": new.excluded.payload},
            where=priorities.c.tenant_id == new.excluded.tenant_id,
        )
        await connection.execute(put, rows)

    async def last_seq(self, session_id: SessionId) -> int:
        """Highest committed alert seq of the session, 0 when none."""
        highest = select(func.max(alerts.c.seq)).where(alerts.c.session_id == session_id)
        async with self._database.reading() as connection:
            return (await connection.scalar(highest)) or 0

    async def has_alert(self, tenant_id: TenantId, alert_id: AlertId) -> bool:
        """Whether an alert is committed."""
        wanted = select(alerts.c.seq).where(
            alerts.c.tenant_id == tenant_id, alerts.c.alert_id == alert_id
        )
        async with self._database.reading() as connection:
            return await connection.scalar(wanted) is not None

    async def list_incidents(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[Incident]:
        """Oldest first, each with the verdict that a human gave."""
        wanted = (
            select(incidents.c.payload, incidents.c.verdict)
            .where(incidents.c.tenant_id == tenant_id, incidents.c.session_id == session_id)
            .order_by(incidents.c.opened_ms, incidents.c.incident_id)
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return [replace(payload, verdict=Verdict(verdict)) for payload, verdict in rows]

    async def get_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        """With the verdict that a human gave. Raises `NotFound`."""
        wanted = select(incidents.c.payload, incidents.c.verdict).where(
            incidents.c.tenant_id == tenant_id, incidents.c.incident_id == incident_id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound(f"no incident {incident_id}")
        incident: Incident = row.payload
        return replace(incident, verdict=Verdict(row.verdict))

    async def allowances(self, tenant_id: TenantId, session_id: SessionId) -> Allowances:
        """What is allowed in a session as it stands now. Raises `NotFound`."""
        async with self._database.reading() as connection:
            return await read_allowances(connection, tenant_id, session_id)


def alert_row(alert: Alert) -> dict[str, object]:
    """An alert's columns."""
    return {
        "alert_id": alert.alert_id,
        "tenant_id": alert.tenant_id,
        "exam_id": alert.exam_id,
        "session_id": alert.session_id,
        "candidate_id": alert.candidate_id,
        "incident_id": alert.incident_id,
        "seq": alert.seq,
        "transition": alert.transition.value,
        "severity": alert.severity.value,
        "raised_at": alert.raised_at,
        "payload": alert,
    }


async def began_at(
    connection: AsyncConnection, session_ids: Collection[SessionId]
) -> dict[SessionId, datetime]:
    """Wall time of the sessions' time 0; of one that has not begun, when it was made."""
    wanted = select(sessions.c.session_id, sessions.c.started_at, sessions.c.created_at).where(
        sessions.c.session_id.in_(session_ids)
    )
    rows = await connection.execute(wanted)
    return {row.session_id: row.started_at or row.created_at for row in rows}


def incident_row(incident: Incident, began: datetime) -> dict[str, object]:
    """An incident's columns; `began` is the wall time of its session's time 0."""
    return {
        "incident_id": incident.incident_id,
        "tenant_id": incident.tenant_id,
        "exam_id": incident.exam_id,
        "session_id": incident.session_id,
        "candidate_id": incident.candidate_id,
        "rule_id": incident.rule_id,
        "category": incident.category.value,
        "severity": incident.severity.value,
        "opened_ms": incident.opened_ms,
        "closed_ms": incident.closed_ms,
        "verdict": incident.verdict.value,
        "payload": incident,
        "policy_id": incident.policy_id,
        "policy_version": incident.policy_version,
        "opened_at": began + timedelta(milliseconds=incident.opened_ms),
        "evidence": incident.evidence.status.value,
        "suppressed_by": incident.suppressed_by,
    }


async def _replace_coverage(
    connection: AsyncConnection, part: Judged, intervals: Sequence[CoverageInterval]
) -> None:
    await connection.execute(delete(coverage).where(coverage.c.session_id == part.session_id))
    rows = [
        {
            "tenant_id": part.tenant_id,
            "session_id": part.session_id,
            "ordinal": ordinal,
            "modality": interval.modality.value,
            "state": interval.state.value,
            "reason": None if interval.reason is None else interval.reason.value,
            "start_ms": interval.start_ms,
            "end_ms": interval.end_ms,
        }
        for ordinal, interval in enumerate(intervals)
    ]
    if rows:
        await connection.execute(insert(coverage), rows)
    await connection.execute(
        delete(coverage_sums).where(coverage_sums.c.session_id == part.session_id)
    )
    sums = [
        {
            "tenant_id": part.tenant_id,
            "session_id": part.session_id,
            "modality": each.modality.value,
            "state": each.state.value,
            "reason": "" if each.reason is None else each.reason.value,
            "closed_ms": each.closed_ms,
            "open_since_ms": each.open_since_ms,
        }
        for each in sums_of(intervals)
    ]
    if sums:
        await connection.execute(insert(coverage_sums), sums)
