"""Whispering: what the voice detector calls speech, and hardly any of it has a pitch.

Weak evidence: it was measured on synthetic whispers only, and a cold or a hissing headset may do the
same. So a rule on it tells a reviewer where to listen and says no more.
"""

from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import SpeechHeard
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.sound_limits import WhisperLimits


@dataclass(slots=True, kw_only=True)
class WhisperState:
    """The stretches of the window, (start, with pitch, without pitch, in ms), and the behaviour."""

    stretches: list[tuple[int, int, int]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class WhisperSensor:
    """Turns speech without a pitch into WHISPER signals."""

    def __init__(self, session_id: SessionId, limits: WhisperLimits, state: WhisperState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, heard: SpeechHeard) -> list[Signal]:
        """Take one stretch of sound; one whose pitch was not measured says nothing."""
        state, limits, end_ms = self.state, self._limits, heard.observed_ms + heard.duration_ms
        if state.stretches:
            oldest_ms = end_ms - limits.within_ms
            state.stretches = [each for each in state.stretches if each[0] >= oldest_ms]
        if heard.pitched_ms is None or heard.unpitched_ms is None:
            return self.advance(end_ms)
        if heard.pitched_ms + heard.unpitched_ms <= 0:
            return self.advance(end_ms)
        changed = self.advance(heard.observed_ms)
        state.stretches.append((heard.observed_ms, heard.pitched_ms, heard.unpitched_ms))
        pitched_ms = sum(pitched for _, pitched, _ in state.stretches)
        spoken_ms = pitched_ms + sum(unpitched for _, _, unpitched in state.stretches)
        if spoken_ms < limits.spoken_ms:
            return changed
        share = pitched_ms / spoken_ms
        if share >= limits.pitched_below:
            return changed + self._end()
        return [*changed, self._support(heard, share, spoken_ms)]

    def _support(self, heard: SpeechHeard, share: float, spoken_ms: int) -> Signal:
        spell = self.state.spell
        before_s = spell.figures.get("spoken_s")
        here_s = ((heard.pitched_ms or 0) + (heard.unpitched_ms or 0)) / 1000
        spell.support(
            Reading(heard.observed_ms, heard.producers),
            mean={"level_dbfs": heard.level_dbfs, "pitched_share": share},
            newest={"spoken_s": spoken_ms / 1000 if before_s is None else before_s + here_s},
        )
        if not spell.is_open:
            spell.began_ms, spell.is_open = self.state.stretches[0][0], True
        spell.last_ms = max(spell.last_ms, heard.observed_ms + heard.duration_ms)
        return spell.signal(SignalKind.WHISPER, self._session_id)

    def advance(self, now_ms: int) -> list[Signal]:
        """End what has been silent for `release_ms`, where it was last heard."""
        state = self.state
        if state.stretches and now_ms - state.stretches[-1][0] > self._limits.within_ms:
            state.stretches = []
        is_over = now_ms - state.spell.last_ms >= self._limits.release_ms
        return self._end() if state.spell.is_open and is_over else []

    def lost(self) -> list[Signal]:
        """Nothing more can be heard: end it where it was last heard."""
        self.state.stretches = []
        return self._end()

    def _end(self) -> list[Signal]:
        spell = self.state.spell
        return spell.close(SignalKind.WHISPER, self._session_id, spell.last_ms)
