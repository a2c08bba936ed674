"""Behaviour that lasted: what a sensor makes of many observations."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.ids import SignalId
from proctor.domain.observations import Producer


class SignalKind(StrEnum):
    """What can last. Each is a direction, a count or a presence; none is a state of mind."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    DIFFERENT_PERSON = "different_person"
    IDENTITY_UNVERIFIED = "identity_unverified"
    GAZE_AWAY = "gaze_away"
    HEAD_TURNED = "head_turned"
    BODY_MISSING = "body_missing"
    SPEECH = "speech"
    WHISPER = "whisper"
    VOICE_WITHOUT_LIPS = "voice_without_lips"
    OTHER_VOICE = "other_voice"
    SEVERAL_VOICES = "several_voices"
    OBJECT_SEEN = "object_seen"
    CAMERA_COVERED = "camera_covered"
    VIDEO_FROZEN = "video_frozen"
    NOT_LIVE = "not_live"
    VIDEO_REPEATED = "video_repeated"
    PICTURES_DOUBLED = "pictures_doubled"
    NO_CAMERA_NOISE = "no_camera_noise"
    STEADY_BEAT = "steady_beat"
    SOURCE_CHANGED = "source_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a signal rests on.

    Attributes:
        observations: How many readings were for it since it began.
        numbers: Named figures as (name, value), sorted by name, units in the name (`yaw_from_base_deg`).
        producers: The models whose readings were used.
        frame_digest: The judged picture that settled it; None for sound and stream signals.
        labels: What was seen, by the names that the detector's settings give; for objects only.
    """

    observations: int
    numbers: tuple[tuple[str, float], ...] = ()
    producers: tuple[Producer, ...] = ()
    frame_digest: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A behaviour from its first moment to its last.

    Attributes:
        signal_id: Derived from session, kind and start: the same on replay.
        kind: What.
        started_ms: When the behaviour began (not when it was believed).
        ended_ms: When it stopped; None while it lasts.
        probability: Calibrated 0..1.
        support: What it rests on.
    """

    signal_id: SignalId
    kind: SignalKind
    started_ms: int
    ended_ms: int | None
    probability: float
    support: Support

    @property
    def is_open(self) -> bool:
        """Whether it still lasts."""
        return self.ended_ms is None
