"""The reviewer's desk: the queue, incidents over sessions, one incident whole, a session's timeline."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from proctor.api.desk_shown import FIELDS, card_view, line_view, timeline_view, whole_view
from proctor.api.desk_views import (
    IncidentLineView,
    IncidentWholeView,
    SessionCardView,
    TimelineView,
)
from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Limit, bad_cursor
from proctor.api.views import Page
from proctor.domain.desk import IncidentFilter, QueueFilter, ReviewStatus
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import ExamId, IncidentId, SessionId
from proctor.domain.incidents import Category, Severity, Verdict
from proctor.domain.sessions import SessionState
from proctor.services.desk import Desk

_QUEUE_CURSOR = re.compile(r"que_([0-9]{7})z([A-Za-z0-9_-]{1,64})")
_INCIDENT_CURSOR = re.compile(r"inl_([0-9]{1,17})z([A-Za-z0-9_-]{1,64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

IdFilter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RuleFilter = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Cursor = Annotated[
    str | None, Query(max_length=96, description="`next` of the page before, with its filters.")
]
Words = Annotated[
    str,
    Query(
        max_length=64,
        pattern=r"^[^\x00]*$",  # PostgreSQL takes no text with it
        description="In the candidate's reference, or a session's id.",
    ),
]
Share = Annotated[float | None, Query(ge=0, le=1)]


def desk_router(desk: Desk) -> APIRouter:
    """Routes of the reviewer's desk."""
    router = APIRouter(prefix="/v1", tags=["review"], route_class=GuardedRoute)

    @router.get("/review/queue")
    async def review_queue(
        caller: Caller,
        exam_id: IdFilter = None,
        state: SessionState | None = None,
        status: ReviewStatus | None = None,
        severity: Severity | None = None,
        rule_id: RuleFilter = None,
        category: Category | None = None,
        verdict: Verdict | None = None,
        min_priority: Share = None,
        q: Words = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[SessionCardView]:
        """Sessions, the highest review priority first; those without one come last, with the reason.

        Severity, rule, category and verdict ask for sessions with one incident that is all of it.
        """
        wanted = QueueFilter(
            exam_id=ExamId(exam_id) if exam_id else None,
            state=state,
            status=status,
            severity=severity,
            rule_id=rule_id,
            category=category,
            verdict=verdict,
            min_rank=None if min_priority is None else math.ceil(min_priority * 1_000_000),
            words=q.strip(),
        )
        found = await desk.queue(caller.tenant_id, wanted, _after(cursor), limit + 1)
        now = desk.now()
        items = [card_view(card, now, FIELDS, in_full=True) for card in found[:limit]]
        following = None
        if len(found) > limit:
            last = found[limit - 1]
            following = f"que_{last.rank + 1:07d}z{last.session.session_id}"
        return Page(items=items, next=following)

    @router.get("/incidents")
    async def list_incidents_of_all(
        caller: Caller,
        exam_id: IdFilter = None,
        session_id: IdFilter = None,
        rule_id: RuleFilter = None,
        severity: Severity | None = None,
        category: Category | None = None,
        verdict: Verdict | None = None,
        opened_from: datetime | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[IncidentLineView]:
        """Incidents over sessions, the newest first."""
        if opened_from is not None and opened_from.tzinfo is None:
            raise InvalidInput("opened_from needs a time zone: end it with Z.")
        if opened_from is not None and not 1970 <= opened_from.year < 9999:
            raise InvalidInput("opened_from lies in the years 1970 to 9998.")  # in UTC, too
        wanted = IncidentFilter(
            exam_id=ExamId(exam_id) if exam_id else None,
            session_id=SessionId(session_id) if session_id else None,
            rule_id=rule_id,
            severity=severity,
            category=category,
            verdict=verdict,
            opened_from=opened_from,
        )
        found = await desk.incidents(caller.tenant_id, wanted, _older_than(cursor), limit + 1)
        following = None
        if len(found) > limit:
            last = found[limit - 1]
            micros = (last.opened_at - _EPOCH) // _MICROSECOND
            following = f"inl_{max(micros, 0)}z{last.incident_id}"
        return Page(items=[line_view(each) for each in found[:limit]], next=following)

    @router.get("/incidents/{incident_id}")
    async def get_incident(incident_id: str, caller: Caller) -> IncidentWholeView:
        """One incident: the reason in plain words with its numbers, and all that it rests on."""
        return whole_view(await desk.incident(caller.tenant_id, IncidentId(incident_id)))

    @router.get("/sessions/{session_id}/timeline")
    async def get_timeline(session_id: str, caller: Caller) -> TimelineView:
        """The session in lanes, ready to be drawn; what is left out is told in `truncated`."""
        return timeline_view(*await desk.timeline(caller.tenant_id, SessionId(session_id)))

    return router


def _after(cursor: str | None) -> tuple[int, SessionId] | None:
    """Rank and session that the page before ended with. Raises `InvalidInput` (request/bad-cursor)."""
    if cursor is None:
        return None
    known = _QUEUE_CURSOR.fullmatch(cursor)
    if known is None:
        raise bad_cursor()
    return int(known[1]) - 1, SessionId(known[2])


def _older_than(cursor: str | None) -> tuple[datetime, IncidentId] | None:
    if cursor is None:
        return None
    known = _INCIDENT_CURSOR.fullmatch(cursor)
    if known is None:
        raise bad_cursor()
    return _EPOCH + int(known[1]) * _MICROSECOND, IncidentId(known[2])
