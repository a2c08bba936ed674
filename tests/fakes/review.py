"""The stores of review in memory, over the database that all relational fakes share."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from proctor.domain.allowances import Accommodated, Allowances, Break, SessionBreak
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.notes import VerdictGiven
from proctor.domain.priority import WITHHELD_RANK, Priority
from proctor.domain.sessions import Session
from tests.fakes.database import FakeDatabase, FakeRelational


def allowed_in(database: FakeDatabase, tenant_id: TenantId, session_id: SessionId) -> Allowances:
    """What is allowed in a session: what was said for its exam before what holds in every exam."""
    session = _session(database, tenant_id, session_id)
    for exam in (session.exam_id, ""):
        said = database.accommodations.get((session.candidate_id, exam))
        if said is not None:
            break
    given = _breaks(database, session_id)
    return Allowances(accommodations=said.accommodations if said else (), breaks=tuple(given))


def _session(database: FakeDatabase, tenant_id: TenantId, session_id: SessionId) -> Session:
    session = database.sessions.get(session_id)
    if session is None or session.tenant_id != tenant_id:
        raise NotFound(f"no session {session_id}")
    return session


def _breaks(database: FakeDatabase, session_id: SessionId) -> list[Break]:
    found = [each.given for each in database.breaks.values() if each.session_id == session_id]
    return sorted(found, key=lambda each: (each.start_ms, each.break_id))


class FakeAllowanceStore(FakeRelational):
    """`AllowanceStore` in memory."""

    async def put_accommodations(self, given: Accommodated, actor: str, at: datetime) -> None:
        self._reach()
        candidate = self.database.candidates.get(given.candidate_id)
        if candidate is None or candidate.tenant_id != given.tenant_id:
            raise NotFound(f"no candidate {given.candidate_id}")
        self.database.accommodations[(given.candidate_id, given.exam_id or "")] = given
        row = (given.tenant_id, actor, "accommodations.set", given.candidate_id, None)
        self.database.audit.append(row)

    async def list_accommodations(
        self, tenant_id: TenantId, candidate_id: CandidateId
    ) -> Sequence[Accommodated]:
        self._reach()
        found = [
            given
            for given in self.database.accommodations.values()
            if (given.tenant_id, given.candidate_id) == (tenant_id, candidate_id)
        ]
        return sorted(found, key=lambda given: given.exam_id or "")

    async def put_break(self, given: SessionBreak, actor: str, at: datetime) -> None:
        self._reach()
        _session(self.database, given.tenant_id, given.session_id)
        before = self.database.breaks.get(given.given.break_id)
        if before is None:
            self.database.breaks[given.given.break_id] = given
        elif (before.tenant_id, before.session_id) == (given.tenant_id, given.session_id):
            ended = replace(before.given, end_ms=given.given.end_ms)
            self.database.breaks[given.given.break_id] = replace(before, given=ended)
        row = (given.tenant_id, actor, "break.set", given.session_id, str(given.given))
        self.database.audit.append(row)

    async def list_breaks(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Break]:
        self._reach()
        session = self.database.sessions.get(session_id)
        if session is None or session.tenant_id != tenant_id:
            return []
        return _breaks(self.database, session_id)


class FakeVerdictStore(FakeRelational):
    """`VerdictStore` in memory."""

    async def add(self, given: VerdictGiven) -> None:
        self._reach()
        incident = self.database.incidents.get(given.incident_id)
        if incident is None or incident.tenant_id != given.tenant_id:
            raise NotFound(f"no incident {given.incident_id}")
        if (given.tenant_id, incident.candidate_id) in self.database.erasures:
            raise NotFound(f"no candidate {incident.candidate_id}")
        self.database.incidents[given.incident_id] = replace(incident, verdict=given.verdict)
        self.database.verdicts[given.verdict_id] = given
        action = f"incident.{given.verdict.value}"
        row = (given.tenant_id, given.reviewer, action, given.incident_id, given.verdict_id)
        self.database.audit.append(row)

    async def list(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[VerdictGiven]:
        self._reach()
        found = [
            given
            for given in self.database.verdicts.values()
            if (given.tenant_id, given.incident_id) == (tenant_id, incident_id)
        ]
        return sorted(found, key=lambda given: (given.given_at, given.verdict_id))

    async def told(self, tenant_id: TenantId, verdict_id: str, at: datetime) -> None:
        self._reach()
        given = self.database.verdicts.get(verdict_id)
        if given is not None and given.tenant_id == tenant_id and given.told_at is None:
            self.database.verdicts[verdict_id] = replace(given, told_at=at)

    async def owed(
        self, given_before: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[VerdictGiven]:
        self._reach()
        found = [
            given
            for given in self.database.verdicts.values()
            if given.told_at is None
            and given.given_at < given_before
            and (after is None or (given.given_at, given.verdict_id) > after)
        ]
        return sorted(found, key=lambda given: (given.given_at, given.verdict_id))[:limit]


class FakePriorityStore(FakeRelational):
    """`PriorityStore` in memory."""

    async def get(self, tenant_id: TenantId, session_id: SessionId) -> Priority | None:
        self._reach()
        whose, priority = self.database.priorities.get(session_id, (None, None))
        return priority if whose == tenant_id else None

    async def ranked(
        self,
        tenant_id: TenantId,
        exam_id: ExamId,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[tuple[Session, Priority | None]]:
        self._reach()
        found = []
        for session in self.database.sessions.values():
            if (session.tenant_id, session.exam_id) == (tenant_id, exam_id):
                priority = await self.get(tenant_id, session.session_id)
                rank = WITHHELD_RANK if priority is None else priority.rank
                found.append(((-rank, session.session_id), session, priority))
        found.sort(key=lambda each: each[0])
        begin = None if after is None else (-after[0], after[1])
        return [
            (session, priority) for key, session, priority in found if begin is None or key > begin
        ][:limit]
