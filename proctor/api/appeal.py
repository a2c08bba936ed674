"""An appeal bundle of a session's file: plain words, and nothing that its reader may not have."""

from collections.abc import Mapping
from datetime import datetime

from proctor.api.appeal_views import (
    AppealDecisionView,
    AppealIncidentView,
    AppealModelView,
    AppealSignalView,
    AppealVerdictView,
    AppealView,
    CoverageGapsView,
)
from proctor.api.desk_shown import coverage_views
from proctor.api.desk_views import StatementView, StretchView
from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.incidents import Incident
from proctor.domain.observations import Producer
from proctor.domain.published import PublishedModel
from proctor.fusion.evidence import judged_picture, producers
from proctor.services.desk import CaseFile, is_added, title_of

MOST_GAPS = 500
NOT_IN_CATALOGUE = "the catalogue of this installation does not know this model and version"
NOT_MEASURED = "nothing was measured of it here"
EXPLAINED = (
    "This is everything that was noted of one exam session, and what each note rests on.",
    "A note (an incident) says that a rule of the exam's policy held for a while, or that a reviewer saw "
    "something. It is no verdict: people decide, and no program ends an exam or marks a person.",
    "Numbers called probability say how sure a program was that a behaviour was there, from 0 to 1. They "
    "do not say why it was there, and nothing of it is a measure of guilt.",
    "When the camera or the microphone could not be followed, that is listed as a gap. Nothing is held "
    "against anybody for a gap.",
    "The programs that looked and listened are listed with how often they were found wrong, where that "
    "was measured.",
    "Whoever contests something here adds a statement in their own words. Statements stay beside the "
    "notes; neither is ever edited.",
)

PublishedModels = Mapping[tuple[str, str], PublishedModel]
"""(model, version) -> what is published of it."""


def appeal_view(
    case: CaseFile, now: datetime, published: PublishedModels, *, for_staff: bool
) -> AppealView:
    """The bundle.

    Args:
        case: The session's file.
        now: When the bundle is made.
        published: What is published of models.
        for_staff: Whether reviewers' names, reasons and notes are in it.
    """
    session, exam = case.card.session, case.exam
    left_out = [
        f"{each.lane}: {each.shown} of {each.total or 'more'}; {each.rule}"
        for each in case.timeline.truncated
    ]
    gaps = []
    for modality in Modality:
        stretches = [
            each
            for each in case.timeline.coverage[modality]
            if each.state is not CoverageState.MONITORED
        ]
        if len(stretches) > MOST_GAPS:
            left_out.append(f"gaps of {modality}: the first {MOST_GAPS} of {len(stretches)}")
        shown = [StretchView.model_validate(each) for each in stretches[:MOST_GAPS]]
        gaps.append(CoverageGapsView(modality=modality, gaps=shown))
    models = dict.fromkeys(one for incident in case.details for one in producers(incident.signals))
    return AppealView(
        made_at=now,
        explained=list(EXPLAINED),
        session_id=session.session_id,
        candidate_ref=case.candidate.external_ref,
        exam_id=exam.exam_id,
        exam_title=exam.title,
        started_at=session.started_at,
        ended_at=session.ended_at,
        length_ms=case.timeline.length_ms,
        retention_days=exam.retention_days,
        incidents=[_incident(case, incident, for_staff) for incident in case.details],
        models=[_model(one, published) for one in models],
        coverage=coverage_views(case.card, now),
        gaps=gaps,
        decisions=[
            AppealDecisionView(
                word=each.word,
                given_at=each.given_at,
                reviewer=each.reviewer if for_staff else None,
                notes=each.notes if for_staff else None,
            )
            for each in case.decisions
        ],
        statements=[StatementView.model_validate(each) for each in case.statements],
        policy_id=exam.policy_id,
        policy_version=exam.policy_version,
        policy_text=exam.policy_text,
        left_out=left_out,
    )


def _incident(case: CaseFile, incident: Incident, for_staff: bool) -> AppealIncidentView:
    told = case.openings.get(incident.incident_id)
    added = case.additions.get(incident.incident_id)
    by_person = is_added(incident)
    reason = added.words if added else None if told is None else told.reason
    return AppealIncidentView(
        incident_id=incident.incident_id,
        title=title_of(incident, told, case.policy),
        reason=reason,
        found_by="a reviewer" if by_person else "a rule of the exam's policy",
        rule_id=incident.rule_id,
        rule_text=None if by_person else case.policy.rules.get(incident.rule_id),
        category=incident.category,
        severity=incident.severity,
        opened_ms=incident.opened_ms,
        closed_ms=incident.closed_ms,
        evidence=incident.evidence.status,
        frame_digest=judged_picture(incident.signals),
        verdict=incident.verdict,
        verdicts=[
            AppealVerdictView(
                verdict=each.verdict,
                given_at=each.given_at,
                reviewer=each.reviewer if for_staff else None,
                reason=each.reason if for_staff else None,
            )
            for each in case.verdicts
            if each.incident_id == incident.incident_id
        ],
        signals=[
            AppealSignalView(
                what=each.kind.value.replace("_", " "),
                started_ms=each.started_ms,
                ended_ms=each.ended_ms,
                probability=each.probability,
                numbers=dict(each.support.numbers),
            )
            for each in incident.signals
        ],
        held_back_by=incident.suppressed_by,
    )


def _model(one: Producer, published: PublishedModels) -> AppealModelView:
    known = published.get((one.model, one.version))
    rates = [] if known is None else list(known.error_rates)
    why = NOT_IN_CATALOGUE if known is None else NOT_MEASURED
    return AppealModelView(
        model=one.model,
        version=one.version,
        digest=one.digest,
        role=None if known is None else known.role,
        error_rates=rates,
        error_rates_reason=None if rates else why,
    )
