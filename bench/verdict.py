"""What was expected against what came: which alerts, how late, and whether coverage adds up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.candidate.listener import Heard
from bench.candidate.scenes import Expected, Scene, Script
from bench.candidate.wire import SessionView

_EARLY_S = 1.5
"""An alert may date the behaviour a little before the scene: pictures are seconds apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """One expectation and what came of it.

    Attributes:
        scene: What happened.
        expected: What must be heard of it.
        heard: The alert that opened; None when none came in time.
        delay_s: From the event to the alert's arrival; None when none came.
    """

    scene: Scene
    expected: Expected
    heard: Heard | None
    delay_s: float | None

    @property
    def beyond_dwell_s(self) -> float | None:
        """The delay less what the rule itself waits for."""
        return None if self.delay_s is None else self.delay_s - self.expected.dwell_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that a session's alerts say about its script.

    Attributes:
        rows: Every expectation, in order.
        unexpected: Alerts that opened for no reason in the script.
        tolerated: Alerts that a scene allows without asking for them.
    """

    rows: tuple[Row, ...]
    unexpected: tuple[Heard, ...]
    tolerated: tuple[Heard, ...]

    @property
    def missing(self) -> tuple[Row, ...]:
        """Expectations that were not met."""
        return tuple(row for row in self.rows if row.heard is None)

    @property
    def holds(self) -> bool:
        """Whether everything expected came and nothing else."""
        return not self.missing and not self.unexpected


def judge(script: Script, began_at: float, started_at: float, heard: Sequence[Heard]) -> Verdict:
    """Hold a session's alerts against its script.

    Args:
        script: What was played.
        began_at: Wall time of the script's second 0, in s since the epoch.
        started_at: Wall time of session time 0.
        heard: Alerts of this session in the order they came.
    """
    opened = [news for news in heard if news.alert.transition == "opened"]
    left = list(opened)
    rows: list[Row] = []
    for scene in script.scenes:
        for expected in scene.expects:
            found = next(
                (n for n in left if _answers(n, expected, scene, script, began_at, started_at)),
                None,
            )
            if found is not None:
                left.remove(found)
            delay_s = None if found is None else found.at - (began_at + scene.start_s)
            rows.append(Row(scene, expected, found, delay_s))
    tolerated = [n for n in left if _is_allowed(n, script, began_at, started_at)]
    unexpected = [n for n in left if n not in tolerated]
    return Verdict(tuple(rows), tuple(unexpected), tuple(tolerated))


def scene_of(news: Heard, script: Script, began_at: float, started_at: float) -> Scene:
    """What was on when an alert's behaviour began. Times as in `judge`."""
    return script.scene_at(_script_time(news, began_at, started_at))


def _script_time(news: Heard, began_at: float, started_at: float) -> float:
    return started_at + news.alert.occurred_ms / 1000 - began_at


def _answers(
    news: Heard,
    expected: Expected,
    scene: Scene,
    script: Script,
    began_at: float,
    started_at: float,
) -> bool:
    happened_s = _script_time(news, began_at, started_at)
    return (
        news.alert.rule_id == expected.rule_id
        and scene.start_s - _EARLY_S <= happened_s < script.end_of(scene)
        and news.at <= began_at + scene.start_s + expected.within_s
    )


def _is_allowed(news: Heard, script: Script, began_at: float, started_at: float) -> bool:
    happened_s = _script_time(news, began_at, started_at)
    scenes = {script.scene_at(happened_s).name, script.scene_at(happened_s + _EARLY_S).name}
    return any(scene.name in scenes and news.alert.rule_id in scene.may for scene in script.scenes)


def unaccounted_ms(session: SessionView) -> int:
    """How far the coverage of an ended session is from tiling its length, the worse modality.

    Counts holes, overlaps and what is missing or over at both ends; 0 is exact.

    Raises:
        ValueError: The session has not ended.
    """
    if session.started_at is None or session.ended_at is None:
        raise ValueError("coverage adds up only for a session that was live and has ended")
    length_ms = round((session.ended_at - session.started_at).total_seconds() * 1000)
    worst = 0
    for modality in ("video", "audio"):
        at, wrong = 0, 0
        for part in (part for part in session.coverage if part.modality == modality):
            wrong += abs(part.start_ms - at)
            at = part.start_ms if part.end_ms is None else part.end_ms
        worst = max(worst, wrong + abs(length_ms - at))
    return worst


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max by linear interpolation; empty for no values."""
    if not values:
        return {}
    p50, p95, p99 = np.percentile(np.asarray(values, float), [50, 95, 99])
    return {
        "p50": float(p50),
        "p95": float(p95),
        "p99": float(p99),
        "max": float(max(values)),
    }
