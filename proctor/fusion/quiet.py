"""Who hears of an incident: rules that keep others quiet, and threads of rules that belong together.

Nothing is left out: what is not told is an incident and an alert with its number all the same, and
`suppressed_by` says why. What a rule kept quiet is told as soon as that rule's incident is over and this
one is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proctor.domain.incidents import Incident, Severity
from proctor.fusion.grouping import ORDER, Group
from proctor.fusion.policy import Rule

INHIBITED = "inhibited:"
GROUPED = "grouped:"


@dataclass(slots=True, kw_only=True)
class Thread:
    """The incident that a group's other incidents join.

    Attributes:
        incident: Its newest state, open or closed.
        until_ms: Who opens later begins a thread of its own.
        grouped: How many have joined.
    """

    incident: Incident
    until_ms: int
    grouped: int = 0


@dataclass(slots=True, kw_only=True)
class QuietState:
    """The newest thread of each group: plain data, to be written down as JSON."""

    threads: dict[str, Thread] = field(default_factory=dict)


class Quiet:
    """Decides what is kept quiet by other rules, over one state."""

    def __init__(self, groups: Mapping[str, Group], state: QuietState) -> None:
        self._groups = groups
        self._threads = state.threads

    def inhibited(self, rule: Rule, incidents: Mapping[str, Incident]) -> str | None:
        """`inhibited:` with the rule whose incident is open and was told, or None."""
        for name in rule.inhibited_by:
            if name in incidents and incidents[name].is_told:
                return INHIBITED + name
        return None

    def joined(self, rule: Rule, now_ms: int) -> str | None:
        """`grouped:` with the rule that leads the thread which a new incident joins, or None."""
        thread = None if rule.group is None else self._threads.get(rule.group)
        if thread is None or now_ms > thread.until_ms or rule.severity is Severity.HIGH:
            return None
        said = thread.incident.told_severity or thread.incident.severity
        if ORDER.index(rule.severity) > ORDER.index(said):
            return None  # nothing is hidden behind something weaker: it begins a thread
        thread.grouped += 1
        return GROUPED + thread.incident.rule_id

    def lead(self, rule: Rule, incident: Incident, now_ms: int) -> None:
        """An incident was told as new: it leads a thread, if its rule has a group."""
        if rule.group is not None:
            until_ms = now_ms + self._groups[rule.group].window_ms
            self._threads[rule.group] = Thread(incident=incident, until_ms=until_ms)

    def follow(self, rule: Rule, incident: Incident) -> None:
        """An incident has changed: if it leads a thread, the thread knows its newest state."""
        thread = None if rule.group is None else self._threads.get(rule.group)
        if thread is not None and thread.incident.incident_id == incident.incident_id:
            thread.incident = incident

    def thread(self, rule: Rule) -> Thread:
        """The newest thread of the rule's group."""
        return self._threads[rule.group or ""]
