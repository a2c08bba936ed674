"""Signals become incidents, and every change of an incident becomes an alert with its reasons.

A rule holds as long as its condition does, and its `for_ms` is measured from the moment the behaviour
began to the last reading that supports it: neither silence nor the mere passing of time opens anything.
"""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.incidents import Incident
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.conditions import reaches_back
from proctor.fusion.evidence import at_once, ended, newest, over_by, seen_until
from proctor.fusion.grouping import GROUPED, TITLE
from proctor.fusion.policy import Policy, Rule
from proctor.fusion.quiet import Quiet, QuietState
from proctor.fusion.telling import alert_of, incident_of, said
from proctor.fusion.view import Held, Standing, View
from proctor.sensing.figures import LASTED


@dataclass(slots=True, kw_only=True)
class EngineState:
    """What the engine remembers: plain data, to be written down as JSON.

    Attributes:
        alert_seq: The number of the last alert.
        standing: Open signals.
        closed_ms: When each kind of signal last closed.
        incidents: Open incidents by rule.
        recent: Closed signals since the view was last whole, of kinds that a rule remembers.
        whole_from_ms: Since when the view of such a kind has had no gap; absent: it never had one.
        now_ms: The newest moment of a signal.
        quiet: What is not told.
    """

    alert_seq: int = 0
    standing: dict[SignalKind, Standing] = field(default_factory=dict)
    closed_ms: dict[SignalKind, int] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    recent: dict[SignalKind, list[Signal]] = field(default_factory=dict)
    whole_from_ms: dict[SignalKind, int] = field(default_factory=dict)
    now_ms: int = 0
    quiet: QuietState = field(default_factory=QuietState)


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
        self._quiet = Quiet(policy.groups, state.quiet)
        self._rules_of: dict[SignalKind, list[int]] = {}
        self._remembered: dict[SignalKind, int] = {}
        self._looking_back: dict[str, Rule] = {}
        for index, rule in enumerate(policy.rules):
            for kind in rule.when.kinds():
                self._rules_of.setdefault(kind, []).append(index)
            if needed := reaches_back(rule.when):
                self._looking_back[rule.id] = rule
                for kind, times in needed.items():
                    self._remembered[kind] = max(times, self._remembered.get(kind, 0))

    @property
    def remembers(self) -> bool:
        """Whether a rule asks for what has ended (`within`, `count`)."""
        return bool(self._looking_back)

    def feed(
        self,
        signals: Iterable[Signal],
        at_ms: int,
        raised_at: datetime,
        lost: Container[SignalKind] = (),
    ) -> Outcome:
        """Take changed signals. What changed at one moment is judged together, in any order.

        Args:
            signals: Opened, updated or closed; those of one kind in order.
            at_ms: The observation that changed them: open ones are supported until then.
            raised_at: Wall time for the alerts.
            lost: Kinds of which nothing can be known now: they did not end, they went out of view.
        """
        outcome = Outcome()
        self.state.now_ms = max(self.state.now_ms, at_ms)
        for step in at_once(signals):
            for signal in step:
                self._take(signal, at_ms, signal.kind in lost)
            touched = {index for each in step for index in self._rules_of.get(each.kind, ())}
            view = self._view(self.state.now_ms)
            for rule in (self._policy.rules[index] for index in sorted(touched)):
                of_rule = [each for each in step if each.kind in rule.when.kinds()]
                view_lost = any(each.kind in lost for each in of_rule)
                self._judge(rule, of_rule, view, outcome, raised_at, view_lost)
            self._release(outcome, raised_at)
        return outcome

    def _take(self, signal: Signal, at_ms: int, is_lost: bool) -> None:
        state, kind = self.state, signal.kind
        if signal.ended_ms is None:
            state.standing[kind] = Standing(signal=signal, confirmed_ms=at_ms)
            return
        state.standing.pop(kind, None)
        state.closed_ms[kind] = signal.ended_ms
        if kind in self._remembered and not is_lost:
            state.recent[kind] = [*state.recent.get(kind, ()), signal][-self._remembered[kind] :]

    def _view(self, now_ms: int) -> View:
        state = self.state
        return View(state.standing, state.closed_ms, state.recent, state.whole_from_ms, now_ms)

    def advance(self, now_ms: int, raised_at: datetime) -> Outcome:
        """Time has moved on: what a rule looked back at may have passed. Nothing opens by it."""
        return self._lapse(now_ms, raised_at, view_lost=False)

    def forget(self, kinds: Collection[SignalKind], now_ms: int, raised_at: datetime) -> Outcome:
        """The view of these kinds has a gap now: what was before is not joined to what comes."""
        for kind in self._remembered.keys() & kinds:
            self.state.recent.pop(kind, None)
            self.state.whole_from_ms[kind] = now_ms
        return self._lapse(now_ms, raised_at, view_lost=True)

    def _lapse(self, now_ms: int, raised_at: datetime, view_lost: bool) -> Outcome:
        outcome, view = Outcome(), self._view(max(now_ms, self.state.now_ms))
        for rule in self._looking_back.values():
            incident = self.state.incidents.get(rule.id)
            if incident is not None and rule.when.holds(view) is None:
                self._judge(rule, (), view, outcome, raised_at, view_lost)
        self._release(outcome, raised_at)
        return outcome

    def _release(self, outcome: Outcome, raised_at: datetime) -> None:
        """Tell what was kept quiet by an incident that is over."""
        rules = {rule.id: rule for rule in self._policy.rules} if self.state.quiet.hushed else {}
        for rule_id in self._quiet.released(self.state.incidents):
            rule, incident = rules[rule_id], self.state.incidents[rule_id]
            reason = said(rule.reason[self._policy.language], incident.signals)
            self._tell(rule, incident, Transition.UPDATED, reason, outcome, raised_at)

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
                self._quiet.forget(held_by)
            elif incident.closed_ms is None and held_by is None and rule is not None:
                seen_ms = max((seen_until(each) for each in incident.signals), default=0)
                signals = tuple(ended(each, seen_ms) for each in incident.signals)
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
                signals = tuple(ended(signal, end_ms) for signal in incident.signals)
                closed_ms = max(end_ms, incident.opened_ms)
                self._close(rule, replace(incident, signals=signals), closed_ms, outcome, raised_at)
        self.state.standing.clear()
        return outcome

    def _judge(
        self,
        rule: Rule,
        causes: Sequence[Signal],
        view: View,
        outcome: Outcome,
        raised_at: datetime,
        view_lost: bool,
    ) -> None:
        held = rule.when.holds(view)
        incident = self.state.incidents.get(rule.id)
        if incident is not None:
            incident = replace(incident, signals=newest(incident.signals, causes, held))
            if held is None:
                over_ms = min(rule.when.over_ms(view), over_by(incident.signals, view.now_ms))
                closed_ms = max(over_ms, incident.opened_ms)
                self._close(rule, incident, closed_ms, outcome, raised_at, view_lost)
                return
            self.state.incidents[rule.id] = incident
        if held is None or held.confirmed_ms is None:
            return
        if rule.id in self._looking_back and not any(
            each.ended_ms is None and each in held.signals for each in causes
        ):
            return  # what has just ended opens nothing: a rule that looks back waits for a reading
        lasted_ms = held.confirmed_ms - held.since_ms
        if incident is None and lasted_ms >= rule.for_ms:
            incident = self._open(rule, held, outcome, raised_at)
        escalate = rule.escalate
        if incident is not None and escalate is not None and lasted_ms >= escalate.after_ms:
            self._escalate(rule, incident, outcome, raised_at)

    def _open(self, rule: Rule, held: Held, outcome: Outcome, raised_at: datetime) -> Incident:
        incident = incident_of(self._spec, self._policy, rule, held, self.state.alert_seq + 1)
        self.state.incidents[rule.id] = incident
        reason = said(rule.reason[self._policy.language], incident.signals)
        self._tell(rule, incident, Transition.OPENED, reason, outcome, raised_at)
        return incident

    def _escalate(
        self, rule: Rule, incident: Incident, outcome: Outcome, raised_at: datetime
    ) -> None:
        if rule.escalate is None or incident.severity is rule.escalate.severity:
            return
        incident = replace(incident, severity=rule.escalate.severity)
        self.state.incidents[rule.id] = incident
        reason = said(rule.reason[self._policy.language], incident.signals)
        self._tell(rule, incident, Transition.ESCALATED, reason, outcome, raised_at)

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
        self._tell(rule, closed, Transition.CLOSED, reason, outcome, raised_at)

    def _tell(
        self,
        rule: Rule,
        incident: Incident,
        transition: Transition,
        reason: str,
        outcome: Outcome,
        raised_at: datetime,
    ) -> None:
        state = self.state
        quiet = self._quiet.hear(rule, incident, transition, state.incidents, state.now_ms)
        self._number(rule, incident, transition, reason, outcome, raised_at, quiet)
        thread = self._quiet.joined(rule) if transition is Transition.OPENED else None
        if quiet is not None and thread is not None and rule.group is not None:
            language, lead = self._policy.language, thread.incident
            joined = self._policy.groups[rule.group].joined[language]
            reason = joined.format(**{TITLE: rule.title[language], GROUPED: thread.grouped})
            (first,) = (each for each in self._policy.rules if each.id == lead.rule_id)
            told = Outcome()  # the first incident itself has not changed
            self._number(first, lead, Transition.UPDATED, reason, told, raised_at, None)
            outcome.alerts += told.alerts

    def _number(
        self,
        rule: Rule,
        incident: Incident,
        transition: Transition,
        reason: str,
        outcome: Outcome,
        raised_at: datetime,
        suppressed_by: str | None,
    ) -> None:
        self.state.alert_seq += 1
        outcome.incidents.append(incident)
        outcome.alerts.append(
            alert_of(
                rule.title[self._policy.language],
                incident,
                transition,
                reason,
                seq=self.state.alert_seq,
                raised_at=raised_at,
                suppressed_by=suppressed_by,
            )
        )
