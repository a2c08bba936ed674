"""Recordings in memory, and the alerts that a fake database holds."""

from collections.abc import AsyncIterator, Sequence

from proctor.domain.alerts import Alert
from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, ExamId, SessionId, TenantId
from proctor.domain.recordings import Footer, Recording, RecordingKey, Row, Segment
from tests.fakes.database import FakeRelational
from tests.fakes.outage import Outage


class FakeRecordings(Outage):
    """`Recordings` in memory. `puts` counts the segments that were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.segments: dict[tuple[RecordingKey, str, int], Segment] = {}
        self.closed: dict[RecordingKey, Footer] = {}
        self.puts = 0

    async def put(self, segment: Segment) -> None:
        self._reach()
        self.puts += 1
        self.segments[(segment.key, segment.take, segment.number)] = segment

    async def close_with(self, footer: Footer) -> None:
        self._reach()
        self.closed[footer.key] = footer

    async def read(self, key: RecordingKey) -> Recording:
        self._reach()
        takes: dict[str, list[Row]] = {}
        for (whose, take, _), segment in sorted(self.segments.items(), key=lambda one: one[0][1:]):
            if whose == key:
                takes.setdefault(take, []).extend(segment.rows)
        footer = self.closed.get(key)
        if not takes and footer is None:
            raise NotFound(f"no recording of session {key.session_id}")
        return Recording(key=key, takes=tuple(map(tuple, takes.values())), footer=footer)

    async def footer(self, key: RecordingKey) -> Footer | None:
        self._reach()
        return self.closed.get(key)

    async def sessions(self, tenant_id: TenantId, exam_id: ExamId) -> Sequence[SessionId]:
        self._reach()
        found = {key for key, _, _ in self.segments}
        return sorted(
            key.session_id for key in found if (key.tenant_id, key.exam_id) == (tenant_id, exam_id)
        )

    async def footers(self) -> AsyncIterator[Footer]:
        self._reach()
        for footer in list(self.closed.values()):
            yield footer

    async def erase(self, key: RecordingKey) -> None:
        self._reach()
        self.segments = {place: one for place, one in self.segments.items() if place[0] != key}
        self.closed.pop(key, None)


class FakeAlertArchive(FakeRelational):
    """`AlertArchive` over a fake database."""

    async def find(self, alert_id: AlertId) -> Alert:
        self._reach()
        if alert_id not in self.database.alerts:
            raise NotFound(f"no alert {alert_id}")
        return self.database.alerts[alert_id]

    async def of_session(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Alert]:
        self._reach()
        found = [
            alert
            for alert in self.database.alerts.values()
            if (alert.tenant_id, alert.session_id) == (tenant_id, session_id)
        ]
        return sorted(found, key=lambda alert: alert.seq)
