"""What could be seen and heard, and when not: the sums are exact, nothing is blind in silence."""

from dataclasses import dataclass
from enum import StrEnum


class Modality(StrEnum):
    """What is watched."""

    VIDEO = "video"
    AUDIO = "audio"


class CoverageState(StrEnum):
    """How well a modality is watched at a moment."""

    MONITORED = "monitored"
    DEGRADED = "degraded"
    BLIND = "blind"


class CoverageReason(StrEnum):
    """Why a modality is not fully watched. This list is closed."""

    NO_MEDIA = "no_media"
    FROZEN_VIDEO = "frozen_video"
    COVERED = "covered"
    TOO_DARK = "too_dark"
    AUDIO_MISSING = "audio_missing"
    AUDIO_SILENT = "audio_silent"
    AUDIO_GAP = "audio_gap"
    HOST_LOST = "host_lost"
    SHARD_LOST = "shard_lost"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    GPU = "gpu"
    OVERLOAD = "overload"
    STATE_STORE = "state_store"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageInterval:
    """One stretch of session time in one state.

    Attributes:
        modality: What was (not) watched.
        state: Monitored, degraded or blind.
        reason: Why; None when and only when monitored.
        start_ms: Session time, inclusive.
        end_ms: Session time, exclusive; None while it lasts.
    """

    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    start_ms: int
    end_ms: int | None = None

    def __post_init__(self) -> None:
        if (self.state is CoverageState.MONITORED) != (self.reason is None):
            raise ValueError(f"{self.state} coverage with reason {self.reason!r}")
        if self.end_ms is not None and self.end_ms < self.start_ms:
            raise ValueError(f"coverage ends at {self.end_ms} before it starts at {self.start_ms}")
