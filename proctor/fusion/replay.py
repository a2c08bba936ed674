"""A recording is judged again: the same rows and the same policy give the same alert log, byte for byte.

Under another policy it is judged as if that policy had been the exam's from the first moment. Nothing
here has a clock: `raised_at` is the session's beginning, and no part of the log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from proctor.domain.alerts import Alert, Transition
from proctor.domain.coverage import CoverageInterval
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import AlertId, derive_id
from proctor.domain.incidents import Incident
from proctor.domain.notes import IncidentNote
from proctor.domain.priority import Priority
from proctor.domain.recordings import BEGIN, RESTORED, TICKS, Row
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.budget import BudgetState
from proctor.fusion.judge import SessionJudge
from proctor.fusion.judgement import Judgement
from proctor.fusion.memory import read_body, read_mark
from proctor.fusion.quiet import QuietState
from proctor.fusion.steps import STEPS, WALL_TIME
from proctor.fusion.tape import Beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of it.

    Attributes:
        spec: The session's particulars, with the policy that judged.
        alerts: In seq order.
        incidents: The newest state of each, in order of their opening.
        coverage: The whole coverage as it was last told.
        priority: The review priority as it was last told; None before there was one.
        notes: Alerts of late news that were left out, for another policy knows no such incident.
        last_seq: The number of the last alert of the recorded judge.
        is_whole: Whether everything that was judged could be judged again. Otherwise a memory was lost
            together with its newest rows, or the recording began late (it was full), or a report
            was nonsense: alerts of that time may be missing.
        has_ended: Whether the recording holds the session's end.
    """

    spec: SessionSpec
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]
    coverage: tuple[CoverageInterval, ...]
    priority: Priority | None
    notes: frozenset[AlertId]
    last_seq: int
    is_whole: bool
    has_ended: bool


def replay(
    takes: Sequence[Iterable[Row]],
    policy_text: str | None = None,
    until: AlertId | None = None,
) -> Replayed:
    """Judge a recording again.

    Args:
        takes: The rows of each take, in order.
        policy_text: Another policy; None for the recorded one.
        until: Stop after the step that raised this alert and gave it its number.

    Raises:
        InvalidInput: The recording cannot be read (`recording/unreadable`), or the policy is wrong.
    """
    player = _Player(policy_text, until)
    for take in takes:
        player.play(list(take))
        if player.is_done:
            break
    return player.result()


@dataclass(slots=True)
class _Player:
    policy_text: str | None
    until: AlertId | None
    judge: SessionJudge | None = None
    alerts: list[Alert] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    coverage: tuple[CoverageInterval, ...] = ()
    priority: Priority | None = None
    notes: set[AlertId] = field(default_factory=set)
    last_seq: int = 0
    is_whole: bool = True
    is_done: bool = False
    _recorded_text: str = ""

    def play(self, rows: Sequence[Row]) -> None:
        if not rows or rows[0].kind != BEGIN or [each.no for each in rows] != [*_count(len(rows))]:
            raise _unreadable("rows are missing")
        renumbered = max((row.no for row in rows if row.kind == "renumbered"), default=0)
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            self.last_seq = row.alert_seq
            try:
                self._take(row)
            except Exception:
                if following is None or following.kind != "skip":
                    raise  # else it broke its judge when it came, too
            if self.is_done and row.no >= renumbered:
                return  # until then the alert's number may be another one still

    def _take(self, row: Row) -> None:
        if row.kind == BEGIN:
            self._begin(row)
            return
        judge = self.judge
        assert judge is not None
        if row.ticks:
            judge.mark.consumed += row.ticks - 1
            self._keep(judge.tick(row.ticked_ms, row.silent_ms, judge.spec.started_at))
        if row.kind == RESTORED:
            mark, body = read_mark(judge.export_mark()), read_body(judge.export_body())
            self.judge = SessionJudge(judge.spec, mark, body)
        elif row.kind != TICKS:
            self._step(judge, row)

    def _begin(self, row: Row) -> None:
        try:
            beginning = Beginning.model_validate_json(row.text)
        except ValidationError as error:
            raise _unreadable(f"row {row.no}, {row.kind}") from error
        self._recorded_text = beginning.spec.policy_text
        spec, body = beginning.spec, beginning.body
        if self.policy_text is not None:
            spec = replace(spec, policy_text=self.policy_text)
            if body is not None:  # its open incidents, threads and counts are the other policy's
                body.engine = replace(
                    body.engine,
                    alert_seq=len(self.alerts),
                    incidents={},
                    quiet=QuietState(),
                    budget=BudgetState(),
                )
        self.is_whole &= self.judge is None and body is None
        self.judge = SessionJudge(spec, beginning.mark, body)

    def _step(self, judge: SessionJudge, row: Row) -> None:
        step = STEPS.get(row.kind)
        try:
            if step is None:
                raise ValueError(row.kind)
            arguments = step.read(row.text)
        except ValueError as error:
            if row.kind != "skip":
                raise _unreadable(f"row {row.no}, {row.kind}") from error
            judge.mark.epoch, judge.mark.seq = row.epoch, row.seq
            self.is_whole = False  # nonsense, which nobody can read back: what it left is not known
            return
        if isinstance(report := arguments.get("report"), TickReport) and report.spec is not None:
            text = self.policy_text or report.spec.policy_text or self._recorded_text
            arguments["report"] = replace(report, spec=replace(report.spec, policy_text=text))
        if self.policy_text is not None:
            self._as_if(row.kind, arguments)
            if row.kind == "annotate":
                return
        if row.kind == "renumbered":
            self._renumber(**arguments)
        if step.takes_wall_time:
            arguments[WALL_TIME] = judge.spec.started_at
        judgement = getattr(judge, row.kind)(**arguments)
        if isinstance(judgement, Judgement):
            self._keep(judgement)

    def _as_if(self, kind: str, arguments: dict[str, Any]) -> None:
        """What the database would know had this policy judged from the beginning."""
        if kind == "adopt":
            arguments["incidents"] = tuple(self.incidents.values())
        if "alert_seq" in arguments:
            arguments["alert_seq"] = len(self.alerts)
        if kind == "renumbered":
            arguments["alerts"] = 0
        if kind == "annotate":
            note: IncidentNote = arguments["note"]
            about = (note.incident.incident_id, Transition.UPDATED, note.note_id)
            self.notes.add(AlertId(derive_id("alr", *about)))

    def _renumber(self, alerts: int, alert_seq: int) -> None:
        first = len(self.alerts) - alerts
        for place in range(first, len(self.alerts)):
            seq = alert_seq - (len(self.alerts) - 1 - place)
            self.alerts[place] = replace(self.alerts[place], seq=seq)

    def _keep(self, judgement: Judgement) -> None:
        self.alerts += judgement.alerts
        for incident in judgement.incidents:
            self.incidents[incident.incident_id] = incident
        if judgement.coverage is not None:
            self.coverage = judgement.coverage
        self.priority = judgement.priority or self.priority
        if self.until is not None:
            self.is_done |= any(alert.alert_id == self.until for alert in judgement.alerts)

    def result(self) -> Replayed:
        if self.judge is None:
            raise _unreadable("it is empty")
        return Replayed(
            spec=self.judge.spec,
            alerts=tuple(self.alerts),
            incidents=tuple(self.incidents.values()),
            coverage=self.coverage,
            priority=self.priority,
            notes=frozenset(self.notes),
            last_seq=self.last_seq,
            is_whole=self.is_whole,
            has_ended=self.judge.has_ended,
        )


def _count(rows: int) -> range:
    return range(1, rows + 1)


def _unreadable(what: str) -> InvalidInput:
    return InvalidInput(
        f"the recording cannot be read ({what}); it is damaged, or another version made it",
        "recording/unreadable",
    )
