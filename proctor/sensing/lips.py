"""A voice while the lips stay still: somebody else speaks, or something does.

Speech and pictures are put side by side: the opening of the mouth is measured while there is speech, and
when it varies no more than that of a silent person the voice is not this face's. A hand before the mouth,
a mask, a beard or a bad picture can do the same, so it is weak evidence. Mouths are only remembered while
there is speech: a quiet session's memory does not change.
"""

from dataclasses import dataclass, field
from statistics import pstdev

from proctor.domain.ids import SessionId
from proctor.domain.observations import GazeSeen, Producer, SpeechHeard
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.hysteresis import Reading, Spell
from proctor.sensing.sound_limits import LipsLimits

AROUND_MS = 150
"""A picture this shortly before or after speech still shows the mouth of it."""


@dataclass(slots=True, kw_only=True)
class LipsState:
    """What was heard and seen within the window, and the behaviour itself.

    Attributes:
        voiced: Speech as (start, end, voiced ms).
        mouths: Openings as (when, height over width).
        producers: The models that measured the mouth.
        spell: The behaviour.
    """

    voiced: list[tuple[int, int, int]] = field(default_factory=list)
    mouths: list[tuple[int, float]] = field(default_factory=list)
    producers: tuple[Producer, ...] = ()
    spell: Spell = field(default_factory=Spell)


class LipsSensor:
    """Turns speech beside a face whose lips are still into VOICE_WITHOUT_LIPS signals."""

    def __init__(self, session_id: SessionId, limits: LipsLimits, state: LipsState) -> None:
        self._session_id = session_id
        self._limits = limits
        self.state = state

    @property
    def is_pending(self) -> bool:
        """Whether there is speech and more pictures of the mouth would settle whose it is."""
        state = self.state
        return (
            bool(state.voiced)
            and not state.spell.is_open
            and len(self._during_speech()) < self._limits.pictures
        )

    def observe_speech(self, heard: SpeechHeard) -> list[Signal]:
        """Take one stretch of sound."""
        state, end_ms = self.state, heard.observed_ms + heard.duration_ms
        changed = self.advance(heard.observed_ms)
        if heard.voiced_ms > 0:
            state.voiced.append((heard.observed_ms, end_ms, heard.voiced_ms))
        self._prune(end_ms)
        return changed + (self._judge(heard, end_ms) if heard.voiced_ms > 0 else [])

    def observe_mouth(self, seen: GazeSeen) -> None:
        """Take one picture. A mouth that cannot be measured says nothing."""
        if not self.state.voiced or seen.mouth_open is None or seen.head is None:
            return
        if abs(seen.head.yaw_deg) <= self._limits.head_within_deg:
            self.state.mouths.append((seen.observed_ms, seen.mouth_open))
            self.state.producers = seen.producers

    def _judge(self, heard: SpeechHeard, end_ms: int) -> list[Signal]:
        state, limits, spell = self.state, self._limits, self.state.spell
        voiced_ms = sum(voiced for _, _, voiced in state.voiced)
        during = self._during_speech()
        if voiced_ms < limits.voiced_ms or len(during) < limits.pictures:
            return []
        moved = pstdev(during)
        if moved >= limits.still_below:
            return self._end()
        spell.support(
            Reading(heard.observed_ms, tuple(dict.fromkeys((*state.producers, *heard.producers)))),
            mean={"lips_moved": moved},
            newest={
                "voiced_s": max(voiced_ms / 1000, spell.figures.get("voiced_s", 0.0)),
                "pictures": float(len(during)),
            },
        )
        if not spell.is_open:
            spell.began_ms, spell.is_open = state.voiced[0][0], True
        spell.last_ms = max(spell.last_ms, end_ms)
        return [spell.signal(SignalKind.VOICE_WITHOUT_LIPS, self._session_id)]

    def _during_speech(self) -> list[float]:
        return [
            opening
            for at_ms, opening in self.state.mouths
            if any(
                start_ms - AROUND_MS <= at_ms <= end_ms + AROUND_MS
                for start_ms, end_ms, _ in self.state.voiced
            )
        ]

    def _prune(self, now_ms: int) -> None:
        state, oldest_ms = self.state, now_ms - self._limits.within_ms
        if not state.voiced:
            return
        state.voiced = [each for each in state.voiced if each[0] >= oldest_ms]
        state.mouths = [each for each in state.mouths if each[0] >= oldest_ms and state.voiced]

    def advance(self, now_ms: int) -> list[Signal]:
        """End what has been silent for `release_ms`, where it was last heard."""
        self._prune(now_ms)
        spell = self.state.spell
        is_over = now_ms - spell.last_ms >= self._limits.release_ms
        return self._end() if spell.is_open and is_over else []

    def lost(self) -> list[Signal]:
        """The room is no longer seen or heard: end it where it was last known."""
        self.state.voiced, self.state.mouths = [], []
        return self._end()

    def _end(self) -> list[Signal]:
        spell = self.state.spell
        return spell.close(SignalKind.VOICE_WITHOUT_LIPS, self._session_id, spell.last_ms)
