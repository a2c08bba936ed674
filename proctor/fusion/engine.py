"""Signals become incidents, and every change of an incident becomes an alert with its reasons.

A rule holds as long as its condition does, and its `for_ms` is measured from the moment the behaviour
began to the last reading that supports it: neither silence nor the mere passing of time opens anything.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from proctor.domain.alerts import Alert, Transition
from proctor.domain.ids import AlertId, IncidentId, derive_id
from proctor.domain.incidents import Incident
from proctor.domain.observations import Producer
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.conditions import Held, Standing, View
from proctor.fusion.policy import Policy, Rule
from proctor.sensing.figures import LABELS, LASTED


@dataclass(slots=True, kw_only=True)
class EngineState:
    """What the engine remembers: plain data, to be written down as JSON.

    Attributes:
        alert_seq: The number of the last alert.
        standing: Open signals.
        closed_ms: When each kind of signal last closed.
        incidents: Open incidents by rule.
    """

    alert_seq: int = 0
    standing: dict[SignalKind, Standing] = field(default_factory=dict)
    closed_ms: dict[SignalKind, int] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)


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
        self._rules_of: dict[SignalKind, list[Rule]] = {}
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
        escalate = rule.escalate
        if incident is not None and escalate is not None and lasted_ms >= escalate.after_ms:
            self._escalate(rule, incident, outcome, raised_at)

    def _open(self, rule: Rule, held: Held, outcome: Outcome, raised_at: datetime) -> Incident:
        spec = self._spec
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
        )
        self.state.incidents[rule.id] = incident
        reason = self._said(rule.reason, incident.signals)
        self._tell(rule, incident, Transition.OPENED, reason, outcome, raised_at)
        return incident

    def _escalate(
        self, rule: Rule, incident: Incident, outcome: Outcome, raised_at: datetime
    ) -> None:
        if rule.escalate is None or incident.severity is rule.escalate.severity:
            return
        incident = replace(incident, severity=rule.escalate.severity)
        self.state.incidents[rule.id] = incident
        reason = self._said(rule.reason, incident.signals)
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
    ) -> None:
        self.state.alert_seq += 1
        outcome.incidents.append(incident)
        outcome.alerts.append(
            Alert(
                alert_id=AlertId(derive_id("alr", incident.incident_id, transition)),
                seq=self.state.alert_seq,
                tenant_id=incident.tenant_id,
                exam_id=incident.exam_id,
                session_id=incident.session_id,
                candidate_id=incident.candidate_id,
                incident_id=incident.incident_id,
                transition=transition,
                rule_id=rule.id,
                policy_id=incident.policy_id,
                policy_version=incident.policy_version,
                category=incident.category,
                severity=incident.severity,
                title=rule.title[self._policy.language],
                reason=reason,
                occurred_ms=(
                    incident.opened_ms if incident.closed_ms is None else incident.closed_ms
                ),
                raised_at=raised_at,
                signals=incident.signals,
                producers=_producers(incident.signals),
                frame_digest=_digest(incident.signals),
            )
        )


def _ended(signal: Signal, end_ms: int) -> Signal:
    if signal.ended_ms is not None:
        return signal
    return replace(signal, ended_ms=max(end_ms, signal.started_ms))


def _seen_until(signal: Signal) -> int:
    lasted_s = dict(signal.support.numbers).get(LASTED, 0.0)
    return signal.started_ms + round(lasted_s * 1000)


def _producers(signals: Sequence[Signal]) -> tuple[Producer, ...]:
    """Every model once, in the order of the signals."""
    return tuple(dict.fromkeys(one for signal in signals for one in signal.support.producers))


def _digest(signals: Sequence[Signal]) -> str | None:
    """The judged picture: that of the signal which began last, if it has one."""
    for signal in sorted(signals, key=lambda each: each.started_ms, reverse=True):
        if signal.support.frame_digest is not None:
            return signal.support.frame_digest
    return None
