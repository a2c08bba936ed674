"""A session's record made ready to be drawn, within bounds that are told. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from proctor.domain.allowances import Break
from proctor.domain.casework import Added, SessionDecision, Statement
from proctor.domain.coverage import CoverageInterval, CoverageState, Modality
from proctor.domain.desk import IncidentLine, SessionRecord
from proctor.domain.ids import IncidentId, SignalId
from proctor.domain.incidents import Incident
from proctor.domain.sessions import Session
from proctor.domain.signals import Signal

MOST_INCIDENTS = 500
MOST_DETAILED = 200
MOST_SIGNALS = 1_000
MOST_STRETCHES = 500
MOST_MILESTONES = 500
_WORST_LAST = (CoverageState.MONITORED, CoverageState.DEGRADED, CoverageState.BLIND)


class MilestoneKind(StrEnum):
    """What happened to a session, besides what was seen in it."""

    JOINED = "joined"
    CONNECTED = "connected"
    LEFT = "left"
    VERDICT = "verdict"
    DECISION = "decision"
    STATEMENT = "statement"
    ADDED = "incident_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """Something that happened at a moment; session time goes on after the end."""

    at_ms: int
    at: datetime
    kind: MilestoneKind
    epoch: int | None = None
    incident_id: IncidentId | None = None
    word: str | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A signal, and the incidents that rest on it."""

    signal: Signal
    incident_ids: tuple[IncidentId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """What a lane leaves out; `total` is None when nobody counted."""

    lane: str
    shown: int
    total: int | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A session's lanes, each in order of time; all `*_ms` are session time."""

    session: Session
    length_ms: int
    incidents: tuple[IncidentLine, ...]
    coverage: dict[Modality, tuple[CoverageInterval, ...]]
    signals: tuple[Shown, ...]
    milestones: tuple[Milestone, ...]
    breaks: tuple[Break, ...]
    truncated: tuple[Truncated, ...]


def length_ms(session: Session, now: datetime) -> int:
    """How long a session lasted, or has lasted so far; 0 before it began."""
    if session.started_at is None:
        return 0
    return max(0, _ms((session.ended_at or now) - session.started_at))


def drawn(
    session: Session,
    record: SessionRecord,
    breaks: Sequence[Break],
    decisions: Sequence[SessionDecision],
    statements: Sequence[Statement],
    additions: Sequence[Added],
    now: datetime,
) -> Timeline:
    """Everything that is known of a session, in lanes."""
    length = length_ms(session, now)
    truncated: list[Truncated] = []
    lanes = {}
    for modality in Modality:
        whole = [each for each in session.coverage if each.modality is modality]
        lanes[modality] = stretches(whole, length, MOST_STRETCHES)
        if len(whole) > MOST_STRETCHES:
            truncated.append(
                Truncated(
                    lane=f"coverage.{modality}",
                    shown=len(lanes[modality]),
                    total=len(whole),
                    rule=f"told in {MOST_STRETCHES} slots of equal length, each by the worst in it",
                )
            )
    if record.incidents_total > len(record.incidents):
        truncated.append(
            Truncated(
                lane="incidents",
                shown=len(record.incidents),
                total=record.incidents_total,
                rule="the most severe are shown, of equal ones the longest",
            )
        )
    signals, signals_total = _signals(record.detailed)
    is_cut = record.incidents_total > len(record.detailed)
    if is_cut or signals_total > len(signals):
        truncated.append(
            Truncated(
                lane="signals",
                shown=len(signals),
                total=None if is_cut else signals_total,
                rule=f"of the {MOST_DETAILED} most severe incidents, the longest signals",
            )
        )
    found = _milestones(session, record, decisions, statements, additions)
    if len(found) > MOST_MILESTONES:
        truncated.append(
            Truncated(
                lane="milestones",
                shown=MOST_MILESTONES,
                total=len(found),
                rule="the newest are shown",
            )
        )
    return Timeline(
        session=session,
        length_ms=length,
        incidents=record.incidents,
        coverage=lanes,
        signals=signals,
        milestones=tuple(found[-MOST_MILESTONES:]),
        breaks=tuple(breaks),
        truncated=tuple(truncated),
    )


def stretches(
    intervals: Sequence[CoverageInterval], length: int, most: int
) -> tuple[CoverageInterval, ...]:
    """Coverage of one modality in at most so many stretches; blindness is never drawn away.

    Above that, session time is cut into `most` slots, each told by the worst that touches it.
    """
    if len(intervals) <= most:
        return tuple(intervals)
    ends = [each.end_ms for each in intervals if each.end_ms is not None]
    until = max([length, *ends, *(each.start_ms for each in intervals)])
    width = max(1, -(-(until + 1) // most))
    worst: list[CoverageInterval | None] = [None] * most
    for each in intervals:
        end = until if each.end_ms is None else max(each.start_ms, each.end_ms - 1)
        for slot in range(each.start_ms // width, end // width + 1):
            known = worst[slot]
            if known is None or _weight(each) > _weight(known):
                worst[slot] = each
    told: list[CoverageInterval] = []
    for slot, kind in enumerate(worst):
        if kind is None:
            continue
        start, end = slot * width, min((slot + 1) * width, until)
        last = told[-1] if told else None
        if last and last.end_ms == start and (last.state, last.reason) == (kind.state, kind.reason):
            told[-1] = _stretch(kind, last.start_ms, end)
        else:
            told.append(_stretch(kind, start, end))
    if told and any(each.end_ms is None for each in intervals):
        told[-1] = _stretch(told[-1], told[-1].start_ms, None)
    return tuple(told)


def _stretch(kind: CoverageInterval, start: int, end: int | None) -> CoverageInterval:
    return CoverageInterval(
        modality=kind.modality, state=kind.state, reason=kind.reason, start_ms=start, end_ms=end
    )


def _weight(interval: CoverageInterval) -> int:
    return _WORST_LAST.index(interval.state)


def _signals(incidents: Iterable[Incident]) -> tuple[tuple[Shown, ...], int]:
    """(the signals to be shown, how many there are), each in its newest state."""
    newest: dict[SignalId, Signal] = {}
    used: dict[SignalId, list[IncidentId]] = {}
    for incident in incidents:
        for signal in incident.signals:
            known = newest.get(signal.signal_id)
            if known is None or (known.ended_ms is None and signal.ended_ms is not None):
                newest[signal.signal_id] = signal
            used.setdefault(signal.signal_id, []).append(incident.incident_id)

    def lasted(signal: Signal) -> int:
        return (1 << 50 if signal.ended_ms is None else signal.ended_ms) - signal.started_ms

    kept = sorted(newest.values(), key=lasted, reverse=True)[:MOST_SIGNALS]
    kept.sort(key=lambda each: (each.started_ms, each.signal_id))
    return tuple(Shown(each, tuple(used[each.signal_id])) for each in kept), len(newest)


def _milestones(
    session: Session,
    record: SessionRecord,
    decisions: Sequence[SessionDecision],
    statements: Sequence[Statement],
    additions: Sequence[Added],
) -> list[Milestone]:
    begin = session.started_at or session.created_at

    def at(moment: datetime, kind: MilestoneKind, **more: object) -> Milestone:
        return Milestone(at_ms=_ms(moment - begin), at=moment, kind=kind, **more)  # type: ignore[arg-type]

    found = []
    if session.started_at is not None:
        found.append(at(session.started_at, MilestoneKind.JOINED))
    found += [at(each.at, MilestoneKind.CONNECTED, epoch=each.epoch) for each in record.connections]
    if session.ended_at is not None:
        found.append(at(session.ended_at, MilestoneKind.LEFT))
    found += [
        at(
            each.given_at,
            MilestoneKind.VERDICT,
            incident_id=each.incident_id,
            word=each.verdict.value,
            who=each.reviewer,
        )
        for each in record.verdicts
    ]
    found += [
        at(each.given_at, MilestoneKind.DECISION, word=each.word.value, who=each.reviewer)
        for each in decisions
    ]
    found += [
        at(each.made_at, MilestoneKind.STATEMENT, incident_id=each.incident_id, word=each.by.value)
        for each in statements
    ]
    found += [
        at(each.added_at, MilestoneKind.ADDED, incident_id=each.incident_id, who=each.reviewer)
        for each in additions
    ]
    return sorted(found, key=lambda each: each.at)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
