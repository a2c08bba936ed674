"""Which sessions to look at first, until the review priority of the incidents themselves takes its place.

One function, so that it can be exchanged: whoever ranks sessions calls `weight_of`.
"""

from collections.abc import Iterable, Mapping

from proctor.domain.alerts import Alert
from proctor.domain.incidents import Category, Severity

WEIGHTS: Mapping[Severity, int] = {
    Severity.INFO: 0,
    Severity.LOW: 1,
    Severity.MEDIUM: 3,
    Severity.HIGH: 9,
}
"""A choice and no measurement: three of one severity are looked at like one of the next."""


def weight_of(alerts: Iterable[Alert]) -> int:
    """How soon to look at a session: its incidents by the highest severity each has reached.

    Incidents of category coverage are never held against a candidate, and what an accommodation
    suppressed weighs nothing.
    """
    highest: dict[str, int] = {}
    for alert in alerts:
        if alert.category is not Category.COVERAGE and alert.suppressed_by is None:
            weight = WEIGHTS[alert.severity]
            highest[alert.incident_id] = max(highest.get(alert.incident_id, 0), weight)
    return sum(highest.values())
