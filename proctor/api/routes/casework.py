"""What people add to a session: decisions, statements, incidents; and all of it as an appeal bundle."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from proctor.api.appeal import appeal_view
from proctor.api.appeal_page import HEADERS, appeal_page
from proctor.api.appeal_views import AppealView
from proctor.api.case_schemas import NewDecision, NewIncident, NewStatement
from proctor.api.desk_shown import whole_view
from proctor.api.desk_views import (
    DecisionsView,
    DecisionView,
    IncidentWholeView,
    StatementsView,
    StatementView,
)
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.services import Services
from proctor.domain.casework import DecisionWord, SessionDecision, StatementBy
from proctor.domain.errors import Conflict, InvalidInput
from proctor.domain.ids import IncidentId, SessionId
from proctor.domain.incidents import Category, Severity
from proctor.domain.roles import Role
from proctor.domain.sessions import SessionState

_TAG = re.compile(r'"(0|[1-9][0-9]{0,8})"')
Format = Annotated[Literal["json", "html"], Query(description="`html`: a page to print.")]


def casework_router(services: Services) -> APIRouter:
    """Routes of casework."""
    router = APIRouter(prefix="/v1/sessions", tags=["review"], route_class=GuardedRoute)
    casework, desk = services.casework, services.desk

    @router.post("/{session_id}/incidents", status_code=201)
    async def add_incident(session_id: str, new: NewIncident, caller: Caller) -> IncidentWholeView:
        """Note what no rule found. It is a person's, and counts for no rule."""
        added = await casework.add_incident(
            caller.tenant_id,
            SessionId(session_id),
            new.words,
            new.opened_ms,
            new.closed_ms,
            Category(new.category),
            Severity(new.severity),
            caller.subject,
        )
        return whole_view(await desk.incident(caller.tenant_id, added))

    @router.get("/{session_id}/decision")
    async def get_decision(session_id: str, caller: Caller, response: Response) -> DecisionsView:
        """How the session was left, with every decision before; the ETag is for the next one."""
        found = await casework.decisions(caller.tenant_id, SessionId(session_id))
        return _decided(found, response)

    @router.put("/{session_id}/decision")
    async def decide(
        session_id: str, new: NewDecision, caller: Caller, request: Request, response: Response
    ) -> DecisionsView:
        """Leave the session so. If-Match names the version that you saw: `"0"` before the first."""
        await casework.decisions(caller.tenant_id, SessionId(session_id))  # 404 before all else
        found = await casework.decide(
            caller.tenant_id,
            SessionId(session_id),
            DecisionWord(new.word),
            new.notes,
            caller.subject,
            _seen(request),
        )
        return _decided(found, response)

    @router.get("/{session_id}/statements")
    async def list_statements(session_id: str, caller: Caller) -> StatementsView:
        """What the candidate says, oldest first."""
        found = await casework.statements(caller.tenant_id, SessionId(session_id))
        return StatementsView(items=[StatementView.model_validate(each) for each in found])

    @router.post("/{session_id}/statements", status_code=201)
    async def add_statement(session_id: str, new: NewStatement, caller: Caller) -> StatementView:
        """Add the candidate's words to the session, or to an incident of it. Nothing is edited."""
        is_own = caller.role is Role.CANDIDATE
        added = await casework.state(
            caller.tenant_id,
            SessionId(session_id),
            new.text,
            IncidentId(new.incident_id) if new.incident_id else None,
            StatementBy.CANDIDATE if is_own else StatementBy.STAFF,
            caller.subject,
        )
        return StatementView.model_validate(added)

    @router.get("/{session_id}/appeal", response_model=AppealView)
    async def get_appeal(
        session_id: str, caller: Caller, format: Format = "json"
    ) -> AppealView | Response:
        """Everything that was noted of the session and what it rests on, for whoever contests it.

        The candidate has it once the session is over, without reviewers' names and notes.
        """
        case = await desk.case(caller.tenant_id, SessionId(session_id))
        is_candidate = caller.role is Role.CANDIDATE
        if is_candidate and case.card.session.state is not SessionState.ENDED:
            raise Conflict("Your session is not over; ask again after it.", "session/state")
        shown = appeal_view(case, desk.now(), services.published, for_staff=not is_candidate)
        if format == "html":
            return Response(appeal_page(shown), headers=dict(HEADERS))
        return shown

    return router


def _seen(request: Request) -> int:
    """The version in If-Match. Raises `InvalidInput` (428) when there is none that we gave."""
    known = _TAG.fullmatch(request.headers.get("if-match", ""))
    if known is None:
        raise InvalidInput(
            'Send If-Match with the ETag of the decision that you saw ("0" for none).',
            "review/if-match",
            428,
        )
    return int(known[1])


def _decided(found: Sequence[SessionDecision], response: Response) -> DecisionsView:
    history = [DecisionView.model_validate(each) for each in found]
    response.headers["ETag"] = f'"{history[-1].version if history else 0}"'
    return DecisionsView(current=history[-1] if history else None, history=history)
