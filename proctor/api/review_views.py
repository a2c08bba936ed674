"""What those who review get: who is allowed what, what was said, which session is worth a look first."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from proctor.api.views import IncidentView, PriorityView, SessionSummary, View
from proctor.domain.allowances import Accommodation, BreakBy
from proctor.domain.incidents import Incident, Verdict
from proctor.domain.priority import Priority
from proctor.fusion.accommodations import ACCOMMODATION


class RankedView(View):
    """A session and its review priority; null before there was one."""

    session: SessionSummary
    priority: PriorityView | None


class AccommodatedView(View):
    """What a candidate is allowed, in one exam or (null) in every one."""

    exam_id: str | None
    accommodations: list[Accommodation]


class AccommodationsView(View):
    """All that a candidate is allowed; what is said for an exam goes before what holds in every one."""

    items: list[AccommodatedView]


class BreakView(View):
    """A break in session time; `end_ms` is null until somebody ends it."""

    break_id: str
    start_ms: int
    end_ms: int | None
    by: BreakBy


class BreaksView(View):
    """A session's breaks, by their beginning."""

    items: list[BreakView]


class VerdictView(View):
    """A reviewer's word; `told_at` is null while the alert about it is owed."""

    verdict_id: str
    incident_id: str
    verdict: Verdict
    reviewer: str
    reason: str
    given_at: datetime
    told_at: datetime | None


class VerdictsView(View):
    """Every word of a reviewer about one incident, oldest first."""

    items: list[VerdictView]


def priority_view(priority: Priority | None, in_full: bool) -> PriorityView | None:
    """A review priority, with what it is made of for those who review."""
    if priority is None:
        return None
    shown = PriorityView.model_validate(priority)
    if in_full:
        return shown
    hidden = ("base_log_odds", "log_odds", "contributions", "peak_contributions")
    return shown.model_copy(update=dict.fromkeys(hidden))


def incident_views(found: Iterable[Incident], in_full: bool) -> list[IncidentView]:
    """Incidents as those see them who may know of accommodations (`in_full`), or may not.

    The others see no incident that an accommodation covers, and of none that it does (TRUST P17).
    """
    shown = found if in_full else (_as_told(each) for each in found if not _is_covered(each))
    return [IncidentView.model_validate(each) for each in shown]


def _is_covered(incident: Incident) -> bool:
    return not incident.is_told and _is_accommodation(incident.suppressed_by)


def _is_accommodation(suppressed_by: str | None) -> bool:
    return suppressed_by is not None and suppressed_by.startswith(ACCOMMODATION)


def _as_told(incident: Incident) -> Incident:
    """With no more than its alerts say: an escalation that is held back would show what does so."""
    why = None if _is_accommodation(incident.suppressed_by) else incident.suppressed_by
    severity = incident.told_severity or incident.severity
    return replace(incident, suppressed_by=why, severity=severity)
