"""Who hears of an incident: rules that keep others quiet, and threads of rules that belong together.

Nothing is left out: what is not told is an alert with its number all the same, and `suppressed_by` says
why. What was kept quiet by a rule is told as soon as that rule's incident is over and this one is not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proctor.domain.alerts import Transition
from proctor.domain.incidents import Incident, Severity
from proctor.fusion.grouping import ORDER, Group
from proctor.fusion.policy import Rule


@dataclass(slots=True, kw_only=True)
class Hushed:
    """An open incident that has news which nobody was told.

    Attributes:
        by: Why: `inhibited:RULE` or `grouped:RULE`.
        rule_id: The rule that keeps it quiet, or that leads its thread.
        is_inhibited: Whether it is told once that rule's incident is over.
        was_told: Whether it had been told before it fell silent.
    """

    by: str
    rule_id: str
    is_inhibited: bool
    was_told: bool


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
    """What is kept quiet: plain data, to be written down as JSON.

    Attributes:
        hushed: Open incidents with news that nobody was told, by rule.
        threads: The newest thread of each group.
    """

    hushed: dict[str, Hushed] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)


class Quiet:
    """Decides what is told, over one state."""

    def __init__(self, groups: Mapping[str, Group], state: QuietState) -> None:
        self._groups = groups
        self._state = state

    def hear(
        self,
        rule: Rule,
        incident: Incident,
        transition: Transition,
        incidents: Mapping[str, Incident],
        now_ms: int,
    ) -> str | None:
        """Why this change is not told, or None; remembers what follows from it.

        Args:
            rule: Whose incident.
            incident: As it is now.
            transition: How it came to be so.
            incidents: What is open, by rule.
            now_ms: The moment.
        """
        state = self._state
        before = state.hushed.get(rule.id)
        self._follow(rule, incident)
        if transition is Transition.CLOSED:
            state.hushed.pop(rule.id, None)
            return None if before is None or before.was_told else before.by
        hushed = self._inhibited(rule, incidents)
        if hushed is None and transition is Transition.OPENED:
            hushed = self._grouped(rule, incident, now_ms)
        if hushed is None:
            state.hushed.pop(rule.id, None)
            if rule.group is not None and transition is Transition.OPENED:
                window_ms = self._groups[rule.group].window_ms
                state.threads[rule.group] = Thread(incident=incident, until_ms=now_ms + window_ms)
            return None
        hushed.was_told = transition is not Transition.OPENED and (
            before is None or before.was_told
        )
        state.hushed[rule.id] = hushed
        return hushed.by

    def _inhibited(self, rule: Rule, incidents: Mapping[str, Incident]) -> Hushed | None:
        for name in rule.inhibited_by:
            hushed = self._state.hushed.get(name)
            if name in incidents and (hushed is None or hushed.was_told):
                return Hushed(
                    by=f"inhibited:{name}", rule_id=name, is_inhibited=True, was_told=False
                )
        return None

    def _grouped(self, rule: Rule, incident: Incident, now_ms: int) -> Hushed | None:
        thread = None if rule.group is None else self._state.threads.get(rule.group)
        if thread is None or now_ms > thread.until_ms or incident.severity is Severity.HIGH:
            return None
        if ORDER.index(incident.severity) > ORDER.index(thread.incident.severity):
            return None  # nothing is hidden behind something weaker: it begins a thread
        thread.grouped += 1
        lead = thread.incident.rule_id
        return Hushed(by=f"grouped:{lead}", rule_id=lead, is_inhibited=False, was_told=False)

    def _follow(self, rule: Rule, incident: Incident) -> None:
        thread = None if rule.group is None else self._state.threads.get(rule.group)
        if thread is not None and thread.incident.incident_id == incident.incident_id:
            thread.incident = incident

    def joined(self, rule: Rule) -> Thread | None:
        """The thread that the rule's incident has just joined, to be told of it."""
        hushed = self._state.hushed.get(rule.id)
        if hushed is None or hushed.is_inhibited or rule.group is None:
            return None
        return self._state.threads[rule.group]

    def released(self, incidents: Mapping[str, Incident]) -> Iterator[str]:
        """Rules whose incident lasts while what kept it quiet is over; each is told from now on."""
        for rule_id, hushed in list(self._state.hushed.items()):
            if hushed.is_inhibited and hushed.rule_id not in incidents and rule_id in incidents:
                yield rule_id

    def forget(self, rule_id: str) -> None:
        """The rule's incident is not open any more."""
        self._state.hushed.pop(rule_id, None)
