"""An incident and the alert that tells of it, made of what was decided: nothing is decided here."""

from collections.abc import Sequence
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.ids import AlertId, IncidentId, derive_id
from proctor.domain.incidents import Incident
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal
from proctor.fusion.evidence import judged_picture, producers
from proctor.fusion.policy import Policy, Rule
from proctor.fusion.view import Held
from proctor.sensing.figures import LABELS


def incident_of(
    spec: SessionSpec, policy: Policy, rule: Rule, held: Held, alert_seq: int
) -> Incident:
    """What a reviewer judges, once a rule has held for long enough.

    Args:
        spec: Whose session.
        policy: The exam's.
        rule: Which of its rules.
        held: How it held.
        alert_seq: The number of the alert that will tell of it.
    """
    return Incident(
        incident_id=IncidentId(
            derive_id("inc", spec.session_id, rule.id, held.since_ms, alert_seq)
        ),
        tenant_id=spec.tenant_id,
        exam_id=spec.exam_id,
        session_id=spec.session_id,
        candidate_id=spec.candidate_id,
        rule_id=rule.id,
        policy_id=policy.id,
        policy_version=policy.version,
        category=rule.category,
        severity=rule.severity,
        opened_ms=held.since_ms,
        closed_ms=None,
        signals=held.signals,
    )


def said(template: str, signals: Sequence[Signal]) -> str:
    """A rule's sentence with the figures of the signals; the first that has a figure gives it."""
    figures: dict[str, float] = {}
    for signal in signals:
        for name, value in signal.support.numbers:
            figures.setdefault(name, value)
    labels = dict.fromkeys(label for signal in signals for label in signal.support.labels)
    return template.format(**figures, **{LABELS: ", ".join(labels)})


def alert_of(
    title: str,
    incident: Incident,
    transition: Transition,
    reason: str,
    *,
    seq: int,
    raised_at: datetime,
    suppressed_by: str | None,
) -> Alert:
    """News of a change of an incident. An update, of which there may be many, is named by its number."""
    which = (seq,) if transition is Transition.UPDATED else ()
    return Alert(
        alert_id=AlertId(derive_id("alr", incident.incident_id, transition, *which)),
        seq=seq,
        tenant_id=incident.tenant_id,
        exam_id=incident.exam_id,
        session_id=incident.session_id,
        candidate_id=incident.candidate_id,
        incident_id=incident.incident_id,
        transition=transition,
        rule_id=incident.rule_id,
        policy_id=incident.policy_id,
        policy_version=incident.policy_version,
        category=incident.category,
        severity=incident.severity,
        title=title,
        reason=reason,
        occurred_ms=incident.opened_ms if incident.closed_ms is None else incident.closed_ms,
        raised_at=raised_at,
        signals=incident.signals,
        producers=producers(incident.signals),
        frame_digest=judged_picture(incident.signals),
        suppressed_by=suppressed_by,
    )
