"""Several pictures that call the candidate's face not live become a weak signal, for a human to look.

The mean of the log-odds of the newest readings decides: one odd picture decides nothing, and press
photographs of living people are called not live now and then (manifest, minifasnet-v2).
"""

import math
from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import LivenessSeen
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.footage_limits import LivenessLimits
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.identity import log_odds


@dataclass(slots=True, kw_only=True)
class LivenessState:
    """What the newest readings were.

    Attributes:
        readings: (when, log-odds of live).
        spell: The face that was called not live.
    """

    readings: list[tuple[int, float]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class LivenessSensor:
    """Turns liveness readings into NOT_LIVE signals."""

    def __init__(self, session_id: SessionId, limits: LivenessLimits, state: LivenessState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, seen: LivenessSeen) -> list[Signal]:
        """Take one reading."""
        state, limits = self.state, self._limits
        oldest_ms = seen.observed_ms - limits.within_ms
        kept = [each for each in state.readings if each[0] >= oldest_ms]
        state.readings = [*kept, (seen.observed_ms, log_odds(seen.probability))][-limits.readings :]
        if len(state.readings) < limits.readings:
            return []
        mean = sum(odds for _, odds in state.readings) / len(state.readings)
        probability = 1 / (1 + math.exp(-mean))
        began_ms, spell = state.readings[0][0], state.spell
        lasted_ms = seen.observed_ms - (began_ms if spell.began_ms is None else spell.began_ms)
        if probability <= limits.not_live_below and lasted_ms >= limits.dwell_ms:
            return [self._lasts(seen, began_ms, probability)]
        if probability >= limits.live_above:
            return self._close(seen.observed_ms)
        return []

    def _lasts(self, seen: LivenessSeen, began_ms: int, probability: float) -> Signal:
        spell = self.state.spell
        if spell.began_ms is None:
            spell.began_ms = spell.last_ms = began_ms
            spell.supporting = spell.readings = len(self.state.readings) - 1
        reading = Reading(seen.observed_ms, seen.producers, seen.frame_digest)
        spell.support(reading, newest={"mean_probability": probability})
        spell.figures["readings"] = float(spell.supporting)
        spell.is_open = True
        return spell.signal(SignalKind.NOT_LIVE, self._session_id, probability=1 - probability)

    def advance(self, now_ms: int) -> list[Signal]:
        """End what no reading has supported for too long, where it was last seen."""
        spell = self.state.spell
        if spell.began_ms is None or now_ms - spell.last_ms <= self._limits.within_ms:
            return []
        return self.lost()

    def lost(self) -> list[Signal]:
        """Somebody else may be there: what was read counts no longer."""
        self.state.readings = []
        return self._close(self.state.spell.last_ms)

    def _close(self, at_ms: int) -> list[Signal]:
        spell = self.state.spell
        probability = 1 - spell.figures.get("mean_probability", 0.0)
        return spell.close(SignalKind.NOT_LIVE, self._session_id, at_ms, probability)
