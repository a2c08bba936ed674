"""The judge of one session: reports in, alerts and coverage out. Pure; every moment is an argument.

It counts everything it consumes, the timer's ticks and the host's silence included: that order is the
session's recording, and the same order gives the same judgement.
"""

from dataclasses import dataclass, field
from datetime import datetime

from proctor.domain.allowances import Allowances
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.incidents import Incident
from proctor.domain.notes import IncidentNote
from proctor.domain.observations import (
    ClientEvent,
    Observation,
    SpeakersHeard,
    SpeechHeard,
    StreamState,
)
from proctor.domain.priority import Priority
from proctor.domain.reports import Command, CommandName, OrderNews, TickReport
from proctor.domain.sessions import SessionSpec
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.coverage import Cover, CoverageLedger, Source
from proctor.fusion.covers import covered
from proctor.fusion.engine import FusionEngine
from proctor.fusion.judgement import UNCHANGED, Judgement
from proctor.fusion.memory import Body, Mark, nothing_yet, write_body, write_mark
from proctor.fusion.order import in_order
from proctor.fusion.ordering import Orders
from proctor.fusion.policy import parse_policy
from proctor.fusion.priority import PriorityLedger
from proctor.fusion.steps import recorded, recorded_if_felt
from proctor.fusion.tape import Tape
from proctor.fusion.teller import Outcome
from proctor.sensing.hearing import HEARD
from proctor.sensing.suite import NOTHING, SEEN, Sensed, SensingSuite

HOST_SILENT_MS = 2_500
"""A live session of which nothing is heard for longer is lost; hosts report every second at least."""

LOOK_CLOSER_MS = 3_000
LOOK_CLOSER_AGAIN_MS = 1_000
RANK_EVERY_MS = 10_000
"""How often the review priority is worked out anew while nothing changes: it decays."""

_PICTURE_SOURCES = {
    CoverageReason.COVERED: (Source.COVERED, CoverageState.BLIND),
    CoverageReason.FROZEN_VIDEO: (Source.FROZEN, CoverageState.BLIND),
    CoverageReason.TOO_DARK: (Source.DARK, CoverageState.DEGRADED),
}


class SessionJudge:
    """Judges one session. `raised_at` is wall time for the alerts and decides nothing.

    Attributes:
        tape: Where every step that is marked `recorded` is written down; None for nowhere.

    Raises:
        InvalidInput: The session's policy cannot be read.
    """

    def __init__(
        self, spec: SessionSpec, mark: Mark | None = None, body: Body | None = None
    ) -> None:
        self.spec = spec
        self.mark = mark or Mark()
        self.tape: Tape | None = None
        self._body = body or nothing_yet()
        if body is None:
            self._body.engine.allowed = spec.allowances
        policy = parse_policy(spec.policy_text)
        self._suite = SensingSuite(
            spec.session_id, policy.sensing, self._body.suite, self.mark.face_ms
        )
        self._engine = FusionEngine(spec, policy, self._body.engine)
        self._ledger = CoverageLedger(self._body.ledger)
        self._priority = PriorityLedger(policy.priority, self._body.priority)
        self._orders = Orders(policy, self._body.orders)
        self._unfinished: _Step | None = None

    @property
    def alert_seq(self) -> int:
        """The number of the last alert."""
        return self._body.engine.alert_seq

    @recorded
    def go_on_after(self, alert_seq: int) -> None:
        """The database has alerts up to this number: the next one is numbered after it."""
        self._body.engine.alert_seq = max(self._body.engine.alert_seq, alert_seq)

    @recorded
    def renumbered(self, alerts: int, alert_seq: int) -> None:
        """The newest `alerts` alerts were given the numbers up to `alert_seq`: theirs were taken."""
        self._body.engine.alert_seq = max(self._body.engine.alert_seq, alert_seq)

    @property
    def expects_reports(self) -> bool:
        """Whether a host owes reports: it has begun, the peer has not left, nothing has ended."""
        return not self._body.is_closed and self._body.ended_ms is None and self.mark.epoch > 0

    @property
    def has_ended(self) -> bool:
        """Whether the session is over."""
        return self._body.ended_ms is not None

    @property
    def is_cut_off(self) -> bool:
        """Whether the host is away."""
        return self._body.suite.is_cut_off

    @property
    def owes_evidence(self) -> bool:
        """Whether evidence was ordered that the host is not done with."""
        return not self._orders.is_empty

    def lost_evidence(self, now_ms: int, is_over: bool = False) -> list[IncidentNote]:
        """News that are to be told by `annotate`: evidence that nobody will bring any more."""
        return self._orders.lost(now_ms, is_over, self.is_cut_off)

    def current(self, modality: Modality) -> Cover:
        """How well a modality is watched now, and why not better."""
        return self._ledger.current(modality)

    @recorded
    def consume(self, report: TickReport, raised_at: datetime) -> Judgement:
        """Take the next report. Whoever calls sees to order: see `follows`."""
        mark, step = self.mark, _Step(raised_at, answers=True)
        self._unfinished = step
        mark.consumed += 1
        if report.epoch != mark.epoch:
            self._connect(report, step)
        elif report.seq > mark.seq + 1:
            self._cover_lost_reports(report, step)
        mark.seq = report.seq
        if self.is_cut_off:
            self._orders.back(mark.epoch)
            self._suite.resume()
            self._cover_both(Source.HOST, None, report.sent_ms, step)
        self._orders.heard(report.orders)
        for seen in in_order(report.observations):
            self._observe(seen, step)
        mark.now_ms = max(mark.now_ms, report.sent_ms)
        mark.heard_ms = max(mark.heard_ms, report.sent_ms)
        self._sensed(self._suite.advance(mark.now_ms), mark.now_ms, step)
        if self._engine.remembers:
            step.add(self._engine.advance(mark.now_ms, raised_at))
        if report.closing:
            step.closes = self._body.is_closed = True
            self._cover_both(Source.STREAM, CoverageReason.NO_MEDIA, report.sent_ms, step)
            self._sensed(self._suite.disconnect(), report.sent_ms, step)
        elif self._suite.is_pending:
            self._look_closer(step)
        return self._judgement(step)

    @recorded
    def skip(self, report: TickReport) -> Judgement:
        """Pass over a report that `consume` failed on, so that the next one follows.

        What it had brought before it failed is kept: its alerts have their numbers already.
        """
        self.mark.epoch, self.mark.seq = report.epoch, report.seq
        return UNCHANGED if self._unfinished is None else self._judgement(self._unfinished)

    def follows(self, report: TickReport) -> bool:
        """Whether this is the next report, or begins a new connection or a new memory of this one."""
        mark = self.mark
        if report.epoch != mark.epoch:
            return report.epoch > mark.epoch and (report.seq == 1 or report.spec is not None)
        return report.seq == mark.seq + 1 or (report.seq > mark.seq and report.spec is not None)

    @recorded_if_felt
    def tick(self, now_ms: int, silent_ms: int, raised_at: datetime) -> Judgement:
        """The shard's timer.

        Args:
            now_ms: Session time by the shard's clock.
            silent_ms: How long it has not heard of the session, by its monotonic clock. Over
                `HOST_SILENT_MS` the host is lost: blind since its last word, and nobody's fault.
            raised_at: Wall time.
        """
        mark, step = self.mark, _Step(raised_at)
        mark.consumed += 1
        mark.now_ms = max(mark.now_ms, now_ms)
        if silent_ms > HOST_SILENT_MS and self.expects_reports and not self.is_cut_off:
            self._cover_both(Source.HOST, CoverageReason.HOST_LOST, mark.heard_ms, step)
            self._sensed(self._suite.cut_off(), mark.heard_ms, step)
            step.is_gone = True
        return self._judgement(step)

    @recorded
    def shard_lost(self, since_ms: int, until_ms: int, raised_at: datetime) -> Judgement:
        """The shard itself was away; what hosts kept for it is judged as it comes."""
        mark, step = self.mark, _Step(raised_at)
        mark.consumed += 1
        if until_ms > since_ms:
            self._cover_both(Source.SHARD, CoverageReason.SHARD_LOST, since_ms, step)
            self._cover_both(Source.SHARD, None, until_ms, step)
        return self._judgement(step)

    @recorded
    def store_lost(self, lost: bool, now_ms: int, raised_at: datetime) -> Judgement:
        """What is judged cannot be written down (or can again): it would not survive a crash."""
        mark, step = self.mark, _Step(raised_at)
        mark.consumed += 1
        reason = CoverageReason.STATE_STORE if lost else None
        self._cover_both(Source.STORE, reason, now_ms, step)
        return self._judgement(step)

    @recorded
    def begin_unknown(self, report: TickReport, raised_at: datetime) -> Judgement:
        """The memory of a session that has gone on before is gone: it was blind up to this report."""
        step = _Step(raised_at)
        self._forget_start(step)
        if report.seq > 1:
            self._body.unspoken = list(Modality)
        return self._judgement(step)

    def _forget_start(self, step: "_Step") -> None:
        self._cover_both(Source.HOST, CoverageReason.HOST_LOST, 0, step)
        self._cover_both(Source.STREAM, None, 0, step)
        self._suite.cut_off()

    @recorded
    def adopt(
        self, incidents: tuple[Incident, ...], alert_seq: int, raised_at: datetime
    ) -> Judgement:
        """Go on from what the database knows (see `FusionEngine.adopt`)."""
        step = _Step(raised_at)
        step.add(self._engine.adopt(incidents, alert_seq, raised_at))
        newest = {each.incident_id: each for each in (*incidents, *step.outcome.incidents)}
        self._orders.adopt(newest.values(), self.mark.epoch, self.mark.now_ms)
        return self._judgement(step)

    @recorded
    def allow(self, allowed: Allowances, now_ms: int, raised_at: datetime) -> Judgement:
        """What the candidate is allowed has changed, or is told again: from here on this holds."""
        mark, step = self.mark, _Step(raised_at)
        mark.consumed += 1
        mark.now_ms = max(mark.now_ms, now_ms)
        self._body.engine.allowed = allowed
        step.allowed = True
        return self._judgement(step)

    @recorded
    def annotate(self, note: IncidentNote, raised_at: datetime) -> Judgement:
        """Late news of an incident: an alert, once. It decides nothing."""
        step = _Step(raised_at)
        self.mark.consumed += 1
        step.add(self._engine.annotate(note, raised_at))
        return self._judgement(step)

    @recorded
    def evidence_news(self, orders: tuple[OrderNews, ...], raised_at: datetime) -> Judgement:
        """What the host of a connection that is over still says of orders that it had taken."""
        self.mark.consumed += 1
        self._orders.heard(orders)
        return self._judgement(_Step(raised_at))

    @recorded
    def end(self, end_ms: int, raised_at: datetime) -> Judgement:
        """The session is over: close what is open, fix the coverage to its length. Idempotent."""
        step = _Step(raised_at)
        if self._body.ended_ms is None:
            self.mark.consumed += 1
            if self.mark.epoch == 0:
                self._forget_start(step)
            self._body.ended_ms = end_ms = max(0, end_ms)
            step.add(self._engine.close_all(end_ms, raised_at))
            step.add(self._engine.tell_grouped(None, raised_at))
            step.covered = True
            self._rank(step, end_ms)
        return self._judgement(step)

    def _connect(self, report: TickReport, step: "_Step") -> None:
        """A new connection: blind since the last word of the one before."""
        mark = self.mark
        since_ms = 0 if mark.epoch == 0 else min(mark.heard_ms, report.sent_ms)
        self._cover_both(Source.STREAM, CoverageReason.NO_MEDIA, since_ms, step)
        self._cover_both(Source.HOST, None, report.sent_ms, step)
        self._sensed(self._suite.reconnect(since_ms), since_ms, step)
        self._body.is_closed = False
        self._orders.gone(mark.now_ms)
        self.spec = report.spec or self.spec
        mark.epoch, mark.seq, mark.closer_until_ms = report.epoch, 0, 0

    def _cover_lost_reports(self, report: TickReport, step: "_Step") -> None:
        """This memory is older than what was acknowledged: reports between are lost for good."""
        self._cover_both(Source.SHARD, CoverageReason.SHARD_LOST, self.mark.heard_ms, step)
        self._cover_both(Source.SHARD, None, report.sent_ms, step)
        self._body.unspoken = list(Modality)

    def _observe(self, seen: Observation, step: "_Step") -> None:
        if self._body.unspoken:
            self._speak_for_media(seen, step)
        gaps = self._gaps()
        if isinstance(seen, StreamState):
            step.covered |= self._ledger.set(
                seen.modality, Source.STREAM, seen.state, seen.reason, seen.since_ms
            )
        sensed = self._suite.observe(seen)
        if sensed is not NOTHING:
            self._sensed(sensed, seen.observed_ms, step)
        if gaps := gaps | self._gaps():
            step.add(self._engine.forget(gaps, seen.observed_ms, step.raised_at))

    def _gaps(self) -> frozenset[SignalKind]:
        """What is not wholly seen or heard now, where a rule asks for what has ended."""
        if not self._engine.remembers:
            return frozenset()
        seen = frozenset() if self._ledger.is_whole(Modality.VIDEO) else SEEN
        return seen if self._ledger.is_whole(Modality.AUDIO) else seen | HEARD

    def _speak_for_media(self, seen: Observation, step: "_Step") -> None:
        """A fact about a modality of which the media path has said nothing: its media come."""
        if isinstance(seen, ClientEvent):
            return
        heard = isinstance(seen, SpeechHeard | SpeakersHeard)
        modality = Modality.AUDIO if heard else Modality.VIDEO
        if isinstance(seen, StreamState):
            modality = seen.modality
        if modality not in self._body.unspoken:
            return
        self._body.unspoken.remove(modality)
        if not isinstance(seen, StreamState):
            self._observe(
                StreamState(
                    observed_ms=seen.observed_ms,
                    since_ms=seen.observed_ms,
                    modality=modality,
                    state=CoverageState.MONITORED,
                    reason=None,
                ),
                step,
            )

    def _sensed(self, sensed: Sensed, at_ms: int, step: "_Step") -> None:
        for claim in sensed.claims:
            source, state = _PICTURE_SOURCES[claim.reason]
            if claim.holds:
                changed = self._ledger.set(
                    Modality.VIDEO, source, state, claim.reason, claim.since_ms
                )
            else:
                changed = self._ledger.clear(Modality.VIDEO, source, claim.since_ms)
            step.covered |= changed
        if sensed.signals:
            step.signals += sensed.signals
            step.add(self._engine.feed(sensed.signals, at_ms, step.raised_at, self._suite.lost))

    def _cover_both(
        self, source: Source, reason: CoverageReason | None, since_ms: int, step: "_Step"
    ) -> None:
        if reason in (CoverageReason.SHARD_LOST, CoverageReason.STATE_STORE):
            state = CoverageState.DEGRADED
        else:
            state = CoverageState.MONITORED if reason is None else CoverageState.BLIND
        for modality in Modality:
            step.covered |= self._ledger.set(modality, source, state, reason, since_ms)
        if source is not Source.STORE and self._engine.remembers:
            step.add(self._engine.forget(frozenset(SignalKind), since_ms, step.raised_at))

    def _look_closer(self, step: "_Step") -> None:
        mark = self.mark
        if mark.closer_until_ms - mark.now_ms <= LOOK_CLOSER_AGAIN_MS:
            mark.closer_until_ms = mark.now_ms + LOOK_CLOSER_MS
            step.commands.append(
                Command(name=CommandName.LOOK_CLOSER, until_ms=mark.closer_until_ms)
            )

    def _judgement(self, step: "_Step") -> Judgement:
        self._unfinished = None
        self.mark.face_ms = self._suite.face_ms
        if not self.has_ended:
            if self._body.engine.budget.due_ms is not None:
                step.add(self._engine.tell_grouped(self.mark.now_ms, step.raised_at))
            self._rank(step, self.mark.now_ms)
        self._order(step)
        if not (step.covered or step.outcome.alerts or step.commands or step.priority):
            return UNCHANGED
        coverage = self._ledger.intervals(self._body.ended_ms) if step.covered else None
        return Judgement(
            tuple(step.outcome.alerts),
            tuple(step.outcome.incidents),
            coverage,
            tuple(step.commands),
            step.priority,
        )

    def _order(self, step: "_Step") -> None:
        """Order evidence of what was told, and tell the host of orders that it has not taken."""
        mark, orders = self.mark, self._orders
        orders.follow(step.outcome.incidents, mark.now_ms)
        orders.want(step.outcome.shown, mark.epoch, mark.now_ms)
        if step.answers:
            step.commands += orders.due(mark.epoch, mark.now_ms, at_once=step.closes)
        if step.closes or step.is_gone:
            orders.gone(mark.now_ms)

    def _rank(self, step: "_Step", now_ms: int) -> None:
        """Work out the review priority, when anything changed or time has passed."""
        mark, allowed = self.mark, self._body.engine.allowed
        is_due = now_ms - mark.ranked_ms >= RANK_EVERY_MS
        if not (step.signals or step.covered or step.allowed or is_due):
            return
        mark.ranked_ms = now_ms
        self._priority.take(step.signals, allowed.breaks)
        step.priority = self._priority.news(
            self._priority.at(
                now_ms,
                self._ledger.intervals(self._body.ended_ms),
                covered(allowed.accommodations),
                allowed.breaks,
                is_final=self.has_ended,
            ),
            at_once=step.allowed,
        )

    def export_mark(self) -> bytes:
        """How far it has come, as JSON (about 100 bytes)."""
        return write_mark(self.mark)

    def export_body(self) -> bytes:
        """What it remembers besides, as JSON without the session's particulars."""
        return write_body(self._body)


@dataclass(slots=True)
class _Step:
    """What a step has brought so far."""

    raised_at: datetime
    answers: bool = False
    closes: bool = False
    is_gone: bool = False
    covered: bool = False
    allowed: bool = False
    signals: list[Signal] = field(default_factory=list)
    priority: Priority | None = None
    outcome: Outcome = field(default_factory=Outcome)
    commands: list[Command] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.outcome.alerts += outcome.alerts
        self.outcome.incidents += outcome.incidents
        self.outcome.shown += outcome.shown
