"""Looking away from where this candidate usually looks. A direction, and nothing about a mind.

A reading without a gaze (a blink, eyes that cannot be measured) is no reading: it neither opens nor
resets anything.
"""

from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import GazeSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.baseline import Baseline, BaselineState
from proctor.sensing.hysteresis import Hysteresis, Reading, Spell
from proctor.sensing.limits import GazeLimits

YAW = "yaw_from_base_deg"


def largest(spell: Spell, yaw_deg: float) -> dict[str, float]:
    """The turn farthest from the baseline so far, with its sign."""
    return {YAW: max(spell.figures.get(YAW, 0.0), yaw_deg, key=abs)}


@dataclass(slots=True, kw_only=True)
class GazeState:
    """The session's baseline and the behaviour itself."""

    baseline: BaselineState = field(default_factory=BaselineState)
    spell: Spell = field(default_factory=Spell)


class GazeSensor:
    """Turns gaze readings into GAZE_AWAY signals."""

    def __init__(self, session_id: SessionId, limits: GazeLimits, state: GazeState) -> None:
        self._limits = limits
        self.baseline = Baseline(limits.baseline, state.baseline)
        self.away = Hysteresis(SignalKind.GAZE_AWAY, session_id, limits, state.spell)

    def observe(self, seen: GazeSeen) -> list[Signal]:
        """Take one reading."""
        if seen.gaze is None:
            return self.away.advance(seen.observed_ms)
        base_deg = self.baseline.take(seen.gaze.yaw_deg, seen.observed_ms)
        if base_deg is None:
            return []
        turned_deg = seen.gaze.yaw_deg - base_deg
        return self.away.update(
            abs(turned_deg) >= self._limits.yaw_deg,
            Reading(seen.observed_ms, seen.producers, seen.frame_digest),
            newest=largest(self.away.spell, turned_deg),
        )
