"""An engine with a few rules, and signals in a word."""

from typing import Any

from proctor.domain.signals import Signal, SignalKind
from proctor.fusion.engine import EngineState, FusionEngine
from proctor.fusion.plain_yaml import write_plain
from proctor.fusion.policy import parse_policy
from proctor.sensing.figures import FIGURES, LASTED
from proctor.sensing.hysteresis import Reading, Spell
from tests.fakes import facts


def policy_text(*rules: dict[str, Any], **more: Any) -> str:
    """A policy of these rules; what a rule leaves out is filled in."""
    whole = [
        {
            "category": "conduct",
            "severity": "low",
            "title": {"en": rule["id"]},
            "reason": {"en": "For {lasted_s:.1f} s."},
        }
        | rule
        for rule in rules
    ]
    return write_plain({"id": "test", "version": 3, "name": "Test", "rules": whole} | more)


def engine(*rules: dict[str, Any], **more: Any) -> FusionEngine:
    """Judges one session by these rules."""
    return FusionEngine(facts.spec(), parse_policy(policy_text(*rules, **more)), EngineState())


def spell(
    kind: str | SignalKind, started_ms: int, last_ms: int, ended_ms: int | None = None
) -> Signal:
    """A signal with a reading at its beginning and one at its newest moment."""
    kind = SignalKind(kind)
    seen = Spell(is_open=True, figures=dict.fromkeys(FIGURES[kind] - {LASTED}, 1.0))
    seen.support(Reading(started_ms, (facts.DETECTOR,), facts.digest(started_ms)))
    seen.support(Reading(last_ms, (facts.GAZE_MODEL,), facts.digest(last_ms)))
    return seen.signal(kind, facts.SESSION, ended_ms)
