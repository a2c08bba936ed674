"""Speech in the room: enough voiced sound within a window. Nothing is known of words or speakers."""

from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import SpeechHeard
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.sound_limits import VoiceLimits

VOICED = "voiced_s"


@dataclass(slots=True, kw_only=True)
class VoiceState:
    """The voiced stretches of the window, (start, voiced ms), and the behaviour itself."""

    stretches: list[tuple[int, int]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class VoiceSensor:
    """Turns stretches of sound into SPEECH signals."""

    def __init__(self, session_id: SessionId, limits: VoiceLimits, state: VoiceState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, heard: SpeechHeard) -> list[Signal]:
        """Take one stretch of sound."""
        state, spell = self.state, self.state.spell
        end_ms = heard.observed_ms + heard.duration_ms
        if state.stretches:
            oldest_ms = end_ms - self._limits.within_ms
            state.stretches = [each for each in state.stretches if each[0] >= oldest_ms]
        if heard.voiced_ms <= 0:
            return self.advance(end_ms)
        changed = self.advance(heard.observed_ms)
        state.stretches.append((heard.observed_ms, heard.voiced_ms))
        voiced_ms = sum(each for _, each in state.stretches)
        before_s = spell.figures.get(VOICED, 0.0)
        spell.support(
            Reading(heard.observed_ms, heard.producers),
            mean={"level_dbfs": heard.level_dbfs},
            newest={VOICED: before_s + heard.voiced_ms / 1000},
        )
        spell.last_ms = max(spell.last_ms, end_ms)
        if not spell.is_open:
            spell.began_ms = state.stretches[0][0]
            spell.figures[VOICED] = voiced_ms / 1000
            spell.is_open = voiced_ms >= self._limits.voiced_ms
        if spell.is_open:
            changed.append(spell.signal(SignalKind.SPEECH, self._session_id))
        return changed

    def advance(self, now_ms: int) -> list[Signal]:
        """End speech that has been silent for `release_ms`, where it was last heard."""
        spell = self.state.spell
        if spell.is_open and now_ms - spell.last_ms >= self._limits.release_ms:
            return self.lost()
        if spell.is_pending and now_ms - spell.last_ms >= self._limits.within_ms:
            return self.lost()
        return []

    def lost(self) -> list[Signal]:
        """Nothing more can be heard: end it where it was last heard."""
        spell = self.state.spell
        self.state.stretches = []
        return spell.close(SignalKind.SPEECH, self._session_id, spell.last_ms)
