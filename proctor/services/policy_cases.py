"""Policies are tested like code: a session in short form, or a recording, and what must come of it.

In the manner of Prometheus' rule tests; docs/replay.md shows the form. Whoever calls reads the files.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from proctor.domain.alerts import Alert, Transition
from proctor.domain.allowances import Accommodation, Allowances, Break, BreakBy
from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.incidents import Severity
from proctor.domain.observations import Observation, StreamState
from proctor.domain.recordings import Row
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec
from proctor.fusion.judge import SessionJudge
from proctor.fusion.plain_yaml import UNREADABLE, read_plain
from proctor.fusion.policy import parse_policy
from proctor.fusion.replay import replay
from proctor.sensing.strict import Strict
from proctor.services.policy_timeline import Seconds, Span

MAX_CASES_CHARS = 1_000_000
MAX_LOOKS = 25_000
MAX_LENGTH_S = 14_400
"""Of all cases that are played together: some seconds of a processor."""
TICK_MS = 200
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Expected(Strict):
    """An incident that must come.

    Attributes:
        rule: Which rule.
        opened_s: When the behaviour began.
        closed_s: When it ended; left out when that does not matter.
        severity: The highest that it reaches; left out when that does not matter.
        suppressed_by: What keeps its first news back (`accommodation:may_speak`, `break`, `budget`);
            `null` for nothing, left out when that does not matter.
        within_s: How far the moments may be off.
    """

    rule: str
    opened_s: Seconds
    closed_s: Seconds | None = None
    severity: Severity | None = None
    suppressed_by: str | None = None
    within_s: Annotated[float, Field(ge=0.0, le=60.0)] = 0.6


class Pause(Strict):
    """A break, from one second to another."""

    from_s: Seconds
    to_s: Seconds


class Case(Strict):
    """One session and what must come of it.

    Attributes:
        name: What it shows.
        length_s: How long the session is; the end of the last span if left out.
        seen: What is seen and heard. Media come at 0 unless a span says otherwise.
        recording: The name of a recording instead.
        allowed: Accommodations of the candidate.
        breaks: Breaks of the session.
        rules: Only these rules are looked at; all of them if left out.
        incidents: Every incident that must come, and no other of the rules that are looked at.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    length_s: Seconds | None = None
    seen: tuple[Span, ...] = ()
    recording: str | None = None
    allowed: tuple[Accommodation, ...] = ()
    breaks: tuple[Pause, ...] = ()
    rules: tuple[str, ...] | None = None
    incidents: tuple[Expected, ...]

    @model_validator(mode="after")
    def _has_one_session(self) -> Self:
        if bool(self.seen) == (self.recording is not None):
            raise ValueError("a case has either `seen` or `recording`")
        if self.recording is not None and (self.allowed or self.breaks):
            raise ValueError("a recording knows by itself what was allowed")
        return self


class Cases(Strict):
    """A file of cases.

    Attributes:
        policy: The policy that they are for, as a path beside the file: for `proctor policy test`.
        cases: The cases.
    """

    policy: str | None = None
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _can_be_played(self) -> Self:
        """Whoever may bring cases must not keep a processor busy for hours by them."""
        if told := _too_much(self.cases):
            raise ValueError(told)
        return self


def _too_much(cases: Iterable[Case]) -> str | None:
    """What says that these cases are more than is played together; None when they are not."""
    played = [case for case in cases if case.seen]
    looks = sum(span.looks for case in played for span in case.seen)
    length_s = sum(_length_ms(case) / 1000 for case in played)
    if looks <= MAX_LOOKS and length_s <= MAX_LENGTH_S:
        return None
    return f"more than {MAX_LOOKS} looks or {MAX_LENGTH_S} s in all"


def run_cases(
    policy_text: str,
    case_texts: Sequence[str],
    recordings: Mapping[str, Sequence[Row]] | None = None,
) -> Sequence[str]:
    """Judge every case by the policy.

    Args:
        policy_text: The policy.
        case_texts: Files of cases (YAML).
        recordings: The rows of recordings that cases name.

    Returns:
        A line per failure, naming case and rule; empty when everything comes as it must.

    Raises:
        InvalidInput: The policy or a file of cases cannot be read, or the files are too much together
            (`policy/bad-case`).
    """
    known = {rule.id for rule in parse_policy(policy_text).rules}
    cases = [case for text in case_texts for case in read_cases(text).cases]
    if told := _too_much(cases):
        raise InvalidInput(f"the files of cases together: {told}", _CODE)
    return [
        f"{case.name}: {line}"
        for case in cases
        for line in _run(case, policy_text, known, recordings or {})
    ]


def read_cases(text: str) -> Cases:
    """A file of cases. Raises `InvalidInput` (`policy/bad-case`) naming the first field that is wrong."""
    if len(text) > MAX_CASES_CHARS:
        raise InvalidInput(f"a file of cases has at most {MAX_CASES_CHARS} characters", _CODE)
    try:
        _, plain = read_plain(text)
    except UNREADABLE as error:
        problem = " ".join(str(error).split())[:300]
        raise InvalidInput(f"not a file of cases in YAML: {problem}", _CODE) from error
    try:
        return Cases.model_validate_json(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "cases"
        raise InvalidInput(f"{where}: {first['msg']}", _CODE) from error


_CODE = "policy/bad-case"


def _run(
    case: Case, policy_text: str, known: set[str], recordings: Mapping[str, Sequence[Row]]
) -> Iterable[str]:
    named = {*(case.rules or ()), *(each.rule for each in case.incidents)}
    for rule in sorted(named - known):
        yield f"rule {rule}: the policy has none of this name"
    if case.recording is not None and case.recording not in recordings:
        yield f"the recording {case.recording} is not there"
        return
    if case.recording is not None:
        alerts: Sequence[Alert] = replay([recordings[case.recording]], policy_text).alerts
    else:
        alerts = _judged(case, policy_text)
    came: dict[str, list[Came]] = {}
    for incident in _incidents(alerts):
        came.setdefault(incident.rule, []).append(incident)
    looked_at = known if case.rules is None else set(case.rules) | named
    for rule in sorted(looked_at):
        wanted = [each for each in case.incidents if each.rule == rule]
        yield from _compared(rule, wanted, came.get(rule, []))


class Came(Strict):
    """An incident that came."""

    rule: str
    opened_s: float
    closed_s: float | None
    severity: Severity
    suppressed_by: str | None


_ORDER = tuple(Severity)


def _incidents(alerts: Iterable[Alert]) -> list[Came]:
    found: dict[str, Came] = {}
    for alert in alerts:
        before = found.get(alert.incident_id)
        at_s = alert.occurred_ms / 1000
        closed_s = at_s if alert.transition is Transition.CLOSED else None
        severity = alert.severity
        if before is not None:
            severity = max(before.severity, severity, key=_ORDER.index)
        found[alert.incident_id] = Came(
            rule=alert.rule_id,
            opened_s=at_s if before is None else before.opened_s,
            closed_s=closed_s,
            severity=severity,
            suppressed_by=alert.suppressed_by if before is None else before.suppressed_by,
        )
    return list(found.values())


def _compared(rule: str, wanted: Sequence[Expected], came: Sequence[Came]) -> Iterable[str]:
    left = sorted(came, key=lambda each: each.opened_s)
    for want in sorted(wanted, key=lambda each: each.opened_s):
        near = min(left, key=lambda each: abs(each.opened_s - want.opened_s), default=None)
        if near is None:
            yield f"rule {rule}: expected at {want.opened_s:g} s, did not come"
            continue
        left.remove(near)
        if abs(near.opened_s - want.opened_s) > want.within_s:
            yield f"rule {rule}: expected at {want.opened_s:g} s, came at {near.opened_s:g} s"
        if want.closed_s is not None and (
            near.closed_s is None or abs(near.closed_s - want.closed_s) > want.within_s
        ):
            ended = "never" if near.closed_s is None else f"at {near.closed_s:g} s"
            yield f"rule {rule}: expected to end at {want.closed_s:g} s, ended {ended}"
        if want.severity is not None and near.severity is not want.severity:
            yield f"rule {rule}: expected severity {want.severity}, reached {near.severity}"
        if "suppressed_by" in want.model_fields_set and near.suppressed_by != want.suppressed_by:
            yield (
                f"rule {rule}: expected to be suppressed by {want.suppressed_by or 'nothing'}, "
                f"was by {near.suppressed_by or 'nothing'}"
            )
    for extra in left:
        yield f"rule {rule}: came at {extra.opened_s:g} s, was not expected"


def _judged(case: Case, policy_text: str) -> Sequence[Alert]:
    spec = SessionSpec(
        session_id=SessionId("ses_case"),
        tenant_id=TenantId("ten_case"),
        exam_id=ExamId("exa_case"),
        candidate_id=CandidateId("can_case"),
        policy_text=policy_text,
        started_at=BEGAN,
        epoch=1,
        allowances=Allowances(accommodations=case.allowed, breaks=tuple(_breaks(case))),
    )
    judge = SessionJudge(spec)
    alerts: list[Alert] = []
    for report in _reports(case, spec):
        alerts += judge.consume(report, BEGAN).alerts
    alerts += judge.end(_length_ms(case), BEGAN).alerts
    return alerts


def _breaks(case: Case) -> Iterable[Break]:
    for place, each in enumerate(case.breaks):
        yield Break(
            break_id=f"break_{place}",
            start_ms=round(each.from_s * 1000),
            end_ms=round(each.to_s * 1000),
            by=BreakBy.SCHEDULE,
        )


def _length_ms(case: Case) -> int:
    if case.length_s is not None:
        return round(case.length_s * 1000)
    return max(round(span.to_s * 1000) for span in case.seen)


def _reports(case: Case, spec: SessionSpec) -> Iterable[TickReport]:
    """What a host would send: every 200 ms what was seen since the report before."""
    seen = [*_media_come(case), *(one for span in case.seen for one in span.observations())]
    seen.sort(key=lambda one: one.observed_ms)
    place = 0
    for seq, sent_ms in enumerate(range(0, _length_ms(case) + 1, TICK_MS), 1):
        begin = place
        while place < len(seen) and seen[place].observed_ms <= sent_ms:
            place += 1
        yield TickReport(
            session_id=spec.session_id,
            epoch=1,
            seq=seq,
            sent_ms=sent_ms,
            observations=tuple(seen[begin:place]),
            spec=spec if seq == 1 else None,
        )


def _media_come(case: Case) -> Iterable[Observation]:
    for modality in Modality:
        if not any(span.from_s == 0 and getattr(span, modality) for span in case.seen):
            yield StreamState(
                observed_ms=0,
                since_ms=0,
                modality=modality,
                state=CoverageState.MONITORED,
                reason=None,
            )
