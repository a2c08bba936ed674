"""`CaseStore` in memory, over the database that all relational fakes share."""

from collections.abc import Sequence

from proctor.domain.casework import Added, SessionDecision, Statement
from proctor.domain.errors import Conflict, NotFound
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.incidents import Incident
from tests.fakes.database import FakeRelational


class FakeCaseStore(FakeRelational):
    """Decisions, statements, added incidents."""

    def _ensure_session(self, tenant_id: TenantId, session_id: SessionId) -> None:
        session = self.database.sessions.get(session_id)
        if session is None or session.tenant_id != tenant_id:
            raise NotFound(f"no session {session_id}")
        if (tenant_id, session.candidate_id) in self.database.erasures:
            raise NotFound(f"no candidate {session.candidate_id}")

    async def decide(self, decision: SessionDecision) -> None:
        self._reach()
        self._ensure_session(decision.tenant_id, decision.session_id)
        known = self.database.decisions.setdefault(decision.session_id, [])
        if decision.version != len(known) + 1:
            raise Conflict("decided meanwhile")
        known.append(decision)
        said = (decision.reviewer, "session.decided", decision.session_id, decision.word.value)
        self.database.audit.append((decision.tenant_id, *said))

    async def decisions(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[SessionDecision]:
        self._reach()
        known = self.database.decisions.get(session_id, [])
        return [each for each in known if each.tenant_id == tenant_id]

    async def add_statement(self, statement: Statement, most: int) -> None:
        self._reach()
        self._ensure_session(statement.tenant_id, statement.session_id)
        if statement.incident_id is not None:
            incident = self.database.incidents.get(statement.incident_id)
            whose = (statement.tenant_id, statement.session_id)
            if incident is None or (incident.tenant_id, incident.session_id) != whose:
                raise NotFound(f"no incident {statement.incident_id}")
        if len(await self.statements(statement.tenant_id, statement.session_id)) >= most:
            raise Conflict("too many statements")
        self.database.statements.append(statement)
        about = statement.incident_id or statement.session_id
        row = (statement.tenant_id, statement.author, "statement.added", about, None)
        self.database.audit.append(row)

    async def statements(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Statement]:
        self._reach()
        found = [
            each
            for each in self.database.statements
            if (each.tenant_id, each.session_id) == (tenant_id, session_id)
        ]
        return sorted(found, key=lambda each: (each.made_at, each.statement_id))

    async def add_incident(self, incident: Incident, added: Added, most: int) -> None:
        self._reach()
        self._ensure_session(added.tenant_id, added.session_id)
        if len(await self.additions(added.tenant_id, added.session_id)) >= most:
            raise Conflict("too many added incidents")
        self.database.incidents[incident.incident_id] = incident
        self.database.additions[incident.incident_id] = added
        said = (added.reviewer, "incident.added", added.incident_id, f"session {added.session_id}")
        self.database.audit.append((added.tenant_id, *said))

    async def additions(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Added]:
        self._reach()
        found = [
            each
            for each in self.database.additions.values()
            if (each.tenant_id, each.session_id) == (tenant_id, session_id)
        ]
        return sorted(found, key=lambda each: (each.added_at, each.incident_id))
