"""What people add to a session: how it is left, what the candidate says, what no rule found.

Nothing here ends an exam, tells a candidate off or changes what a judge wrote: it is kept and shown.
"""

from collections.abc import Sequence

from proctor.domain.casework import (
    MANUAL_RULE,
    NO_POLICY_VERSION,
    Added,
    DecisionWord,
    SessionDecision,
    Statement,
    StatementBy,
)
from proctor.domain.errors import Conflict, InvalidInput
from proctor.domain.ids import IncidentId, SessionId, TenantId, new_id
from proctor.domain.incidents import Category, Incident, Severity, Verdict
from proctor.ports import CaseStore, Clock, SessionStore
from proctor.services.timeline import length_ms

MOST_STATEMENTS = 50
MOST_ADDED = 200


class DecidedMeanwhile(Conflict):
    """Somebody decided since the caller looked."""

    code = "review/decided-meanwhile"
    status = 412


class Casework:
    """Keeps decisions, statements and added incidents."""

    def __init__(self, cases: CaseStore, sessions: SessionStore, clock: Clock) -> None:
        self._cases = cases
        self._sessions = sessions
        self._clock = clock

    async def decisions(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> Sequence[SessionDecision]:
        """Oldest first; the last one stands. Raises `NotFound`."""
        await self._sessions.get(tenant_id, session_id)
        return await self._cases.decisions(tenant_id, session_id)

    async def decide(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        word: DecisionWord,
        notes: str,
        reviewer: str,
        seen: int,
    ) -> Sequence[SessionDecision]:
        """Leave a session so; the decisions before are kept.

        Args:
            tenant_id: Whose.
            session_id: Which session.
            word: How it is left.
            notes: Why, for those who review.
            reviewer: Who; never empty.
            seen: The version that the reviewer saw, 0 for none.

        Returns:
            Every decision, oldest first.

        Raises:
            NotFound: No such session.
            InvalidInput: Nobody says so.
            DecidedMeanwhile: Another version stands.
        """
        if not reviewer.strip():
            raise InvalidInput("A decision needs a reviewer.")
        before = await self.decisions(tenant_id, session_id)
        decision = SessionDecision(
            tenant_id=tenant_id,
            session_id=session_id,
            version=seen + 1,
            word=word,
            reviewer=reviewer,
            notes=notes,
            given_at=self._clock.now(),
        )
        try:
            await self._cases.decide(decision)
        except Conflict:
            raise DecidedMeanwhile(
                "Somebody has decided since you looked: read the decision again."
            ) from None
        return [*before, decision]

    async def statements(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Statement]:
        """Oldest first. Raises `NotFound`."""
        await self._sessions.get(tenant_id, session_id)
        return await self._cases.statements(tenant_id, session_id)

    async def state(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        text: str,
        incident_id: IncidentId | None,
        by: StatementBy,
        author: str,
    ) -> Statement:
        """Keep a candidate's words about a session or an incident of it; no alert is edited.

        Raises:
            NotFound: No such session, or no such incident in it.
            Conflict: The session has `MOST_STATEMENTS` already.
        """
        session = await self._sessions.get(tenant_id, session_id)
        statement = Statement(
            statement_id=new_id("sta"),
            tenant_id=tenant_id,
            session_id=session_id,
            candidate_id=session.candidate_id,
            incident_id=incident_id,
            by=by,
            author=author,
            text=text,
            made_at=self._clock.now(),
        )
        await self._cases.add_statement(statement, MOST_STATEMENTS)
        return statement

    async def add_incident(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        words: str,
        start_ms: int,
        end_ms: int,
        category: Category,
        severity: Severity,
        reviewer: str,
    ) -> IncidentId:
        """Keep what no rule found and a reviewer saw. It is confirmed from the first, by who saw it.

        Raises:
            NotFound: No such session.
            Conflict: It has not begun, or `MOST_ADDED` were added to it already.
            InvalidInput: Nobody says so, or the times lie outside of the session.
        """
        if not reviewer.strip():
            raise InvalidInput("An incident that is added needs a reviewer.")
        session = await self._sessions.get(tenant_id, session_id)
        now = self._clock.now()
        if session.started_at is None:
            raise Conflict("The session has not begun.", "session/state")
        if not start_ms <= end_ms <= length_ms(session, now):
            raise InvalidInput("An incident lies within its session: correct opened_ms, closed_ms.")
        incident_id = IncidentId(new_id("inc"))
        incident = Incident(
            incident_id=incident_id,
            tenant_id=tenant_id,
            exam_id=session.exam_id,
            session_id=session_id,
            candidate_id=session.candidate_id,
            rule_id=MANUAL_RULE,
            policy_id="",
            policy_version=NO_POLICY_VERSION,
            category=category,
            severity=severity,
            opened_ms=start_ms,
            closed_ms=end_ms,
            signals=(),
            verdict=Verdict.CONFIRMED,
            is_told=False,
        )
        added = Added(
            tenant_id=tenant_id,
            session_id=session_id,
            incident_id=incident_id,
            words=words,
            reviewer=reviewer,
            added_at=now,
        )
        await self._cases.add_incident(incident, added, MOST_ADDED)
        return incident_id
