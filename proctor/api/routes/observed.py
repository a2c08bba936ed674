"""A session's observations for data frames."""

from fastapi import APIRouter, Response

from proctor.api.guard import Caller, GuardedRoute
from proctor.domain.ids import SessionId
from proctor.services.observed import ObservedSessions

ARROW_STREAM = "application/vnd.apache.arrow.stream"


def observed_router(sessions: ObservedSessions) -> APIRouter:
    """Routes of those who analyse."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=GuardedRoute)

    @router.get(
        "/{session_id}/observations",
        response_class=Response,
        responses={200: {"content": {ARROW_STREAM: {}}}},
    )
    async def read_observations(session_id: str, caller: Caller) -> Response:
        """Everything that was seen and heard, as an Arrow stream, a row for each; it is audited."""
        stream = await sessions.read(caller.tenant_id, SessionId(session_id), caller.subject)
        return Response(stream, 200, {"Cache-Control": "no-store"}, ARROW_STREAM)

    return router
