"""What administrators get. What cannot be known is null with a reason, never 0."""

from datetime import datetime
from typing import Generic, TypeVar

from proctor.api.views import View
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.sessions import SessionState

Item = TypeVar("Item")


class KnownView(View, Generic[Item]):
    """A figure, or null with the reason why it is not known."""

    value: Item | None
    reason: str | None = None


class PrecisionView(View):
    """How often reviewers agreed with a rule, of what they looked at.

    Attributes:
        looked_at: Confirmed and dismissed together.
        precision: confirmed / looked_at; null when nobody has looked at any.
        low: Of the 95 % interval (Wilson); null with the precision.
        high: The same.
    """

    looked_at: int
    confirmed: int
    dismissed: int
    unreviewed: int
    precision: float | None
    low: float | None
    high: float | None
    reason: str | None


class RulePrecisionView(PrecisionView):
    """The precision of one rule of one policy version; what people added is never in here.

    Attributes:
        hint: A sentence where reviewers dismiss most of what the rule finds; else null.
    """

    policy_id: str
    policy_version: int
    rule_id: str
    hint: str | None


class RulesView(View):
    """Every rule that found something, the least precise that was looked at first."""

    items: list[RulePrecisionView]
    added_by_people: int


class CoverageTotalView(View):
    """How long one modality of all sessions was in one state for one reason."""

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    ms: int
    share: float


class ModelInUseView(View):
    """A model and how many of the newest alerts rest on it."""

    model: str
    version: str
    digest: str
    alerts: int


class SinkDepthView(View):
    """What one sink still owes."""

    sink_id: str
    name: str
    kind: str
    is_enabled: bool
    pending: int
    dead: int
    oldest_at: datetime | None


class HostView(View):
    """A session host as it was last seen. Hosts serve every tenant."""

    name: str
    sessions: int
    capacity: int
    lag_ms: float
    is_draining: bool


class RetentionView(View):
    """How long exams keep what they keep."""

    retention_days: int
    exams: int


class OverviewView(View):
    """The tenant at a glance.

    Attributes:
        sessions: By state; a state without sessions is told as 0, for it was counted.
        live_coverage: Live sessions by what is seen of them at this moment (state of video).
        session_hours: Of video, watched or not.
        alerts: Told ones (with a place in the feed).
        alerts_per_session_hour: Null before the first hour.
        precision: Of all rules together.
        rules: The ten rules with most incidents; all of them: /v1/admin/rules.
        coverage: Sums over all sessions, the longest first.
        models: Of the newest `models_window` alerts.
        outbox: Alerts that wait for their place in the feed.
        sinks: What each still owes.
        dead_letters: Over all sinks.
        hosts: Load of the session hosts.
        storage_bytes: Of the tenant's evidence that lies in the store, before it was sealed.
        recording_bytes: Of the tenant's recordings.
        retention: Exams by how long they keep evidence and recordings after a session's end.
    """

    at: datetime
    sessions: dict[SessionState, int]
    live_coverage: dict[CoverageState, int]
    session_hours: float
    alerts: int
    alerts_per_session_hour: KnownView[float]
    precision: PrecisionView
    rules: list[RulePrecisionView]
    coverage: list[CoverageTotalView]
    models: list[ModelInUseView]
    models_window: int
    outbox: int
    sinks: list[SinkDepthView]
    dead_letters: int
    hosts: KnownView[list[HostView]]
    storage_bytes: KnownView[int]
    recording_bytes: KnownView[int]
    retention: list[RetentionView]


class FaultView(View):
    """One thing that is wrong with a policy; `line` is null when the text as a whole is meant."""

    line: int | None
    where: str
    what: str
    code: str


class PolicyCheckView(View):
    """Everything that is wrong with a policy's text; nothing is stored."""

    is_valid: bool
    faults: list[FaultView]
    policy_id: str | None
    version: int | None
    name: str | None
    rules: list[str]


class RerankedView(View):
    """A session under another policy.

    Attributes:
        place_before: Its place among the sessions judged, 1 first.
        priority_before: Its review priority; null when it is withheld.
        rules: Rules that opened more or fewer incidents: [before, after].
        is_whole: Whether all of its recording could be judged again.
    """

    session_id: str
    place_before: int
    place_after: int
    priority_before: float | None
    priority_after: float | None
    rules: dict[str, tuple[int, int]]
    incidents_before: int
    incidents_after: int
    is_whole: bool


class SkippedView(View):
    """A session that could not be judged again, and why."""

    session_id: str
    reason: str


class WhatIfView(View):
    """A policy tried on recorded sessions. Changes nothing.

    Attributes:
        state: `running`, `done` or `failed`.
        done: Sessions judged so far.
        total: Sessions to judge.
        left_out: Recorded sessions of the exam that are not tried: those of the lowest priority.
        detail: Why it failed; else null.
        sessions: Once it is done, by their new place.
        skipped: What could not be judged.
    """

    what_if_id: str
    state: str
    done: int
    total: int
    left_out: int
    detail: str | None
    sessions: list[RerankedView]
    skipped: list[SkippedView]
