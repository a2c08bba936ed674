"""The desk's values as views: cards of sessions, incidents, timelines."""

from collections import Counter
from datetime import datetime
from typing import Literal

from proctor.api.desk_views import (
    AddedView,
    BreakSpanView,
    CoverageLaneView,
    DecisionView,
    IncidentCountsView,
    IncidentLineView,
    IncidentWholeView,
    MilestoneView,
    ModalityCoverageView,
    Origin,
    ReasonShareView,
    ReviewVerdictView,
    SaidView,
    SessionCardView,
    SignalLaneView,
    StatementView,
    StretchView,
    SuppressedView,
    TimelineIncidentView,
    TimelineSignalView,
    TimelineView,
    TruncatedView,
)
from proctor.api.review_views import priority_view
from proctor.api.views import EvidenceView, ProducerView, SessionSummary, SignalView
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.desk import Card, IncidentLine
from proctor.domain.incidents import Severity, Verdict
from proctor.domain.priority import WITHHELD_RANK
from proctor.domain.roles import Role
from proctor.domain.sessions import SessionState
from proctor.domain.signals import SignalKind
from proctor.fusion.evidence import judged_picture, producers
from proctor.services.desk import WholeIncident, is_added, title_of
from proctor.services.policy_reader import ReadPolicy
from proctor.services.timeline import Timeline, length_ms

FIELDS = frozenset({"candidate", "exam", "priority", "coverage", "incidents", "decision"})
REVIEWED_FIELDS = frozenset({"incidents", "decision"})
"""For those who review: counts would show what an accommodation covers."""


def fields_for(role: Role, wanted: frozenset[str], in_full: bool) -> frozenset[str]:
    """Which of the fields of a card a role may have."""
    allowed = wanted if in_full else wanted - REVIEWED_FIELDS
    return allowed - {"candidate"} if role is Role.ANALYST else allowed


def card_view(card: Card, now: datetime, fields: frozenset[str], in_full: bool) -> SessionCardView:
    """A session with the fields that are wanted of its card."""
    summary = SessionSummary.model_validate(card.session).model_dump()
    counts = counts_view(card) if "incidents" in fields else None
    decision = None
    if "decision" in fields and card.decision is not None:
        decision = DecisionView.model_validate(card.decision)
    return SessionCardView(
        **summary,
        candidate_ref=card.candidate_ref if "candidate" in fields else None,
        exam_title=card.exam_title if "exam" in fields else None,
        priority=priority_view(card.priority, in_full) if "priority" in fields else None,
        withheld=_withheld(card) if "priority" in fields else None,
        coverage=coverage_views(card, now) if "coverage" in fields else None,
        incidents=counts,
        decision=decision,
    )


def _withheld(card: Card) -> Literal["coverage", "none_yet"] | None:
    if card.priority is None:
        return "none_yet"
    return "coverage" if card.rank == WITHHELD_RANK else None


def coverage_views(card: Card, now: datetime) -> list[ModalityCoverageView]:
    """Shares of what could be seen, up to this moment where it still lasts."""
    length = length_ms(card.session, now)
    is_live = card.session.state is SessionState.LIVE
    shown = []
    for modality in Modality:
        sums = [each for each in card.coverage if each.modality is modality]
        if not sums:
            continue
        by_state: Counter[CoverageState] = Counter()
        by_reason: Counter[tuple[CoverageState, CoverageReason]] = Counter()
        lasting = None
        for each in sums:
            ms = each.closed_ms
            if each.open_since_ms is not None:
                ms += max(0, length - each.open_since_ms)
                lasting = each if is_live else None
            by_state[each.state] += ms
            if each.reason is not None:
                by_reason[each.state, each.reason] += ms
        total = by_state.total()

        def share(ms: int, total: int = total) -> float | None:
            return round(ms / total, 6) if total else None

        shown.append(
            ModalityCoverageView(
                modality=modality,
                total_ms=total,
                monitored=share(by_state[CoverageState.MONITORED]),
                degraded=share(by_state[CoverageState.DEGRADED]),
                blind=share(by_state[CoverageState.BLIND]),
                reasons=[
                    ReasonShareView(state=state, reason=reason, ms=ms, share=share(ms) or 0.0)
                    for (state, reason), ms in by_reason.most_common()
                ],
                now=None if lasting is None else lasting.state,
                now_reason=None if lasting is None else lasting.reason,
            )
        )
    return shown


def counts_view(card: Card) -> IncidentCountsView:
    """Incidents of a session, counted."""
    by_severity = dict.fromkeys(Severity, 0)
    unreviewed = dict.fromkeys(Severity, 0)
    by_verdict: Counter[Verdict] = Counter()
    for each in card.counts:
        by_severity[each.severity] += each.count
        by_verdict[each.verdict] += each.count
        if each.verdict is Verdict.UNREVIEWED:
            unreviewed[each.severity] += each.count
    return IncidentCountsView(
        total=by_verdict.total(),
        unreviewed=by_verdict[Verdict.UNREVIEWED],
        confirmed=by_verdict[Verdict.CONFIRMED],
        dismissed=by_verdict[Verdict.DISMISSED],
        by_severity=by_severity,
        unreviewed_by_severity=unreviewed,
    )


def _line(line: IncidentLine) -> dict[str, object]:
    fields = {name: getattr(line, name) for name in IncidentLine.__dataclass_fields__}
    return fields | {"origin": Origin.HUMAN if is_added(line) else Origin.MACHINE}


def line_view(line: IncidentLine) -> IncidentLineView:
    """An incident in a list."""
    return IncidentLineView.model_validate(_line(line))


def whole_view(found: WholeIncident) -> IncidentWholeView:
    """One incident with all that explains it."""
    signals = found.incident.signals
    told = found.told[-1] if found.told else None
    return IncidentWholeView.model_validate(
        _line(found.line)
        | {
            "title": found.title,
            "reason": found.reason,
            "lines": list(found.lines),
            "rule_text": found.rule_text,
            "signals": [SignalView.model_validate(each) for each in signals],
            "producers": [ProducerView.model_validate(each) for each in producers(signals)],
            "frame_digest": judged_picture(signals) or (told.frame_digest if told else None),
            "evidence_kept": EvidenceView.model_validate(found.incident.evidence),
            "said": [SaidView.model_validate(each) for each in found.told],
            "verdicts": [ReviewVerdictView.model_validate(each) for each in found.verdicts],
            "statements": [StatementView.model_validate(each) for each in found.statements],
            "added": None if found.added is None else AddedView.model_validate(found.added),
        }
    )


def timeline_view(timeline: Timeline, policy: ReadPolicy) -> TimelineView:
    """A session ready to be drawn."""
    lanes: dict[SignalKind, list[TimelineSignalView]] = {}
    for shown in timeline.signals:
        signal = shown.signal
        lanes.setdefault(signal.kind, []).append(
            TimelineSignalView(
                signal_id=signal.signal_id,
                started_ms=signal.started_ms,
                ended_ms=signal.ended_ms,
                probability=signal.probability,
                incident_ids=list(shown.incident_ids),
            )
        )
    return TimelineView(
        session=SessionSummary.model_validate(timeline.session),
        length_ms=timeline.length_ms,
        is_over=timeline.session.state is SessionState.ENDED,
        incidents=[
            TimelineIncidentView.model_validate(
                _line(each) | {"title": title_of(each, None, policy)}
            )
            for each in timeline.incidents
        ],
        coverage=[
            CoverageLaneView(
                modality=modality,
                stretches=[StretchView.model_validate(each) for each in intervals],
            )
            for modality, intervals in timeline.coverage.items()
        ],
        signals=[
            SignalLaneView(kind=kind, items=lanes[kind]) for kind in SignalKind if kind in lanes
        ],
        milestones=[MilestoneView.model_validate(each) for each in timeline.milestones],
        breaks=[BreakSpanView.model_validate(each) for each in timeline.breaks],
        suppressed=[
            SuppressedView(
                start_ms=each.opened_ms,
                end_ms=each.closed_ms,
                incident_id=each.incident_id,
                rule_id=each.rule_id,
                by=each.suppressed_by,
            )
            for each in timeline.incidents
            if each.suppressed_by is not None
        ],
        truncated=[TruncatedView.model_validate(each) for each in timeline.truncated],
    )
