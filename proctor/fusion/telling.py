"""An incident and its sentence, made of what was decided: nothing is decided here."""

from collections.abc import Sequence

from proctor.domain.ids import IncidentId, derive_id
from proctor.domain.incidents import Incident
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal
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
