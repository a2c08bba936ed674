"""Ways in: tickets become a candidate's token, a staff member's token, or an open socket."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from proctor.domain.errors import Conflict, NotFound, Unauthorized
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.roles import Principal, Role
from proctor.domain.sessions import Exam, Session, SessionState
from proctor.ports import Clock, ExamStore, SessionStore, TokenMint
from proctor.services.tickets import TicketKind, Tickets

CANDIDATE_LIFETIME = timedelta(hours=12)
STAFF_LIFETIME = timedelta(hours=8)


class SessionEnded(Conflict):
    """The session is over."""

    code = "session/state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a candidate's page gets for its ticket."""

    token: str
    session: Session
    exam: Exam


class Join:
    """Lets candidates in."""

    def __init__(
        self,
        tickets: Tickets,
        tokens: TokenMint,
        sessions: SessionStore,
        exams: ExamStore,
    ) -> None:
        self._tickets = tickets
        self._tokens = tokens
        self._sessions = sessions
        self._exams = exams

    async def ticket(self, tenant_id: TenantId, session_id: SessionId) -> str:
        """A join ticket, good once and for 15 minutes.

        Raises `NotFound`, or `SessionEnded` when there is nothing left to join.
        """
        session = await self._sessions.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended; make a new one.")
        facts = {"tenant": tenant_id, "session": session_id}
        return await self._tickets.issue(TicketKind.JOIN, facts)

    async def redeem(self, ticket: str) -> Joined:
        """Exchange the ticket. Raises `Unauthorized` or `SessionEnded`."""
        facts = await self._tickets.redeem(TicketKind.JOIN, ticket)
        tenant_id, session_id = TenantId(facts["tenant"]), SessionId(facts["session"])
        try:
            session = await self._sessions.get(tenant_id, session_id)
        except NotFound:
            raise Unauthorized("The ticket's session is gone.", "auth/ticket") from None
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        token = self._tokens.mint(
            session.candidate_id, tenant_id, Role.CANDIDATE, CANDIDATE_LIFETIME, session_id
        )
        exam = await self._exams.get_exam(tenant_id, session.exam_id)
        return Joined(token=token, session=session, exam=exam)


class SignIn:
    """Lets staff in by a link, without a token in it."""

    def __init__(self, tickets: Tickets, tokens: TokenMint, clock: Clock) -> None:
        self._tickets = tickets
        self._tokens = tokens
        self._clock = clock

    async def ticket(self, caller: Principal) -> str:
        """A ticket for somebody to sign in as the caller."""
        return await self._tickets.issue(TicketKind.SIGN_IN, _facts_of(caller))

    async def redeem(self, ticket: str) -> tuple[str, Role]:
        """A token for the page. It never outlives the one that the ticket was bought with."""
        issuer = _principal_of(await self._tickets.redeem(TicketKind.SIGN_IN, ticket))
        left = issuer.expires_at - self._clock.now()
        if left < timedelta(seconds=1):
            raise Unauthorized("The token that made this ticket has expired.", "auth/expired")
        lifetime = min(left, STAFF_LIFETIME)
        token = self._tokens.mint(issuer.subject, issuer.tenant_id, issuer.role, lifetime)
        return token, issuer.role


class LiveTickets:
    """Lets pages open WebSockets."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def ticket(self, caller: Principal) -> str:
        """A ticket for one socket of the caller, good for 30 seconds."""
        return await self._tickets.issue(TicketKind.LIVE, _facts_of(caller))

    async def redeem(self, ticket: str) -> Principal:
        """Whose socket it is. Raises `Unauthorized`."""
        return _principal_of(await self._tickets.redeem(TicketKind.LIVE, ticket))


def _facts_of(caller: Principal) -> dict[str, str]:
    facts = {
        "subject": caller.subject,
        "tenant": caller.tenant_id,
        "role": caller.role.value,
        "token": caller.token_id,
        "expires": caller.expires_at.isoformat(),
    }
    if caller.session_id is not None:
        facts["session"] = caller.session_id
    return facts


def _principal_of(facts: Mapping[str, str]) -> Principal:
    session = facts.get("session")
    return Principal(
        subject=facts["subject"],
        tenant_id=TenantId(facts["tenant"]),
        role=Role(facts["role"]),
        token_id=facts["token"],
        expires_at=datetime.fromisoformat(facts["expires"]),
        session_id=SessionId(session) if session is not None else None,
    )
