"""What a connection that is only tried out has shown so far. It is summed up here and judged nowhere."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from proctor.domain.coverage import CoverageReason, Modality
from proctor.domain.ids import SessionId
from proctor.domain.observations import (
    CONFIRMED_FROM,
    FacesSeen,
    Observation,
    PictureSeen,
    SpeechHeard,
    StreamState,
)
from proctor.domain.preflights import Rehearsed
from proctor.fusion.policy import Policy

LASTS_MS = 180_000
"""A connection that is tried out is let go after this: it takes a place that an exam may need."""

TOLD_EVERY_MS = 800
KEPT_S = 600
_OF_MODELS = frozenset(
    {CoverageReason.MODEL_TIMEOUT, CoverageReason.MODEL_OUTPUT_INVALID, CoverageReason.OVERLOAD}
)


class Rehearsal:
    """Sums up the facts of one connection. Times are its own, from 0."""

    def __init__(self, policy: Policy) -> None:
        self._limits = policy.sensing.picture
        self._seen = Rehearsed(at_ms=0, wants_sound=policy.sampling.audio)
        self._told_ms: int | None = None
        self._reasons: dict[Modality, CoverageReason | None] = {}

    def take(self, observations: Iterable[Observation]) -> None:
        """Take facts, oldest first."""
        for seen in observations:
            self._take(seen)

    def due(self, now_ms: int, pictures: int, size: tuple[int, int]) -> Rehearsed | None:
        """What is known now, when it is time to tell it.

        Args:
            now_ms: How long the connection has been tried.
            pictures: How many pictures were decoded in it.
            size: Width and height of the newest, in pixels.
        """
        if self._told_ms is not None and now_ms - self._told_ms < TOLD_EVERY_MS:
            return None
        self._told_ms = now_ms
        video, audio = self._reasons.get(Modality.VIDEO), self._reasons.get(Modality.AUDIO)
        return replace(
            self._seen,
            at_ms=now_ms,
            pictures=pictures,
            width_px=size[0],
            height_px=size[1],
            no_video=video is CoverageReason.NO_MEDIA,
            no_audio=audio is CoverageReason.AUDIO_MISSING,
            is_silent=audio is CoverageReason.AUDIO_SILENT,
            models_away=video in _OF_MODELS or audio in _OF_MODELS,
        )

    def _take(self, seen: Observation) -> None:
        match seen:
            case StreamState():
                self._reasons[seen.modality] = seen.reason
            case PictureSeen():
                self._picture(seen)
            case FacesSeen():
                self._faces(seen)
            case SpeechHeard():
                self._speech(seen)
            case _:
                pass

    def _picture(self, seen: PictureSeen) -> None:
        limits = self._limits
        is_dark = seen.brightness < limits.dark_below
        is_bare = seen.detail < limits.flat_detail_below
        self._seen = replace(
            self._seen,
            brightness=seen.brightness,
            is_dark=is_dark,
            is_flat=seen.contrast < limits.flat_contrast_below and (is_bare or is_dark),
            still_ms=seen.still_ms if seen.still_ms >= limits.frozen_after_ms else 0,
        )

    def _faces(self, seen: FacesSeen) -> None:
        confirmed = [face for face in seen.faces if face.presence >= CONFIRMED_FROM]
        widths = [face.box.width for face in confirmed]
        widest = max(widths) if widths else None
        self._seen = replace(self._seen, faces=len(confirmed), face_width=widest)

    def _speech(self, heard: SpeechHeard) -> None:
        before = self._seen.loudest_dbfs
        loudest = heard.level_dbfs if before is None else max(before, heard.level_dbfs)
        self._seen = replace(
            self._seen,
            sound_ms=self._seen.sound_ms + heard.duration_ms,
            voiced_ms=self._seen.voiced_ms + heard.voiced_ms,
            loudest_dbfs=loudest,
        )


def rehearsal_key(name: SessionId) -> str:
    """Where the live state keeps what a tried connection has shown."""
    return f"rehearsal:{name}"


def written(seen: Rehearsed) -> str:
    """As it is kept."""
    return json.dumps(asdict(seen))


def read(text: str) -> Rehearsed:
    """What was kept. Raises `TypeError` or `ValueError` for anything else."""
    facts: Mapping[str, object] = json.loads(text)
    return Rehearsed(**facts)  # type: ignore[arg-type]  # our own dict, made by `written`
