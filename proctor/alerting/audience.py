"""Which alert goes to which sink."""

from proctor.domain.alerts import Alert
from proctor.domain.incidents import Severity
from proctor.domain.sinks import SinkFilter

_RISING = tuple(Severity)
"""Severities in the order of the enumeration, the lowest first; a test holds it to that."""


def wants(wanted: SinkFilter, alert: Alert) -> bool:
    """Whether a sink with this filter takes the alert. A suppressed alert is for nobody."""
    if alert.suppressed_by is not None:
        return False
    if _RISING.index(alert.severity) < _RISING.index(wanted.severity_at_least):
        return False
    asked: tuple[tuple[tuple[str, ...], str], ...] = (
        (wanted.exam_ids, alert.exam_id),
        (wanted.session_ids, alert.session_id),
        (wanted.rule_ids, alert.rule_id),
        (wanted.categories, alert.category),
        (wanted.transitions, alert.transition),
    )
    return all(not allowed or value in allowed for allowed, value in asked)
