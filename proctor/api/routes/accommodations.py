"""/v1/candidates/{id}/accommodations and /v1/sessions/{id}/breaks: who is allowed what."""

from fastapi import APIRouter

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.review_views import AccommodatedView, AccommodationsView, BreaksView, BreakView
from proctor.api.schemas import NewAccommodations, NewBreak
from proctor.domain.allowances import Accommodation
from proctor.domain.ids import CandidateId, ExamId, SessionId
from proctor.services.accommodations import Accommodations


def accommodations_router(accommodations: Accommodations) -> APIRouter:
    """Routes of accommodations and breaks."""
    router = APIRouter(prefix="/v1", tags=["accommodations"], route_class=GuardedRoute)

    @router.get("/candidates/{candidate_id}/accommodations")
    async def get_accommodations(candidate_id: str, caller: Caller) -> AccommodationsView:
        """What the candidate is allowed. Proctors are not told, and nobody is told why."""
        found = await accommodations.of(caller.tenant_id, CandidateId(candidate_id))
        return AccommodationsView(items=[AccommodatedView.model_validate(each) for each in found])

    @router.put("/candidates/{candidate_id}/accommodations")
    async def put_accommodations(
        candidate_id: str, new: NewAccommodations, caller: Caller
    ) -> AccommodatedView:
        """Say what the candidate is allowed; live sessions are judged by it from now on."""
        given = await accommodations.put(
            caller.tenant_id,
            CandidateId(candidate_id),
            ExamId(new.exam_id) if new.exam_id else None,
            {Accommodation(each) for each in new.accommodations},
            caller.subject,
        )
        return AccommodatedView.model_validate(given)

    @router.get("/sessions/{session_id}/breaks")
    async def list_breaks(session_id: str, caller: Caller) -> BreaksView:
        """The session's breaks, by their beginning."""
        found = await accommodations.breaks(caller.tenant_id, SessionId(session_id))
        return BreaksView(items=[BreakView.model_validate(each) for each in found])

    @router.post("/sessions/{session_id}/breaks", status_code=201)
    async def give_break(session_id: str, new: NewBreak, caller: Caller) -> BreakView:
        """Begin a break now, or plan one."""
        given = await accommodations.give_break(
            caller.tenant_id, SessionId(session_id), new.start_ms, new.end_ms, caller.subject
        )
        return BreakView.model_validate(given)

    @router.delete("/sessions/{session_id}/breaks/{break_id}")
    async def end_break(session_id: str, break_id: str, caller: Caller) -> BreakView:
        """End a break now; one that has not begun never does. Again: nothing changes."""
        ended = await accommodations.end_break(
            caller.tenant_id, SessionId(session_id), break_id, caller.subject
        )
        return BreakView.model_validate(ended)

    return router
