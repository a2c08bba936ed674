"""The relational stores in memory. They share a `FakeDatabase` as the real ones share a database.

Each passes the contract suite of its port (tests/contract) and can be told to be `down`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.alerts import FeedItem
from proctor.domain.allowances import Allowances
from proctor.domain.desk import Connected
from proctor.domain.errors import Conflict, NotFound, StateStoreUnavailable
from proctor.domain.ids import AlertId, CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.ports import Judged
from tests.fakes.candidates import FakeCandidateStore
from tests.fakes.database import FakeDatabase, FakeRelational, page
from tests.fakes.evidence import expect_evidence
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.live_state import FakeCheckpoints, FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.review import (
    FakeAllowanceStore,
    FakePriorityStore,
    FakeVerdictStore,
    allowed_in,
)

__all__ = [
    "FakeAlertFeed",
    "FakeAllowanceStore",
    "FakeCandidateStore",
    "FakeCheckpoints",
    "FakeDatabase",
    "FakeExamStore",
    "FakeFaceIndex",
    "FakeIncidentStore",
    "FakeLiveState",
    "FakeMetrics",
    "FakePriorityStore",
    "FakeSessionStore",
    "FakeVerdictStore",
]


class FakeExamStore(FakeRelational):
    """`ExamStore` in memory."""

    async def ensure_tenant(self, tenant_id: TenantId, name: str) -> None:
        self._reach()
        self.database.tenants.setdefault(tenant_id, name)

    async def add_exam(self, exam: Exam) -> None:
        self._reach()
        if exam.tenant_id not in self.database.tenants:
            raise NotFound(f"no tenant {exam.tenant_id}")
        if exam.exam_id in self.database.exams:
            raise Conflict(f"exam {exam.exam_id} exists")
        self.database.exams[exam.exam_id] = exam

    async def get_exam(self, tenant_id: TenantId, exam_id: ExamId) -> Exam:
        self._reach()
        exam = self.database.exams.get(exam_id)
        if exam is None or exam.tenant_id != tenant_id:
            raise NotFound(f"no exam {exam_id}")
        return exam

    async def list_exams(
        self, tenant_id: TenantId, after: ExamId | None, limit: int
    ) -> Sequence[Exam]:
        self._reach()
        exams = self.database.exams.values()
        return page(((e.exam_id, e) for e in exams if e.tenant_id == tenant_id), after, limit)


class FakeSessionStore(FakeRelational):
    """`SessionStore` in memory."""

    async def add(self, session: Session) -> None:
        self._reach()
        exam = self.database.exams.get(session.exam_id)
        candidate = self.database.candidates.get(session.candidate_id)
        if exam is None or candidate is None:
            raise NotFound("no such exam or candidate")
        if {exam.tenant_id, candidate.tenant_id} != {session.tenant_id}:
            raise NotFound("no such exam or candidate")
        if (session.tenant_id, session.candidate_id) in self.database.erasures:
            raise NotFound("no such exam or candidate")
        if session.session_id in self.database.sessions:
            raise Conflict(f"session {session.session_id} exists")
        self.database.sessions[session.session_id] = replace(session, coverage=())

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Session:
        self._reach()
        session = self.database.sessions.get(session_id)
        if session is None or session.tenant_id != tenant_id:
            raise NotFound(f"no session {session_id}")
        return replace(session, coverage=self.database.coverage.get(session_id, ()))

    async def list(
        self,
        tenant_id: TenantId,
        exam_id: ExamId | None,
        state: SessionState | None,
        after: SessionId | None,
        limit: int,
        candidate_id: CandidateId | None = None,
    ) -> Sequence[Session]:
        self._reach()
        found = (
            (session.session_id, session)
            for session in self.database.sessions.values()
            if session.tenant_id == tenant_id
            and exam_id in (None, session.exam_id)
            and state in (None, session.state)
            and candidate_id in (None, session.candidate_id)
        )
        return page(found, after, limit)

    async def next_epoch(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        session = await self.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise Conflict(f"session {session_id} has ended")
        started = session.started_at or at
        made = Connected(session.epoch + 1, at)
        self.database.connections.setdefault(session_id, []).append(made)
        return await self._put(
            replace(session, state=SessionState.LIVE, epoch=session.epoch + 1, started_at=started)
        )

    async def forget_start(self, tenant_id: TenantId, session_id: SessionId, epoch: int) -> None:
        session = await self.get(tenant_id, session_id)
        if session.state is SessionState.LIVE and session.epoch == epoch:
            await self._put(replace(session, state=SessionState.CREATED, started_at=None))
            made = self.database.connections.get(session_id, [])
            made[:] = [each for each in made if each.epoch != epoch]

    async def end(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> Session:
        session = await self.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            return session
        return await self._put(replace(session, state=SessionState.ENDED, ended_at=at))

    async def settle(self, tenant_id: TenantId, session_id: SessionId, at: datetime) -> None:
        session = await self.get(tenant_id, session_id)
        if session.state is SessionState.ENDED and session.settled_at is None:
            await self._put(replace(session, settled_at=at))

    async def unsettled(
        self, ended_before: datetime, after: SessionId | None, limit: int
    ) -> Sequence[Session]:
        self._reach()
        owed = (
            (session.session_id, session)
            for session in self.database.sessions.values()
            if session.state is SessionState.ENDED
            and session.started_at is not None
            and session.settled_at is None
            and session.ended_at is not None
            and session.ended_at < ended_before
        )
        return page(owed, after, limit)

    async def _put(self, session: Session) -> Session:
        self.database.sessions[session.session_id] = replace(session, coverage=())
        return session


class FakeIncidentStore(FakeRelational):
    """`IncidentStore` in memory. `loses_answer`: the next commit is done, but fails to say so."""

    def __init__(self, database: FakeDatabase | None = None) -> None:
        super().__init__(database)
        self.loses_answer = False

    async def commit(self, judged: Sequence[Judged]) -> None:
        self._reach()
        taken = {(a.session_id, a.seq): a.alert_id for a in self.database.alerts.values()}
        for alert in (alert for part in judged for alert in part.alerts):
            if taken.setdefault((alert.session_id, alert.seq), alert.alert_id) != alert.alert_id:
                raise Conflict(f"seq {alert.seq} of {alert.session_id} is another alert's")
        for part in judged:
            for alert in part.alerts:
                if alert.alert_id not in self.database.alerts:
                    self.database.alerts[alert.alert_id] = alert
                    if alert.suppressed_by is None:
                        self.database.outbox.append(alert)
            for incident in part.incidents:
                known = self.database.incidents.get(incident.incident_id)
                verdict = known.verdict if known else incident.verdict
                self.database.incidents[incident.incident_id] = replace(incident, verdict=verdict)
                expect_evidence(self.database, incident)
            if part.coverage is not None:
                self.database.coverage[part.session_id] = part.coverage
            if part.priority is not None:
                self.database.priorities[part.session_id] = (part.tenant_id, part.priority)
        if self.loses_answer:
            self.loses_answer = False
            raise StateStoreUnavailable("the fake store committed and lost the answer")

    async def last_seq(self, session_id: SessionId) -> int:
        self._reach()
        alerts = self.database.alerts.values()
        return max((a.seq for a in alerts if a.session_id == session_id), default=0)

    async def has_alert(self, tenant_id: TenantId, alert_id: AlertId) -> bool:
        self._reach()
        alert = self.database.alerts.get(alert_id)
        return alert is not None and alert.tenant_id == tenant_id

    async def list_incidents(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[Incident]:
        self._reach()
        found = [
            incident
            for incident in self.database.incidents.values()
            if (incident.tenant_id, incident.session_id) == (tenant_id, session_id)
        ]
        return sorted(found, key=lambda incident: (incident.opened_ms, incident.incident_id))

    async def get_incident(self, tenant_id: TenantId, incident_id: IncidentId) -> Incident:
        self._reach()
        incident = self.database.incidents.get(incident_id)
        if incident is None or incident.tenant_id != tenant_id:
            raise NotFound(f"no incident {incident_id}")
        return incident

    async def allowances(self, tenant_id: TenantId, session_id: SessionId) -> Allowances:
        self._reach()
        return allowed_in(self.database, tenant_id, session_id)


class FakeAlertFeed(FakeRelational):
    """`AlertFeed` in memory."""

    async def publish_pending(self, limit: int) -> int:
        self._reach()
        published = 0
        while self.database.outbox and published < limit:
            alert = self.database.outbox.popleft()
            feed = self.database.feeds.setdefault(alert.tenant_id, [])
            told = 1 + sum(item.alert.session_id == alert.session_id for item in feed)
            feed.append(FeedItem(position=len(feed) + 1, alert=replace(alert, seq=told)))
            published += 1
        return published

    async def read(
        self,
        tenant_id: TenantId,
        after: int,
        limit: int,
        session_id: SessionId | None = None,
        exam_id: ExamId | None = None,
    ) -> Sequence[FeedItem]:
        self._reach()
        found = [
            item
            for item in self.database.feeds.get(tenant_id, [])
            if item.position > after
            and session_id in (None, item.alert.session_id)
            and exam_id in (None, item.alert.exam_id)
        ]
        return found[:limit]

    async def head(self, tenant_id: TenantId) -> int:
        self._reach()
        return len(self.database.feeds.get(tenant_id, []))

    async def heads(self) -> Mapping[TenantId, int]:
        self._reach()
        return {tenant: len(feed) for tenant, feed in self.database.feeds.items()}

    async def waiting(self) -> tuple[int, datetime | None]:
        self._reach()
        waiting = self.database.outbox
        return len(waiting), min((alert.raised_at for alert in waiting), default=None)
