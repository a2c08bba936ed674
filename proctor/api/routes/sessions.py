"""/v1/sessions: made, listed, looked at, ended."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from proctor.api.access import KNOW_ACCOMMODATIONS
from proctor.api.desk_shown import FIELDS, card_view, fields_for
from proctor.api.desk_views import SessionCardView
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.links import join_url
from proctor.api.paging import Cursor, Limit, checked, cut
from proctor.api.review_views import incident_views, priority_view
from proctor.api.schemas import NewSession
from proctor.api.services import Services
from proctor.api.views import (
    IncidentsView,
    JoinTicketView,
    NewSessionView,
    Page,
    SessionView,
)
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import CandidateId, ExamId, SessionId
from proctor.domain.roles import Role
from proctor.domain.sessions import SessionState
from proctor.services.tickets import LIFE_S, TicketKind

ExamFilter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

Fields = Annotated[
    str, Query(max_length=100, description=f"Comma-separated: {', '.join(sorted(FIELDS))}.")
]


def sessions_router(services: Services) -> APIRouter:
    """Routes of sessions."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=GuardedRoute)
    sessions = services.sessions
    lives_s = LIFE_S[TicketKind.JOIN]

    @router.post("", status_code=201)
    async def create_session(new: NewSession, request: Request, caller: Caller) -> NewSessionView:
        """Make a session, with a one-time ticket for the candidate."""
        session = await sessions.create(
            caller.tenant_id, ExamId(new.exam_id), CandidateId(new.candidate_id)
        )
        ticket = await services.join.ticket(caller.tenant_id, session.session_id)
        return NewSessionView(
            session=SessionView.model_validate(session),
            join_ticket=ticket,
            join_url=join_url(request, services.public_url, ticket),
            expires_in_s=lives_s,
        )

    @router.get("")
    async def list_sessions(
        caller: Caller,
        exam_id: ExamFilter = None,
        state: SessionState | None = None,
        fields: Fields = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[SessionCardView]:
        """The tenant's sessions, by id; of what a grid shows, the fields that are asked for."""
        in_full = caller.role in KNOW_ACCOMMODATIONS
        wanted = _fields(fields)
        after = checked(cursor)
        found = await sessions.list(
            caller.tenant_id,
            ExamId(exam_id) if exam_id else None,
            state,
            SessionId(after) if after else None,
            limit + 1,
        )
        items, following = cut(found, limit, "session_id")
        if not wanted:
            return Page(
                items=[SessionCardView.model_validate(item) for item in items], next=following
            )
        shown = fields_for(caller.role, wanted, in_full)
        now = services.desk.now()
        cards = await services.desk.cards(caller.tenant_id, items)
        return Page(items=[card_view(card, now, shown, in_full) for card in cards], next=following)

    @router.get("/{session_id}")
    async def get_session(session_id: str, caller: Caller) -> SessionView:
        """One session with its coverage; what lasts has no `end_ms` yet."""
        found = await sessions.get(caller.tenant_id, SessionId(session_id))
        shown = SessionView.model_validate(found)
        if caller.role is Role.CANDIDATE:
            return shown
        off = await sessions.signals_off(found)
        priority = await services.priorities.of(caller.tenant_id, found.session_id)
        return shown.model_copy(
            update={
                "signals_off": None if off is None else list(off),
                "alert_log_sha256": await sessions.alert_log_sha256(found),
                "priority": priority_view(priority, caller.role in KNOW_ACCOMMODATIONS),
            }
        )

    @router.post("/{session_id}/end")
    async def end_session(session_id: str, caller: Caller) -> SessionView:
        """End the session. Ending it again changes nothing and answers the same."""
        return SessionView.model_validate(
            await sessions.end(caller.tenant_id, SessionId(session_id))
        )

    @router.post("/{session_id}/tickets", status_code=201)
    async def new_join_ticket(session_id: str, request: Request, caller: Caller) -> JoinTicketView:
        """Another one-time ticket, for a candidate who lost theirs."""
        ticket = await services.join.ticket(caller.tenant_id, SessionId(session_id))
        return JoinTicketView(
            join_ticket=ticket,
            join_url=join_url(request, services.public_url, ticket),
            expires_in_s=lives_s,
        )

    @router.get("/{session_id}/incidents")
    async def list_incidents(session_id: str, caller: Caller) -> IncidentsView:
        """Every incident of the session, oldest first."""
        found = await sessions.incidents(caller.tenant_id, SessionId(session_id))
        return IncidentsView(items=incident_views(found, caller.role in KNOW_ACCOMMODATIONS))

    return router


def _fields(text: str) -> frozenset[str]:
    """Fields of a card. Raises `InvalidInput` for one that there is not."""
    wanted = frozenset(text.split(",")) - {""}
    if not wanted <= FIELDS:
        raise InvalidInput(f"The fields are {', '.join(sorted(FIELDS))}.")
    return wanted
