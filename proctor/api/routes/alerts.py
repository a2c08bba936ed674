"""/v1/alerts: the feed by pages; WebSocket (live.py) and events (stream.py) send the same as it comes."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Limit
from proctor.api.views import FeedItemView, FeedView
from proctor.domain.ids import ExamId, SessionId
from proctor.services.alerts import Alerts

STREAM = "/v1/live/alerts/stream"
Position = Annotated[int, Query(ge=0, le=1 << 53, description="The last position you have.")]
Filter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def alerts_router(alerts: Alerts) -> APIRouter:
    """Routes of alerts."""
    router = APIRouter(prefix="/v1/alerts", tags=["alerts"], route_class=GuardedRoute)

    @router.get("")
    async def list_alerts(
        caller: Caller,
        after: Position = 0,
        limit: Limit = 50,
        session_id: Filter = None,
        exam_id: Filter = None,
    ) -> FeedView:
        """Alerts after a position, in order of delivery; go on with `next`."""
        items = await alerts.after(
            caller.tenant_id,
            after,
            limit,
            SessionId(session_id) if session_id else None,
            ExamId(exam_id) if exam_id else None,
        )
        return FeedView(
            items=[FeedItemView.model_validate(item) for item in items],
            next=items[-1].position if items else after,
        )

    @router.get("/stream", status_code=307, response_class=RedirectResponse)
    async def where_alerts_are_streamed(request: Request) -> str:
        """The feed as server-sent events is in the deployment `live`: here is the way to it."""
        query = request.url.query
        return STREAM + (f"?{query}" if query else "")

    return router
