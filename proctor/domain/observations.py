"""Facts at one instant, without memory: what a model or the media path saw or heard.

No observation carries a picture, a sound, an embedding or words. Times are session time in
integer milliseconds. `kind` tells the classes apart when they are stored as JSON.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose

CONFIRMED_FROM = 0.5
"""Presence from which on a face is one: a perception tells its own limit as this (models/face/mesh.py)."""


@dataclass(frozen=True, slots=True)
class Producer:
    """The model file that said so: manifest id, version and sha256 of the weights."""

    model: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFace:
    """One face in a picture.

    Attributes:
        box: Where.
        score: The detector's score, 0..1, not calibrated.
        presence: The face mesh's score, 0..1; below `CONFIRMED_FROM` the box is turned away or no face.
    """

    box: Box
    score: float
    presence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSeen:
    """Every face found in a picture, the largest first; the followed one alone while nothing else moved.

    Attributes:
        observed_ms: When the picture was captured.
        faces: All candidates for a face; `SeenFace.presence` says which are confirmed.
        searched_small: Whether the picture was also searched in tiles for small faces behind.
        producers: The models that looked.
        frame_digest: sha256 of the exact bytes that were judged.
    """

    observed_ms: int
    faces: tuple[SeenFace, ...]
    searched_small: bool
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["faces_seen"] = "faces_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class GazeSeen:
    """Where the candidate's head (the largest confirmed face) and eyes pointed.

    Attributes:
        observed_ms: When the picture was captured.
        head: None when no face is confirmed.
        gaze: Head and eyes together; None when the eyes are closed or cannot be measured.
        eyes_open: Height over width of the eye openings, mean of both; None without a mesh.
        mouth_open: Height over width of the lips' opening; None without a mesh.
        producers: The models that looked.
        frame_digest: sha256 of the exact bytes that were judged.
    """

    observed_ms: int
    head: HeadPose | None
    gaze: Gaze | None
    eyes_open: float | None
    mouth_open: float | None
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["gaze_seen"] = "gaze_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMatched:
    """How likely the face in one picture is the enrolled one. Never a distance or a vector.

    Attributes:
        observed_ms: When the picture was captured.
        probability: Calibrated P(same person), equal priors; log-odds of several add up to a decision.
        template_version: Which enrolment it was compared with.
        producers: The models that looked, the embedding model last.
        frame_digest: sha256 of the exact bytes that were judged.
    """

    observed_ms: int
    probability: float
    template_version: int
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["face_matched"] = "face_matched"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySeen:
    """The upper body in a picture: 33 joints in MediaPipe Pose's order, or none found."""

    observed_ms: int
    points: tuple[BodyPoint, ...] | None
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["body_seen"] = "body_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObject:
    """A thing in a picture.

    Attributes:
        label: What, by the name that the detector's settings give (`phone`, `book`).
        box: Where.
        score: The detector's score, 0..1, not calibrated.
    """

    label: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsSeen:
    """Every thing of a configured class in a picture, best score first; none found is a fact, too."""

    observed_ms: int
    objects: tuple[SeenObject, ...]
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["objects_seen"] = "objects_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechHeard:
    """How much of a stretch of sound was speech.

    Attributes:
        observed_ms: Start of the stretch.
        duration_ms: Its length.
        voiced_ms: How much of it was speech: chunks of 32 ms that the voice detector puts over 0.5,
            and what follows three of them in a row for 320 ms.
        probability: Mean speech probability over the stretch.
        level_dbfs: Root mean square level, 0 is full scale, -120 is digital silence.
        producers: The models that listened.
        pitched_ms: Of the chunks over 0.5, how much has a pitch; None where that was not measured.
        unpitched_ms: The rest of them: whispers, hisses, breath; None where that was not measured.
    """

    observed_ms: int
    duration_ms: int
    voiced_ms: int
    probability: float
    level_dbfs: float
    producers: tuple[Producer, ...]
    pitched_ms: int | None = None
    unpitched_ms: int | None = None
    kind: Literal["speech_heard"] = "speech_heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceHeard:
    """One voice of a window of speech.

    Attributes:
        alone_ms: How long it was heard with no other.
        candidate: Calibrated P(the candidate's voice), equal priors; None without a template of that
            voice, or when the voice was alone for too short a time. Never a vector.
    """

    alone_ms: int
    candidate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakersHeard:
    """Whose voices a window of speech holds: how many, and whether they are the candidate's.

    Attributes:
        observed_ms: Where its first speech began.
        duration_ms: From there to the end of its last speech; pauses were left out.
        voiced_ms: How much sound was listened to.
        voices: Every voice, the longest alone first.
        overlap_ms: How long two or more were heard at once.
        template_ms: The speech that the candidate's template rests on; None while there is none:
            no consent to it, or not enough speech yet in this connection.
        producers: The models that listened.
    """

    observed_ms: int
    duration_ms: int
    voiced_ms: int
    voices: tuple[VoiceHeard, ...]
    overlap_ms: int
    template_ms: int | None
    producers: tuple[Producer, ...]
    kind: Literal["speakers_heard"] = "speakers_heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSeen:
    """Plain measures of a decoded picture, made in the session host without a model.

    Attributes:
        observed_ms: When the picture was captured.
        brightness: Mean luma, 0..1.
        contrast: Standard deviation of luma, 0..1.
        detail: Variance of the Laplacian of the luma at 80 px width (0..1 scale, squared).
        change: Mean absolute luma difference to the previous picture, 0..1; None for the first.
        still_ms: How long the sender has been repeating the same picture (sensor noise gone), 0 if live.
    """

    observed_ms: int
    brightness: float
    contrast: float
    detail: float
    change: float | None
    still_ms: int
    kind: Literal["picture_seen"] = "picture_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessSeen:
    """How likely the candidate's face is there in the flesh, by one picture. A weak reading.

    Attributes:
        observed_ms: When the picture was captured.
        probability: P(live) as the model's manifest entry calibrates it.
        producers: The models that looked.
        frame_digest: sha256 of the exact bytes that were judged.
    """

    observed_ms: int
    probability: float
    producers: tuple[Producer, ...]
    frame_digest: str
    kind: Literal["liveness_seen"] = "liveness_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageSeen:
    """How the pictures follow one another, measured in the session host without a model.

    Attributes:
        observed_ms: When the newest picture was captured.
        repeated_ms: For how long pictures have been coming that had come before; 0 for none.
        period_ms: How long before; 0 for none.
        double_share: Share of the newest fifty pictures that were sent twice.
        noiseless_share: Share of the picture's textured parts that show no sensor noise where nothing
            moves; None when it cannot be told.
        steady_ms: For how long the sender's clock has been beating without jitter.
        interval_ms: The interval of that beat.
        width_px: Width of the pictures as sent.
        height_px: Their height.
        codec: `VP8`, `H264`; empty when the media path does not say.
    """

    observed_ms: int
    repeated_ms: int
    period_ms: int
    double_share: float
    noiseless_share: float | None
    steady_ms: int
    interval_ms: float
    width_px: int
    height_px: int
    codec: str
    kind: Literal["footage_seen"] = "footage_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """The media path's own word on what it receives. Missing data is never evidence against anybody.

    Attributes:
        observed_ms: When it was noticed.
        since_ms: When it began; never after `observed_ms`.
        modality: Video or audio.
        state: Monitored, degraded or blind from `since_ms` on.
        reason: Why; None when and only when monitored.
    """

    observed_ms: int
    since_ms: int
    modality: Modality
    state: CoverageState
    reason: CoverageReason | None
    kind: Literal["stream_state"] = "stream_state"


class ClientEventName(StrEnum):
    """What the candidate's page may report. It is the client's word: a note, never proof."""

    PAGE_HIDDEN = "page_hidden"
    PAGE_SHOWN = "page_shown"
    CAMERA_MUTED = "camera_muted"
    MICROPHONE_MUTED = "microphone_muted"
    DEVICE_CHANGED = "device_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """Something the candidate's page said."""

    observed_ms: int
    name: ClientEventName
    kind: Literal["client_event"] = "client_event"


Observation = (
    FacesSeen
    | GazeSeen
    | FaceMatched
    | BodySeen
    | ObjectsSeen
    | SpeechHeard
    | SpeakersHeard
    | PictureSeen
    | LivenessSeen
    | FootageSeen
    | StreamState
    | ClientEvent
)
