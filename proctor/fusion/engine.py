"""Signals become incidents, and every change of an incident becomes an alert with its reasons.

A rule holds as long as its condition does, and its `for_ms` is measured from the moment the behaviour
began to the last reading that supports it: neither silence nor the mere passing of time opens anything.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.allowances import NOTHING_ALLOWED, Allowances
from proctor.domain.ids import IncidentId, derive_id
from proctor.domain.incidents import Incident, Severity
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.accommodations import held_back
from proctor.fusion.budget import BUDGET, Budget, BudgetState, is_weak
from proctor.fusion.conditions import Held, Standing, View
from proctor.fusion.news import alert_of, note_alert, noted, said_of_group, words
from proctor.fusion.policy import Policy, Rule
from proctor.sensing.figures import LABELS, LASTED

NOTES_KEPT = 200
"""Of how many notes is remembered that they were told: whoever tells again does so within seconds."""


@dataclass(slots=True, kw_only=True)
class EngineState:
    """What the engine remembers: plain data, to be written down as JSON.

    Attributes:
        alert_seq: The number of the last alert.
        standing: Open signals.
        closed_ms: When each kind of signal last closed.
        incidents: Open incidents by rule.
        allowed: What the candidate is allowed.
        budget: What of the alert budget is used.
        noted: The last notes that were told: the same is not told twice.
    """

    alert_seq: int = 0
    standing: dict[SignalKind, Standing] = field(default_factory=dict)
    closed_ms: dict[SignalKind, int] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    allowed: Allowances = NOTHING_ALLOWED
    budget: BudgetState = field(default_factory=BudgetState)
    noted: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What a step brought, in order."""

    alerts: list[Alert] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


class FusionEngine:
    """The rules of one policy over the signals of one session."""

    def __init__(self, spec: SessionSpec, policy: Policy, state: EngineState) -> None:
        self._spec = spec
        self._policy = policy
        self.state = state
        self._budget = Budget(policy.budget, state.budget)
        self._rules_of: dict[SignalKind, list[Rule]] = {}
        self._titles = {rule.id: rule.title[policy.language] for rule in policy.rules}
        for rule in policy.rules:
            for kind in rule.when.kinds():
                self._rules_of.setdefault(kind, []).append(rule)

    def feed(
        self,
        signals: Iterable[Signal],
        at_ms: int,
        raised_at: datetime,
        lost: Container[SignalKind] = (),
    ) -> Outcome:
        """Take changed signals.

        Args:
            signals: Opened, updated or closed, in order.
            at_ms: The observation that changed them: open ones are supported until then.
            raised_at: Wall time for the alerts.
            lost: Kinds of which nothing can be known now: they did not end, they went out of view.
        """
        outcome = Outcome()
        for signal in signals:
            if signal.ended_ms is None:
                self.state.standing[signal.kind] = Standing(signal=signal, confirmed_ms=at_ms)
            else:
                self.state.standing.pop(signal.kind, None)
                self.state.closed_ms[signal.kind] = signal.ended_ms
            for rule in self._rules_of.get(signal.kind, ()):
                self._judge(rule, signal, outcome, raised_at, signal.kind in lost)
        return outcome

    def adopt(self, incidents: Sequence[Incident], alert_seq: int, raised_at: datetime) -> Outcome:
        """Go on from what the database knows of a session whose checkpoint is gone, or is older.

        Alerts go on after `alert_seq`. Open incidents of the policy's rules, which this memory does
        not hold, close where their signals were last seen; what still lasts opens anew. One that
        this memory holds open, though it was closed since, is closed.
        """
        self.state.alert_seq = max(self.state.alert_seq, alert_seq)
        rules = {rule.id: rule for rule in self._policy.rules}
        held = {each.incident_id: rule_id for rule_id, each in self.state.incidents.items()}
        outcome = Outcome()
        for incident in incidents:
            rule, held_by = rules.get(incident.rule_id), held.get(incident.incident_id)
            if incident.closed_ms is not None and held_by is not None:
                del self.state.incidents[held_by]
            elif incident.closed_ms is None and held_by is None and rule is not None:
                seen_ms = max((_seen_until(each) for each in incident.signals), default=0)
                signals = tuple(_ended(each, seen_ms) for each in incident.signals)
                closed_ms = max(seen_ms, incident.opened_ms)
                self._close(
                    rule, replace(incident, signals=signals), closed_ms, outcome, raised_at, True
                )
        return outcome

    def close_all(self, end_ms: int, raised_at: datetime) -> Outcome:
        """The session is over: every open incident closes, its signals with it."""
        outcome = Outcome()
        for rule in self._policy.rules:
            incident = self.state.incidents.get(rule.id)
            if incident is not None:
                signals = tuple(_ended(signal, end_ms) for signal in incident.signals)
                closed_ms = max(end_ms, incident.opened_ms)
                self._close(rule, replace(incident, signals=signals), closed_ms, outcome, raised_at)
        self.state.standing.clear()
        return outcome

    def annotate(self, note: IncidentNote, raised_at: datetime) -> Outcome:
        """Tell late news of an incident, open or closed; the same note twice is told once."""
        outcome = Outcome()
        if note.note_id in self.state.noted:
            return outcome
        self.state.noted = [*self.state.noted, note.note_id][-NOTES_KEPT:]
        incident = note.incident
        for rule_id, each in self.state.incidents.items():
            if each.incident_id == incident.incident_id:
                incident = self.state.incidents[rule_id] = noted(each, note)
        incident = noted(incident, note)
        outcome.incidents.append(incident)
        if note.is_told:
            return outcome
        self.state.alert_seq += 1
        title = self._titles.get(incident.rule_id, incident.rule_id)
        language, seq = self._policy.language, self.state.alert_seq
        outcome.alerts.append(note_alert(incident, note, seq, title, language, raised_at))
        return outcome

    def tell_grouped(self, now_ms: int | None, raised_at: datetime) -> Outcome:
        """The count of what the budget grouped, if it is due at `now_ms`; None: the session is over."""
        outcome, grouped = Outcome(), self._budget.take_due(now_ms)
        if grouped is not None:
            self.state.alert_seq += 1
            outcome.alerts.append(
                alert_of(
                    grouped.last,
                    Transition.UPDATED,
                    seq=self.state.alert_seq,
                    title=words(self._policy.language)["group"],
                    reason=said_of_group(grouped, self._titles, self._policy.language),
                    raised_at=raised_at,
                    about=f"{BUDGET}:{self.state.alert_seq}",
                )
            )
        return outcome

    def _judge(
        self, rule: Rule, cause: Signal, outcome: Outcome, raised_at: datetime, view_lost: bool
    ) -> None:
        held = rule.when.holds(View(self.state.standing, self.state.closed_ms))
        incident = self.state.incidents.get(rule.id)
        if incident is not None:
            incident = replace(incident, signals=self._newest(incident.signals, cause, held))
            if held is None:
                ended_ms = cause.started_ms if cause.ended_ms is None else cause.ended_ms
                closed_ms = max(ended_ms, incident.opened_ms)
                self._close(rule, incident, closed_ms, outcome, raised_at, view_lost)
                return
            self.state.incidents[rule.id] = incident
        if held is None or held.confirmed_ms is None:
            return
        lasted_ms = held.confirmed_ms - held.since_ms
        if incident is None and lasted_ms >= rule.for_ms:
            incident = self._open(rule, held, outcome, raised_at)
        elif incident is not None and incident.suppressed_by not in (None, BUDGET):
            incident = self._tell_after_all(rule, incident, held, outcome, raised_at)
        escalate = rule.escalate
        if incident is not None and escalate is not None and lasted_ms >= escalate.after_ms:
            self._escalate(rule, incident, held, outcome, raised_at)

    def _open(self, rule: Rule, held: Held, outcome: Outcome, raised_at: datetime) -> Incident:
        spec, why = self._spec, self._kept_back(rule, rule.severity, held)
        incident = Incident(
            incident_id=IncidentId(
                derive_id("inc", spec.session_id, rule.id, held.since_ms, self.state.alert_seq + 1)
            ),
            tenant_id=spec.tenant_id,
            exam_id=spec.exam_id,
            session_id=spec.session_id,
            candidate_id=spec.candidate_id,
            rule_id=rule.id,
            policy_id=self._policy.id,
            policy_version=self._policy.version,
            category=rule.category,
            severity=rule.severity,
            opened_ms=held.since_ms,
            closed_ms=None,
            signals=tuple(self.state.standing[kind].signal for kind in held.kinds),
            suppressed_by=why,
            is_told=why is None,
        )
        self._count(incident, held)
        self.state.incidents[rule.id] = incident
        reason = self._said(rule.reason, incident.signals)
        self._tell(rule, incident, Transition.OPENED, reason, outcome, raised_at, why)
        return incident

    def _kept_back(self, rule: Rule, severity: Severity, held: Held) -> str | None:
        """What keeps news of this rule back now; what may be told uses the budget."""
        why = self._held_back(rule, held)
        if why is None and is_weak(rule.category, severity):
            return None if self._budget.spend(held.confirmed_ms or 0) else BUDGET
        return why

    def _held_back(self, rule: Rule, held: Held, for_ms: int | None = None) -> str | None:
        view = View(self.state.standing, self.state.closed_ms)
        return held_back(rule, held, view, self.state.allowed, for_ms)

    def _count(self, incident: Incident, held: Held) -> None:
        if incident.suppressed_by == BUDGET:
            self._budget.group(incident, held.confirmed_ms or 0)

    def _tell_after_all(
        self, rule: Rule, incident: Incident, held: Held, outcome: Outcome, raised_at: datetime
    ) -> Incident:
        """What was held back by an accommodation or a break is told once neither does so.

        An escalation that is still held back makes it no worse: it is told as if it had not been.
        """
        escalate = rule.escalate
        is_worse = escalate is not None and incident.severity is escalate.severity
        still = self._held_back(rule, held, escalate.after_ms if escalate and is_worse else None)
        why: str | None = None
        if still is None:
            why = None if incident.is_told else self._kept_back(rule, incident.severity, held)
            incident = replace(incident, suppressed_by=why, told_severity=None)
        elif is_worse and not incident.is_told and not self._kept_back(rule, rule.severity, held):
            incident = replace(incident, suppressed_by=still, told_severity=rule.severity)
        else:
            return incident
        incident = replace(incident, is_told=incident.is_told or why is None)
        self._count(incident, held)
        self.state.incidents[rule.id] = incident
        reason, about = self._said(rule.reason, incident.signals), str(self.state.alert_seq + 1)
        self._tell(rule, incident, Transition.UPDATED, reason, outcome, raised_at, why, about)
        return incident

    def _escalate(
        self, rule: Rule, incident: Incident, held: Held, outcome: Outcome, raised_at: datetime
    ) -> None:
        if rule.escalate is None or incident.severity is rule.escalate.severity:
            return
        severity = rule.escalate.severity
        is_counted = incident.suppressed_by == BUDGET and is_weak(rule.category, severity)
        why = BUDGET if is_counted else self._held_back(rule, held, rule.escalate.after_ms)
        incident = replace(
            incident,
            severity=severity,
            suppressed_by=why,
            is_told=incident.is_told or why is None,
            told_severity=incident.severity if incident.is_told and why else None,
        )
        self.state.incidents[rule.id] = incident
        reason = self._said(rule.reason, incident.signals)
        self._tell(rule, incident, Transition.ESCALATED, reason, outcome, raised_at, why)

    def _close(
        self,
        rule: Rule,
        incident: Incident,
        closed_ms: int,
        outcome: Outcome,
        raised_at: datetime,
        view_lost: bool = False,
    ) -> None:
        closed = replace(incident, closed_ms=closed_ms)
        self.state.incidents.pop(rule.id, None)
        texts = self._policy.closing.unseen if view_lost else self._policy.closing.ended
        lasted_s = (closed_ms - incident.opened_ms) / 1000
        reason = texts[self._policy.language].format(**{LASTED: lasted_s})
        why = None if closed.is_told else closed.suppressed_by
        self._tell(rule, closed, Transition.CLOSED, reason, outcome, raised_at, why)

    def _newest(
        self, signals: tuple[Signal, ...], cause: Signal, held: Held | None
    ) -> tuple[Signal, ...]:
        """What the incident rests on, each signal in its newest state."""
        newest = {each.signal_id: each for each in signals}
        if cause.signal_id in newest:
            newest[cause.signal_id] = cause
        for kind in held.kinds if held else ():
            standing = self.state.standing[kind].signal
            newest[standing.signal_id] = standing
        return tuple(newest.values())

    def _said(self, texts: dict[str, str], signals: Sequence[Signal]) -> str:
        figures: dict[str, float] = {}
        for signal in signals:
            for name, value in signal.support.numbers:
                figures.setdefault(name, value)
        labels = dict.fromkeys(label for signal in signals for label in signal.support.labels)
        return texts[self._policy.language].format(**figures, **{LABELS: ", ".join(labels)})

    def _tell(
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
        self.state.alert_seq += 1
        outcome.incidents.append(incident)
        outcome.alerts.append(
            alert_of(
                incident,
                transition,
                seq=self.state.alert_seq,
                title=rule.title[self._policy.language],
                reason=reason,
                raised_at=raised_at,
                suppressed_by=suppressed_by,
                about=about,
            )
        )


def _ended(signal: Signal, end_ms: int) -> Signal:
    if signal.ended_ms is not None:
        return signal
    return replace(signal, ended_ms=max(end_ms, signal.started_ms))


def _seen_until(signal: Signal) -> int:
    lasted_s = dict(signal.support.numbers).get(LASTED, 0.0)
    return signal.started_ms + round(lasted_s * 1000)
