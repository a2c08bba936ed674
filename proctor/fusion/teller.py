"""Everything that is told gets its number here: news of incidents, of threads, of counts, and late news."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from proctor.domain.alerts import Alert, Transition
from proctor.domain.incidents import Incident
from proctor.domain.notes import IncidentNote
from proctor.fusion.budget import BUDGET, Budget
from proctor.fusion.grouping import GROUPED, TITLE
from proctor.fusion.news import alert_of, note_alert, noted, said_of_group, words
from proctor.fusion.policy import Policy, Rule
from proctor.fusion.quiet import Quiet

NOTES_KEPT = 200
"""Of how many notes is remembered that they were told: whoever tells again does so within seconds."""


class Numbered(Protocol):
    """What telling needs of the engine's memory."""

    alert_seq: int
    incidents: dict[str, Incident]
    noted: list[str]


@dataclass(slots=True)
class Outcome:
    """What a step brought, in order; `shown` are incidents of which evidence is to be kept now."""

    alerts: list[Alert] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    shown: list[Incident] = field(default_factory=list)


class Teller:
    """Makes the alerts of one session, numbered without holes, over the engine's memory."""

    def __init__(self, policy: Policy, state: Numbered, quiet: Quiet, budget: Budget) -> None:
        self._policy = policy
        self._state = state
        self._quiet = quiet
        self._budget = budget
        self._rules = {rule.id: rule for rule in policy.rules}
        self._titles = {rule.id: rule.title[policy.language] for rule in policy.rules}

    def tell(
        self,
        rule: Rule,
        incident: Incident,
        transition: Transition,
        reason: str,
        outcome: Outcome,
        raised_at: datetime,
        suppressed_by: str | None = None,
        about: str = "",
    ) -> None:
        """Tell a change of an incident; `about` tells apart updates of one incident."""
        self._state.alert_seq += 1
        self._quiet.follow(rule, incident)
        outcome.incidents.append(incident)
        outcome.alerts.append(
            alert_of(
                incident,
                transition,
                seq=self._state.alert_seq,
                title=self._titles[rule.id],
                reason=reason,
                raised_at=raised_at,
                suppressed_by=suppressed_by,
                about=about,
            )
        )

    def join(self, rule: Rule, outcome: Outcome, raised_at: datetime) -> None:
        """The first incident of a thread tells that another one has joined it."""
        thread, language = self._quiet.thread(rule), self._policy.language
        joined = self._policy.groups[rule.group or ""].joined[language]
        reason = joined.format(**{TITLE: self._titles[rule.id], GROUPED: thread.grouped})
        lead, about = thread.incident, str(self._state.alert_seq + 1)
        first = self._rules[lead.rule_id]
        told = Outcome()  # the first incident itself has not changed
        self.tell(first, lead, Transition.UPDATED, reason, told, raised_at, about=about)
        outcome.alerts += told.alerts

    def annotate(self, note: IncidentNote, raised_at: datetime) -> Outcome:
        """Tell late news of an incident, open or closed; the same note twice is told once."""
        outcome = Outcome()
        if note.note_id in self._state.noted:
            return outcome
        self._state.noted = [*self._state.noted, note.note_id][-NOTES_KEPT:]
        incident = note.incident
        for rule_id, each in self._state.incidents.items():
            if each.incident_id == incident.incident_id:
                incident = self._state.incidents[rule_id] = noted(each, note)
        incident = noted(incident, note)
        outcome.incidents.append(incident)
        if note.is_told:
            return outcome
        self._state.alert_seq += 1
        title = self._titles.get(incident.rule_id, incident.rule_id)
        language, seq = self._policy.language, self._state.alert_seq
        outcome.alerts.append(note_alert(incident, note, seq, title, language, raised_at))
        return outcome

    def count(self, now_ms: int | None, raised_at: datetime) -> Outcome:
        """The count of what the budget grouped, if it is due at `now_ms`; None: the session is over."""
        outcome, grouped = Outcome(), self._budget.take_due(now_ms)
        if grouped is not None:
            self._state.alert_seq += 1
            outcome.alerts.append(
                alert_of(
                    grouped.last,
                    Transition.UPDATED,
                    seq=self._state.alert_seq,
                    title=words(self._policy.language)["group"],
                    reason=said_of_group(grouped, self._titles, self._policy.language),
                    raised_at=raised_at,
                    about=f"{BUDGET}:{self._state.alert_seq}",
                )
            )
        return outcome
