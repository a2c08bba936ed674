"""Signals become incidents, and every change of an incident becomes an alert with its reasons.

A rule holds as long as its condition does, and its `for_ms` is measured from the moment the behaviour
began to the last reading that supports it: neither silence nor the mere passing of time opens anything.
"""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from proctor.domain.alerts import Transition
from proctor.domain.allowances import NOTHING_ALLOWED, Allowances
from proctor.domain.incidents import Incident, Severity
from proctor.domain.notes import IncidentNote
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.accommodations import held_back
from proctor.fusion.budget import BUDGET, Budget, BudgetState, is_weak
from proctor.fusion.conditions import reaches_back
from proctor.fusion.evidence import at_once, ended, newest, over_by, seen_until
from proctor.fusion.ordering import pending
from proctor.fusion.policy import Policy, Rule
from proctor.fusion.quiet import GROUPED as JOINED
from proctor.fusion.quiet import INHIBITED, Quiet, QuietState
from proctor.fusion.teller import Outcome, Teller
from proctor.fusion.telling import incident_of, said
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
        quiet: The threads of rules that belong together.
        allowed: What the candidate is allowed.
        budget: What of the alert budget is used.
        noted: The last notes that were told: the same is not told twice.
    """

    alert_seq: int = 0
    standing: dict[SignalKind, Standing] = field(default_factory=dict)
    closed_ms: dict[SignalKind, int] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    recent: dict[SignalKind, list[Signal]] = field(default_factory=dict)
    whole_from_ms: dict[SignalKind, int] = field(default_factory=dict)
    now_ms: int = 0
    quiet: QuietState = field(default_factory=QuietState)
    allowed: Allowances = NOTHING_ALLOWED
    budget: BudgetState = field(default_factory=BudgetState)
    noted: list[str] = field(default_factory=list)


class FusionEngine:
    """The rules of one policy over the signals of one session."""

    def __init__(self, spec: SessionSpec, policy: Policy, state: EngineState) -> None:
        self._spec = spec
        self._policy = policy
        self.state = state
        self._quiet = Quiet(policy.groups, state.quiet)
        self._budget = Budget(policy.budget, state.budget)
        self._teller = Teller(policy, state, self._quiet, self._budget)
        self._rules = {rule.id: rule for rule in policy.rules}
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
            self._release(view, outcome, raised_at)
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
        self._release(view, outcome, raised_at)
        return outcome

    def _release(self, view: View, outcome: Outcome, raised_at: datetime) -> None:
        """Tell what was kept quiet by an incident that is over."""
        incidents = self.state.incidents
        for rule_id, incident in list(incidents.items()):
            why = incident.suppressed_by or ""
            held = None
            if why.startswith(INHIBITED) and why.removeprefix(INHIBITED) not in incidents:
                held = self._rules[rule_id].when.holds(view)
            if held is not None:
                self._tell_after_all(self._rules[rule_id], incident, held, view, outcome, raised_at)

    def adopt(self, incidents: Sequence[Incident], alert_seq: int, raised_at: datetime) -> Outcome:
        """Go on from what the database knows of a session whose checkpoint is gone, or is older.

        Alerts go on after `alert_seq`. Open incidents of the policy's rules, which this memory does
        not hold, close where their signals were last seen; what still lasts opens anew. One that
        this memory holds open, though it was closed since, is closed; one that was told, or became
        worse, since it was held goes on from there.
        """
        self.state.alert_seq = max(self.state.alert_seq, alert_seq)
        held = {each.incident_id: rule_id for rule_id, each in self.state.incidents.items()}
        outcome = Outcome()
        for incident in incidents:
            rule, held_by = self._rules.get(incident.rule_id), held.get(incident.incident_id)
            if incident.closed_ms is not None and held_by is not None:
                del self.state.incidents[held_by]
            elif held_by is not None:
                known = self.state.incidents[held_by]
                self.state.incidents[held_by] = replace(incident, signals=known.signals)
            elif incident.closed_ms is None and held_by is None and rule is not None:
                seen_ms = max((seen_until(each) for each in incident.signals), default=0)
                signals = tuple(ended(each, seen_ms) for each in incident.signals)
                closed_ms = max(seen_ms, incident.opened_ms)
                goes_on = self.state.incidents.get(rule.id)
                self._close(
                    rule, replace(incident, signals=signals), closed_ms, outcome, raised_at, True
                )
                if goes_on is not None:
                    self.state.incidents[rule.id] = goes_on
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

    def annotate(self, note: IncidentNote, raised_at: datetime) -> Outcome:
        """Tell late news of an incident, open or closed; the same note twice is told once."""
        return self._teller.annotate(note, raised_at)

    def tell_grouped(self, now_ms: int | None, raised_at: datetime) -> Outcome:
        """The count of what the budget grouped, if it is due at `now_ms`; None: the session is over."""
        return self._teller.count(now_ms, raised_at)

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
            incident = self._open(rule, held, view, outcome, raised_at)
        elif incident is not None and incident.suppressed_by is not None:
            incident = self._tell_after_all(rule, incident, held, view, outcome, raised_at)
        escalate = rule.escalate
        if incident is not None and escalate is not None and lasted_ms >= escalate.after_ms:
            self._escalate(rule, incident, held, view, outcome, raised_at)

    def _open(
        self, rule: Rule, held: Held, view: View, outcome: Outcome, raised_at: datetime
    ) -> Incident:
        why = self._kept_back(rule, held, view) or self._quiet.joined(rule, self.state.now_ms)
        why = why or self._over_budget(rule, rule.severity)
        incident = incident_of(self._spec, self._policy, rule, held, self.state.alert_seq + 1)
        incident = replace(incident, suppressed_by=why, is_told=why is None)
        incident = self._show(rule, incident, why, outcome)
        self._count(incident)
        self.state.incidents[rule.id] = incident
        reason = said(rule.reason[self._policy.language], incident.signals)
        self._teller.tell(rule, incident, Transition.OPENED, reason, outcome, raised_at, why)
        if why is None:
            self._quiet.lead(rule, incident, self.state.now_ms)
        elif why.startswith(JOINED):
            self._teller.join(rule, outcome, raised_at)
        return incident

    def _kept_back(
        self, rule: Rule, held: Held, view: View, for_ms: int | None = None
    ) -> str | None:
        """What keeps news of this rule back now: the candidate's allowances, or another rule."""
        why = held_back(rule, held, view, self.state.allowed, for_ms)
        return why or self._quiet.inhibited(rule, self.state.incidents)

    def _over_budget(self, rule: Rule, severity: Severity) -> str | None:
        """What may be told uses the budget, if it is weak."""
        is_free = not is_weak(rule.category, severity)
        return None if is_free or self._budget.spend(self.state.now_ms) else BUDGET

    def _leaves_its_group(self, rule: Rule, incident: Incident) -> bool:
        """Whether one that became worse is told itself; until it may be, its group tells of it."""
        return incident.suppressed_by != BUDGET or not is_weak(rule.category, incident.severity)

    def _show(self, rule: Rule, incident: Incident, why: str | None, outcome: Outcome) -> Incident:
        """News that are delivered have evidence, if the policy keeps any."""
        if why is None:
            incident = pending(self._policy, rule, incident)
            outcome.shown.append(incident)
        return incident

    def _count(self, incident: Incident) -> None:
        if incident.suppressed_by == BUDGET:
            self._budget.group(incident, self.state.now_ms)

    def _tell_after_all(
        self,
        rule: Rule,
        incident: Incident,
        held: Held,
        view: View,
        outcome: Outcome,
        raised_at: datetime,
    ) -> Incident:
        """What was held back by an allowance or another rule is told once neither does so.

        An escalation that is still held back makes it no worse: it is told as if it had not been.
        """
        escalate = rule.escalate
        is_worse = escalate is not None and incident.severity is escalate.severity
        is_grouped = _is_grouped(incident)
        if is_grouped and not (is_worse and self._leaves_its_group(rule, incident)):
            return incident
        after_ms = escalate.after_ms if escalate and is_worse else None
        still, why = self._kept_back(rule, held, view, after_ms), None
        if still is None:
            why = None if incident.is_told else self._over_budget(rule, incident.severity)
            incident = replace(incident, suppressed_by=why, told_severity=None)
        elif is_grouped:
            return incident
        elif is_worse and not incident.is_told and not self._kept_back(rule, held, view):
            if self._over_budget(rule, rule.severity):
                return incident
            incident = replace(incident, suppressed_by=still, told_severity=rule.severity)
        else:
            return incident
        incident = replace(incident, is_told=incident.is_told or why is None)
        incident = self._show(rule, incident, why, outcome)
        self._count(incident)
        self.state.incidents[rule.id] = incident
        reason = said(rule.reason[self._policy.language], incident.signals)
        about = str(self.state.alert_seq + 1)
        self._teller.tell(
            rule, incident, Transition.UPDATED, reason, outcome, raised_at, why, about
        )
        return incident

    def _escalate(
        self,
        rule: Rule,
        incident: Incident,
        held: Held,
        view: View,
        outcome: Outcome,
        raised_at: datetime,
    ) -> None:
        if rule.escalate is None or incident.severity is rule.escalate.severity:
            return
        before, severity = incident.severity, rule.escalate.severity
        incident = replace(incident, severity=severity)
        is_counted = incident.suppressed_by == BUDGET and not self._leaves_its_group(rule, incident)
        after_ms = rule.escalate.after_ms
        why = BUDGET if is_counted else self._kept_back(rule, held, view, after_ms)
        incident = replace(
            incident,
            suppressed_by=incident.suppressed_by if why and _is_grouped(incident) else why,
            is_told=incident.is_told or why is None,
            told_severity=before if incident.is_told and why else None,
        )
        incident = self._show(rule, incident, why, outcome)
        self.state.incidents[rule.id] = incident
        reason = said(rule.reason[self._policy.language], incident.signals)
        self._teller.tell(rule, incident, Transition.ESCALATED, reason, outcome, raised_at, why)

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
        self._teller.tell(rule, closed, Transition.CLOSED, reason, outcome, raised_at, why)


def _is_grouped(incident: Incident) -> bool:
    """Whether another alert tells of it: a thread or a count."""
    why = incident.suppressed_by or ""
    return why == BUDGET or why.startswith(JOINED)
