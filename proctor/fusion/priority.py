"""In which order sessions are worth a look: signals combined in log-odds, with decay and per source.

The sum is a weighted logarithmic opinion pool, naive Bayes where the weights are 1 (docs/priority.md has
formulae and sources). Signals of one source are wrong together, so of each source the strongest counts.
What was not seen adds nothing; where too little was seen there is no priority at all.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, field_validator

from proctor.domain.allowances import Break
from proctor.domain.coverage import CoverageInterval, CoverageState, Modality
from proctor.domain.priority import Contribution, Priority, Withheld
from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.covers import ON_A_BREAK, last_free_ms
from proctor.sensing.strict import Probability, Strict

SOURCES: Mapping[SignalKind, str] = {
    SignalKind.NO_FACE: "presence",
    SignalKind.BODY_MISSING: "presence",
    SignalKind.SEVERAL_FACES: "people",
    SignalKind.DIFFERENT_PERSON: "identity",
    SignalKind.IDENTITY_UNVERIFIED: "identity",
    SignalKind.GAZE_AWAY: "eyes",
    SignalKind.HEAD_TURNED: "eyes",
    SignalKind.SPEECH: "sound",
    SignalKind.WHISPER: "sound",
    SignalKind.VOICE_WITHOUT_LIPS: "sound",
    SignalKind.OTHER_VOICE: "sound",
    SignalKind.SEVERAL_VOICES: "sound",
    SignalKind.OBJECT_SEEN: "things",
    SignalKind.NOT_LIVE: "pictures",
    SignalKind.VIDEO_REPEATED: "pictures",
    SignalKind.PICTURES_DOUBLED: "pictures",
    SignalKind.NO_CAMERA_NOISE: "pictures",
    SignalKind.STEADY_BEAT: "pictures",
    SignalKind.SOURCE_CHANGED: "pictures",
}
"""What each signal rests on. Those of coverage are missing: an outage never raises a priority."""

WEIGHTS: Mapping[SignalKind, float] = {
    SignalKind.DIFFERENT_PERSON: 2.0,
    SignalKind.SEVERAL_FACES: 2.0,
    SignalKind.VIDEO_REPEATED: 1.5,
    SignalKind.OTHER_VOICE: 1.2,
    SignalKind.SEVERAL_VOICES: 1.2,
    SignalKind.NO_FACE: 0.8,
    SignalKind.OBJECT_SEEN: 0.8,
    SignalKind.SPEECH: 0.6,
    SignalKind.VOICE_WITHOUT_LIPS: 0.6,
    SignalKind.NOT_LIVE: 0.5,
    SignalKind.NO_CAMERA_NOISE: 0.5,
    SignalKind.HEAD_TURNED: 0.4,
    SignalKind.BODY_MISSING: 0.4,
    SignalKind.IDENTITY_UNVERIFIED: 0.4,
    SignalKind.GAZE_AWAY: 0.3,
    SignalKind.WHISPER: 0.2,
    SignalKind.PICTURES_DOUBLED: 0.2,
    SignalKind.STEADY_BEAT: 0.2,
    SignalKind.SOURCE_CHANGED: 0.2,
}
"""How much a signal is believed: set by judgement, by how often each is wrong alone (not fitted)."""

HABITS = frozenset(
    {
        *(SignalKind.GAZE_AWAY, SignalKind.HEAD_TURNED, SignalKind.BODY_MISSING),
        *(SignalKind.SPEECH, SignalKind.WHISPER),
    }
)
"""Behaviour that a person may have by habit: what is usual in a session says less in it."""

CERTAIN = math.log(99.0)
"""A signal's log-odds count up to a probability of 99 %: no sensor is measured beyond."""
HABIT_AFTER_MS = 300_000
_SMOOTH = 0.01


class PriorityPolicy(Strict):
    """How signals become a review priority.

    Attributes:
        base: The priority of a session in which nothing was found.
        half_life_ms: After this long half of what a signal adds is left, counted from its end.
        half_lives_ms: The same for single signals.
        weights: Factors of single signals instead of `WEIGHTS`; 0 for one that shall not count.
        habit_share: The share of time that a behaviour of `HABITS` takes with anybody. What a session
            has more of by habit counts for less, by the logarithm of the excess and down to a half.
        coverage_window_ms: The stretch that must have been seen ...
        coverage_floor: ... at least in this share; below it the priority is withheld.
        step: A change smaller than this is not written down.
    """

    base: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05
    half_life_ms: Annotated[int, Field(ge=10_000, le=7_200_000)] = 600_000
    half_lives_ms: dict[SignalKind, Annotated[int, Field(ge=10_000, le=7_200_000)]] = Field(
        default={}
    )
    weights: dict[SignalKind, Annotated[float, Field(ge=0.0, le=3.0)]] = Field(default={})
    habit_share: Probability = 0.05
    coverage_window_ms: Annotated[int, Field(ge=10_000, le=3_600_000)] = 300_000
    coverage_floor: Annotated[float, Field(ge=0.1, le=1.0)] = 0.5
    step: Annotated[float, Field(ge=0.01, le=0.5)] = 0.05

    @field_validator("weights", "half_lives_ms")
    @classmethod
    def _count(cls, given: dict[SignalKind, float]) -> dict[SignalKind, float]:
        for kind in given.keys() - SOURCES.keys():
            raise ValueError(f"{kind} is about coverage: it never counts for a priority")
        return given


@dataclass(slots=True, kw_only=True)
class Trace:
    """What is remembered of one kind of signal.

    Attributes:
        began_ms: When the open signal began; None when none is open.
        log_odds: The most it was believed so far.
        left_log_odds: What a closed one was believed; 0 when there was none.
        left_at_ms: When that ended ...
        left_since_ms: ... and began ...
        left_lasted_ms: ... and how long it lasted outside breaks: it is no habit of itself.
        closed_began_ms: When the newest closed one began: an older state of it opens nothing again.
        habit_ms: How long all that closed lasted.
    """

    began_ms: int | None = None
    log_odds: float = 0.0
    left_log_odds: float = 0.0
    left_at_ms: int = 0
    left_since_ms: int = 0
    left_lasted_ms: int = 0
    closed_began_ms: int = -1
    habit_ms: int = 0


@dataclass(slots=True, kw_only=True)
class PriorityState:
    """What is remembered of one session: plain data, to be written down as JSON.

    Attributes:
        traces: By kind; those that never were are absent.
        published: What was written down last; None while it is withheld.
        peak: The highest so far.
        peak_ms: When that was.
        peak_contributions: What it was made of.
    """

    traces: dict[SignalKind, Trace] = field(default_factory=dict)
    published: float | None = None
    peak: float | None = None
    peak_ms: int | None = None
    peak_contributions: tuple[Contribution, ...] = ()


class PriorityLedger:
    """The review priority of one session over one state."""

    def __init__(self, policy: PriorityPolicy, state: PriorityState) -> None:
        self._policy = policy
        self._state = state
        self._watched_ms: dict[Modality, int] = {}  # of the moment that is being worked out

    def take(self, signals: Iterable[Signal], breaks: Sequence[Break] = ()) -> None:
        """Take the changes of one step. In which order they came does not matter."""
        for signal in sorted(signals, key=_in_time):
            if signal.kind not in SOURCES:
                continue
            trace = self._state.traces.setdefault(signal.kind, Trace())
            if signal.started_ms <= trace.closed_began_ms:
                continue
            believed = _believed(signal.probability)
            if trace.began_ms is None or signal.started_ms > trace.began_ms:
                trace.began_ms, trace.log_odds = signal.started_ms, believed
            trace.log_odds = max(trace.log_odds, believed)
            if signal.ended_ms is not None:
                self._close(trace, signal, signal.ended_ms, breaks)

    def _close(self, trace: Trace, signal: Signal, ended_ms: int, breaks: Sequence[Break]) -> None:
        free_ms = self._last_free(signal.kind, signal.started_ms, ended_ms, breaks)
        if free_ms is not None:
            trace.habit_ms += free_ms - signal.started_ms
            left = self._decayed(signal.kind, trace.left_log_odds, free_ms - trace.left_at_ms)
            if trace.log_odds >= left:
                trace.left_log_odds, trace.left_at_ms = trace.log_odds, free_ms
                trace.left_since_ms = signal.started_ms
                trace.left_lasted_ms = free_ms - signal.started_ms
        trace.closed_began_ms = signal.started_ms
        trace.began_ms, trace.log_odds = None, 0.0

    def at(
        self,
        now_ms: int,
        coverage: Iterable[CoverageInterval],
        covered: Collection[SignalKind] = (),
        breaks: Sequence[Break] = (),
        *,
        is_final: bool = False,
    ) -> Priority:
        """The priority of a moment, and the peak with it.

        Args:
            now_ms: Session time.
            coverage: What could be seen until then.
            covered: Signals that an accommodation covers: they add nothing.
            breaks: What happened in them adds nothing, but for who sits there.
            is_final: The session is over.
        """
        state, policy, coverage = self._state, self._policy, tuple(coverage)
        base = math.log(policy.base / (1 - policy.base))
        self._watched_ms = {each: watched_ms(coverage, 0, now_ms, each) for each in Modality}
        contributions = self._contributions(now_ms, covered, breaks)
        total = _summed(base, contributions)
        if any(each.kind in covered for each in state.peak_contributions):
            # Of before the accommodation: what it covers counts for no peak either.
            left = tuple(each for each in state.peak_contributions if each.kind not in covered)
            state.peak, state.peak_contributions = _logistic(_summed(base, left)), left
        share = watched_share(coverage, now_ms - policy.coverage_window_ms, now_ms)
        value = None if share < policy.coverage_floor else _logistic(total)
        if value is not None and (state.peak is None or value > state.peak):
            state.peak, state.peak_ms, state.peak_contributions = value, now_ms, contributions
        return Priority(
            at_ms=now_ms,
            value=value,
            withheld=Withheld.COVERAGE if value is None else None,
            base_log_odds=base,
            log_odds=total,
            contributions=contributions,
            peak=state.peak,
            peak_ms=state.peak_ms,
            peak_contributions=state.peak_contributions,
            is_final=is_final,
        )

    def news(self, priority: Priority, *, at_once: bool = False) -> Priority | None:
        """The priority when it has moved by a step, is withheld or no longer so, or is the last.

        `at_once` for the smallest move as well: what is allowed has changed.
        """
        before, now = self._state.published, priority.value
        if before is not None and now is not None:
            has_moved = now != before if at_once else abs(now - before) >= self._policy.step
        else:
            has_moved = before is not now
        if not has_moved and not priority.is_final:
            return None
        self._state.published = now
        return priority

    def _contributions(
        self, now_ms: int, covered: Collection[SignalKind], breaks: Sequence[Break]
    ) -> tuple[Contribution, ...]:
        """Of each source the strongest that adds anything, the strongest first."""
        found: dict[str, Contribution] = {}
        for kind in SignalKind:
            trace = self._state.traces.get(kind)
            if trace is None or kind in covered:
                continue
            one = self._contribution(kind, trace, now_ms, breaks)
            if one is not None and (
                one.source not in found or one.log_odds > found[one.source].log_odds
            ):
                found[one.source] = one
        return tuple(sorted(found.values(), key=lambda each: (-each.log_odds, each.source)))

    def _contribution(
        self, kind: SignalKind, trace: Trace, now_ms: int, breaks: Sequence[Break]
    ) -> Contribution | None:
        believed = self._decayed(kind, trace.left_log_odds, now_ms - trace.left_at_ms)
        since_ms, habit_ms = trace.left_since_ms, trace.habit_ms - trace.left_lasted_ms
        if trace.began_ms is not None:
            free_ms = self._last_free(kind, trace.began_ms, max(now_ms, trace.began_ms), breaks)
            if free_ms is not None:
                now = self._decayed(kind, trace.log_odds, now_ms - free_ms)
                if now >= believed:
                    believed, since_ms, habit_ms = now, trace.began_ms, trace.habit_ms
        weight = self._policy.weights.get(kind, WEIGHTS[kind])
        added = weight * (believed - self._habit(kind, habit_ms, believed, now_ms))
        if added <= 0.0:
            return None
        return Contribution(kind=kind, source=SOURCES[kind], log_odds=added, since_ms=since_ms)

    def _habit(self, kind: SignalKind, habit_ms: int, believed: float, now_ms: int) -> float:
        """By how much a habit of this session makes a signal say less, in log-odds."""
        if kind not in HABITS or now_ms < HABIT_AFTER_MS:
            return 0.0
        modality = Modality.AUDIO if SOURCES[kind] == "sound" else Modality.VIDEO
        share = min(1.0, habit_ms / max(1, self._watched_ms[modality]))
        excess = math.log((share + _SMOOTH) / (self._policy.habit_share + _SMOOTH))
        return min(believed / 2, max(0.0, excess))

    def _decayed(self, kind: SignalKind, believed: float, age_ms: int) -> float:
        half_life_ms = self._policy.half_lives_ms.get(kind, self._policy.half_life_ms)
        return believed * math.exp2(-max(0, age_ms) / half_life_ms)

    @staticmethod
    def _last_free(
        kind: SignalKind, since_ms: int, until_ms: int, breaks: Sequence[Break]
    ) -> int | None:
        return last_free_ms(since_ms, until_ms, breaks) if kind in ON_A_BREAK else until_ms


def watched_share(coverage: Iterable[CoverageInterval], since_ms: int, until_ms: int) -> float:
    """The share of a stretch in which the picture was not blind; 0 of one without a length.

    The picture alone: most signals rest on it, and a microphone that is missing is no reason to
    overlook what was seen.
    """
    since_ms = max(0, since_ms)
    if until_ms <= since_ms:
        return 0.0
    return watched_ms(coverage, since_ms, until_ms, Modality.VIDEO) / (until_ms - since_ms)


def watched_ms(
    coverage: Iterable[CoverageInterval], since_ms: int, until_ms: int, modality: Modality
) -> int:
    """For how long of a stretch a modality was not blind."""
    seen_ms = 0
    for part in coverage:
        if part.modality is modality and part.state is not CoverageState.BLIND:
            end_ms = until_ms if part.end_ms is None else min(part.end_ms, until_ms)
            seen_ms += max(0, end_ms - max(part.start_ms, since_ms))
    return seen_ms


def _summed(base: float, contributions: Iterable[Contribution]) -> float:
    return base + math.fsum(each.log_odds for each in contributions)


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def _believed(probability: float) -> float:
    """Log-odds of a signal's probability, 0 from a half downward and up to 99 %."""
    if probability <= 0.5:
        return 0.0
    if probability >= 0.99:
        return CERTAIN
    return math.log(probability / (1 - probability))


def _in_time(signal: Signal) -> tuple[int, bool, SignalKind, float]:
    return (signal.started_ms, signal.ended_ms is not None, signal.kind, signal.probability)
