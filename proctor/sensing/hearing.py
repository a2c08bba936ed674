"""The sensors of what is heard: speech, whispers, whose voices, and whether the lips go with them."""

from dataclasses import dataclass, field

from proctor.domain.ids import SessionId
from proctor.domain.observations import GazeSeen, SpeakersHeard, SpeechHeard
from proctor.domain.signals import Signal, SignalKind
from proctor.sensing.limits import SensingLimits
from proctor.sensing.lips import LipsSensor, LipsState
from proctor.sensing.speakers import (
    OtherVoiceSensor,
    OtherVoiceState,
    SeveralVoicesSensor,
    SeveralVoicesState,
)
from proctor.sensing.voice import VoiceSensor, VoiceState
from proctor.sensing.whisper import WhisperSensor, WhisperState

HEARD = frozenset(
    {
        SignalKind.SPEECH,
        SignalKind.WHISPER,
        SignalKind.OTHER_VOICE,
        SignalKind.SEVERAL_VOICES,
        SignalKind.VOICE_WITHOUT_LIPS,
    }
)
"""Signals of which nothing can be known while the room is not heard."""

HEARD_AND_SEEN = frozenset({SignalKind.VOICE_WITHOUT_LIPS})
"""Those that need the picture as well."""


@dataclass(slots=True, kw_only=True)
class HearingState:
    """What the sensors besides speech remember; see the sensor of each name."""

    whisper: WhisperState = field(default_factory=WhisperState)
    lips: LipsState = field(default_factory=LipsState)
    other_voice: OtherVoiceState = field(default_factory=OtherVoiceState)
    several_voices: SeveralVoicesState = field(default_factory=SeveralVoicesState)


class Hearing:
    """All of them over one state."""

    def __init__(
        self, session_id: SessionId, limits: SensingLimits, voice: VoiceState, state: HearingState
    ) -> None:
        self._voice = VoiceSensor(session_id, limits.voice, voice)
        self._whisper = WhisperSensor(session_id, limits.whisper, state.whisper)
        self.lips = LipsSensor(session_id, limits.lips, state.lips)
        self._other = OtherVoiceSensor(session_id, limits.other_voice, state.other_voice)
        self._several = SeveralVoicesSensor(session_id, limits.several_voices, state.several_voices)

    def observe(self, heard: SpeechHeard | SpeakersHeard, sees: bool) -> list[Signal]:
        """Take one fact; `sees` is whether the room is seen as well."""
        if isinstance(heard, SpeakersHeard):
            return self._other.observe(heard) + self._several.observe(heard)
        changed = self._voice.observe(heard) + self._whisper.observe(heard)
        return changed + (self.lips.observe_speech(heard) if sees else [])

    def observe_mouth(self, seen: GazeSeen) -> None:
        """Take the mouth of one picture."""
        self.lips.observe_mouth(seen)

    def advance(self, now_ms: int) -> list[Signal]:
        """Time has moved on."""
        return [
            *self._voice.advance(now_ms),
            *self._whisper.advance(now_ms),
            *self.lips.advance(now_ms),
            *self._other.advance(now_ms),
            *self._several.advance(now_ms),
        ]

    def lost(self) -> list[Signal]:
        """Nothing more can be heard."""
        return [
            *self._voice.lost(),
            *self._whisper.lost(),
            *self.lips.lost(),
            *self._other.lost(),
            *self._several.lost(),
        ]
