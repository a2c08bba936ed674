"""Which session to look at first, and what a reviewer says of an incident."""

import re

from fastapi import APIRouter

from proctor.api.access import KNOW_ACCOMMODATIONS
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Cursor, Limit, bad_cursor
from proctor.api.review_views import RankedView, VerdictsView, VerdictView, priority_view
from proctor.api.schemas import NewVerdict
from proctor.api.services import Services
from proctor.api.views import Page, SessionSummary
from proctor.domain.ids import ExamId, IncidentId, SessionId
from proctor.domain.incidents import Verdict
from proctor.domain.priority import WITHHELD_RANK

VERDICTS = {"confirm": Verdict.CONFIRMED, "dismiss": Verdict.DISMISSED}
_CURSOR = re.compile(r"pri_([0-9]{7})z([A-Za-z0-9]{1,32})")


def review_router(services: Services) -> APIRouter:
    """Routes of those who review."""
    router = APIRouter(prefix="/v1", tags=["review"], route_class=GuardedRoute)
    news, priorities = services.news, services.priorities

    @router.get("/exams/{exam_id}/priorities")
    async def list_priorities(
        exam_id: str, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[RankedView]:
        """The exam's sessions, the highest review priority first; those without one come last."""
        found = await priorities.ranked(
            caller.tenant_id, ExamId(exam_id), _after(cursor), limit + 1
        )
        in_full = caller.role in KNOW_ACCOMMODATIONS
        items = [
            RankedView(
                session=SessionSummary.model_validate(session),
                priority=priority_view(priority, in_full),
            )
            for session, priority in found[:limit]
        ]
        following = None
        if len(found) > limit:
            session, priority = found[limit - 1]
            rank = WITHHELD_RANK if priority is None else priority.rank
            following = f"pri_{rank + 1:07d}z{session.session_id.partition('_')[2]}"
        return Page(items=items, next=following)

    @router.post("/incidents/{incident_id}/verdict", status_code=201)
    async def give_verdict(incident_id: str, new: NewVerdict, caller: Caller) -> VerdictView:
        """Say that an incident happened, or dismiss it. It is kept and told; nothing else follows."""
        given = await news.verdict(
            caller.tenant_id,
            IncidentId(incident_id),
            VERDICTS[new.verdict],
            caller.subject,
            new.reason,
        )
        return VerdictView.model_validate(given)

    @router.get("/incidents/{incident_id}/verdicts")
    async def list_verdicts(incident_id: str, caller: Caller) -> VerdictsView:
        """Every word of a reviewer about the incident, oldest first."""
        found = await news.verdicts(caller.tenant_id, IncidentId(incident_id))
        return VerdictsView(items=[VerdictView.model_validate(each) for each in found])

    return router


def _after(cursor: str | None) -> tuple[int, SessionId] | None:
    """Rank and session that the page before ended with. Raises `InvalidInput` (request/bad-cursor)."""
    if cursor is None:
        return None
    known = _CURSOR.fullmatch(cursor)
    if known is None:
        raise bad_cursor()
    return int(known[1]) - 1, SessionId(f"ses_{known[2]}")
