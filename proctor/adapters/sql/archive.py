"""`AlertArchive` in SQL."""

from collections.abc import Sequence

from sqlalchemy import select

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import alerts
from proctor.domain.alerts import Alert
from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, SessionId, TenantId


class SqlAlertArchive:
    """Committed alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, alert_id: AlertId) -> Alert:
        """One alert. Raises `NotFound`."""
        wanted = select(alerts.c.payload).where(alerts.c.alert_id == alert_id)
        async with self._database.reading() as connection:
            found: Alert | None = await connection.scalar(wanted)
        if found is None:
            raise NotFound(f"no alert {alert_id}")
        return found

    async def of_session(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Alert]:
        """Every alert of a session, by seq."""
        wanted = (
            select(alerts.c.payload)
            .where(alerts.c.tenant_id == tenant_id, alerts.c.session_id == session_id)
            .order_by(alerts.c.seq)
        )
        async with self._database.reading() as connection:
            return list(await connection.scalars(wanted))
