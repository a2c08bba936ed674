"""Whose voices are heard: another than the candidate's, or several.

A small speaker model confuses voices on short speech (MODELS.md 5), so a single window decides nothing:
probabilities are combined over windows, and voices are counted in N of M of them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import SpeakersHeard
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.sound_limits import OtherVoiceLimits, SeveralVoicesLimits

LARGEST_LOGIT = 6.0
"""No single window weighs more than odds of 400 to 1: its calibration is not that good."""


@dataclass(slots=True, kw_only=True)
class OtherVoiceState:
    """The newest windows, (start, P(candidate) of the least likely voice), and the behaviour itself."""

    windows: list[tuple[int, float]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class OtherVoiceSensor:
    """Turns windows with a voice that is hardly the candidate's into OTHER_VOICE signals."""

    def __init__(
        self, session_id: SessionId, limits: OtherVoiceLimits, state: OtherVoiceState
    ) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, heard: SpeakersHeard) -> list[Signal]:
        """Take one window; one without a template, or with too little of any voice, says nothing."""
        state, limits, end_ms = self.state, self._limits, heard.observed_ms + heard.duration_ms
        changed = self.advance(heard.observed_ms)
        known = [
            (voice.candidate, voice.alone_ms)
            for voice in heard.voices
            if voice.candidate is not None and voice.alone_ms >= limits.alone_ms
        ]
        if not known:
            return changed
        least, alone_ms = min(known)
        state.windows = [*state.windows, (heard.observed_ms, least)][-limits.windows :]
        mean = _mean_probability(probability for _, probability in state.windows)
        if len(state.windows) == limits.windows and mean <= limits.other_below:
            return [*changed, self._support(heard, mean, alone_ms, end_ms)]
        if state.spell.is_open and least >= limits.same_above:
            changed += self._end()
        return changed

    def _support(self, heard: SpeakersHeard, mean: float, alone_ms: int, end_ms: int) -> Signal:
        spell = self.state.spell
        windows = spell.figures.get("windows", self._limits.windows - 1.0) + 1
        spell.support(
            Reading(heard.observed_ms, heard.producers),
            newest={
                "mean_probability": mean,
                "windows": windows,
                "alone_s": spell.figures.get("alone_s", 0.0) + alone_ms / 1000,
            },
        )
        if not spell.is_open:
            spell.began_ms, spell.is_open = self.state.windows[0][0], True
        spell.last_ms = max(spell.last_ms, end_ms)
        return spell.signal(SignalKind.OTHER_VOICE, self._session_id, None, 1 - mean)

    def advance(self, now_ms: int) -> list[Signal]:
        """Forget old windows; end what no window has supported for as long, where it was last heard."""
        state, limits = self.state, self._limits
        if state.windows and now_ms - state.windows[0][0] > limits.within_ms:
            oldest_ms = now_ms - limits.within_ms
            state.windows = [each for each in state.windows if each[0] >= oldest_ms]
        is_over = now_ms - state.spell.last_ms > limits.within_ms
        return self._end() if state.spell.is_open and is_over else []

    def lost(self) -> list[Signal]:
        """Nothing more can be heard: end it where it was last heard."""
        self.state.windows = []
        return self._end()

    def _end(self) -> list[Signal]:
        spell = self.state.spell
        probability = 1 - spell.figures.get("mean_probability", 0.5)
        return spell.close(SignalKind.OTHER_VOICE, self._session_id, spell.last_ms, probability)


@dataclass(slots=True, kw_only=True)
class SeveralVoicesState:
    """The newest windows, (start, how many voices), and the behaviour itself."""

    windows: list[tuple[int, int]] = field(default_factory=list)
    spell: Spell = field(default_factory=Spell)


class SeveralVoicesSensor:
    """Turns windows with two or more voices into SEVERAL_VOICES signals."""

    def __init__(
        self, session_id: SessionId, limits: SeveralVoicesLimits, state: SeveralVoicesState
    ) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    def observe(self, heard: SpeakersHeard) -> list[Signal]:
        """Take one window."""
        state, limits, spell = self.state, self._limits, self.state.spell
        changed = self.advance(heard.observed_ms)
        voices = sum(voice.alone_ms >= limits.alone_ms for voice in heard.voices)
        if voices == 0:
            return changed
        state.windows = [*state.windows, (heard.observed_ms, voices)][-limits.out_of :]
        several = [at_ms for at_ms, count in state.windows if count >= 2]
        if len(several) < limits.needed:
            return changed + self._end()
        if voices >= 2:
            spell.support(
                Reading(heard.observed_ms, heard.producers),
                newest={
                    "voices": max(float(voices), spell.figures.get("voices", 0.0)),
                    "windows": spell.figures.get("windows", limits.needed - 1.0) + 1,
                    "overlap_s": spell.figures.get("overlap_s", 0.0) + heard.overlap_ms / 1000,
                },
            )
            if not spell.is_open:
                spell.began_ms, spell.is_open = several[0], True
            spell.last_ms = max(spell.last_ms, heard.observed_ms + heard.duration_ms)
            changed.append(spell.signal(SignalKind.SEVERAL_VOICES, self._session_id))
        return changed

    def advance(self, now_ms: int) -> list[Signal]:
        """Forget old windows; end what no window has supported for as long, where it was last heard."""
        state, limits = self.state, self._limits
        if state.windows and now_ms - state.windows[0][0] > limits.within_ms:
            oldest_ms = now_ms - limits.within_ms
            state.windows = [each for each in state.windows if each[0] >= oldest_ms]
        is_over = now_ms - state.spell.last_ms > limits.within_ms
        return self._end() if state.spell.is_open and is_over else []

    def lost(self) -> list[Signal]:
        """Nothing more can be heard: end it where it was last heard."""
        self.state.windows = []
        return self._end()

    def _end(self) -> list[Signal]:
        spell = self.state.spell
        return spell.close(SignalKind.SEVERAL_VOICES, self._session_id, spell.last_ms)


def _mean_probability(probabilities: Iterable[float]) -> float:
    logits = [_logit(each) for each in probabilities]
    return 1 / (1 + math.exp(-sum(logits) / len(logits)))


def _logit(probability: float) -> float:
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    odds = math.log(inside) - math.log1p(-inside)
    return max(-LARGEST_LOGIT, min(LARGEST_LOGIT, odds))
