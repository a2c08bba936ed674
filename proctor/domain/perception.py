"""What is asked of the models and what they answer: plain values, one batch per model group.

The picture is the exact self-contained bytes (JPEG or PNG) that will be judged; its sha256 is the
frame digest. Replicas keep nothing: recurrent state (voice) and tracks travel with the caller.
An answer says `fallback` when a CPU made it although a GPU was asked for: it counts, but slower.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from proctor.domain.geometry import BodyPoint, Box, FaceRegion, Gaze, HeadPose
from proctor.domain.media import Samples
from proctor.domain.observations import CONFIRMED_FROM, Producer

Embedding = npt.NDArray[np.float32]


class Fault(StrEnum):
    """Why one item of a batch has no answer; the others of the batch do."""

    PICTURE_UNREADABLE = "picture_unreadable"
    SOUND_UNUSABLE = "sound_unusable"
    MODEL_OUTPUT_INVALID = "model_output_invalid"


EYE_PATCH = (2, 19, 32)
"""Shape of `KnownEyes.patches`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownEyes:
    """How both eyes looked when their irises were placed. As private as the picture itself.

    Attributes:
        patches: (2, 19, 32) uint8 grey, the person's right eye first, cut out along its corners.
        right: Iris of the right eye: along and across its corners, in their distance, from the middle.
        left: The same of the left eye.
    """

    patches: npt.NDArray[np.uint8]
    right: tuple[float, float]
    left: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceAsk:
    """One picture for the face group.

    Attributes:
        picture: JPEG or PNG bytes, RGB once decoded.
        search_small: Also search overlapping tiles, so that a small second face is found.
        embed: Whether to compute the embedding of the largest confirmed face.
        track: Where the candidate's face was a moment ago; a face that is still there is read without
            a search, so nobody else is seen.
        eyes: How the eyes of that face looked: where they still do, their irises are not placed anew.
    """

    picture: bytes
    search_small: bool = False
    embed: bool = False
    track: FaceRegion | None = None
    eyes: KnownEyes | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceReading:
    """One face in a picture.

    Attributes:
        box: Where.
        score: Detector's score, 0..1.
        presence: Face mesh's score, 0..1; below `CONFIRMED_FROM` it is no confirmed (near-frontal) face.
        width_px: Width of the box in pixels of the picture.
        sharpness: Variance of the Laplacian over the face at 112 px width (luma 0..255).
        brightness: Mean luma over the face, 0..1.
        head: Head pose; None without a mesh.
        gaze: Head and eyes together; None when it cannot be measured.
        eyes_open: Height over width of the eye openings; None without a mesh.
        mouth_open: Height over width of the lips' opening; None without a mesh.
        embedding: (d,) float32 when asked for and the face is confirmed. Never leaves the host.
        live: P(there in the flesh), calibrated, with an embedding; None when no model looked.
        region: Where to look for it in the next picture (`FaceAsk.track`); the main face only.
        eyes: How its eyes looked (`FaceAsk.eyes`); the main face only.
    """

    box: Box
    score: float
    presence: float
    width_px: float
    sharpness: float
    brightness: float
    head: HeadPose | None
    gaze: Gaze | None
    eyes_open: float | None
    mouth_open: float | None
    embedding: Embedding | None = None
    live: float | None = None
    region: FaceRegion | None = None
    eyes: KnownEyes | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the mesh agrees that this is a face (ACCURACY: 0.5 costs no near-frontal face)."""
        return self.presence >= CONFIRMED_FROM


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceAnswer:
    """All faces of one picture, the largest first; or a fault and no faces.

    Attributes:
        faces: The readings.
        producers: Models that what is told comes from: the detector first where one searched, that of the
            irises also where they were recalled (`KnownEyes`); the embedding model last when it ran.
        fault: Why there is no answer, else None.
        detected: False when the detector was skipped because the track held.
    """

    faces: tuple[FaceReading, ...]
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    detected: bool = True
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyAsk:
    """One picture for the body group."""

    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyAnswer:
    """33 joints in MediaPipe Pose's order, None when nobody is found; or a fault."""

    points: tuple[BodyPoint, ...] | None
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechAsk:
    """Sound for the voice detector.

    Attributes:
        samples: (n * 512,) float32 mono 16 kHz.
        state: (2, 1, 128) float32 as the last answer gave it; None at the start or after a gap.
        context: (64,) float32, the end of the sound before; None at the start or after a gap.
    """

    samples: Samples
    state: npt.NDArray[np.float32] | None = None
    context: Samples | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechAnswer:
    """Speech probability of each chunk of 512 samples (32 ms), and the state to send next time."""

    probabilities: tuple[float, ...]
    state: npt.NDArray[np.float32] | None
    context: Samples | None
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeakersAsk:
    """A window of sound with speech in it.

    Attributes:
        samples: (n,) float32 mono 16 kHz, at most ten seconds.
    """

    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTurn:
    """One voice in one stretch of a window; numbers of voices hold within the window only."""

    voice: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardVoice:
    """One voice of a window.

    Attributes:
        alone_ms: How long it was heard with no other.
        embedding: (256,) float32 of unit length; None when it was alone for too short a time.
            Never leaves the host.
    """

    alone_ms: int
    embedding: Embedding | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeakersAnswer:
    """Who spoke when in the window; `voices[n]` is the voice that turns call n. Or a fault."""

    turns: tuple[SpeakerTurn, ...]
    voices: tuple[HeardVoice, ...]
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WordsAsk:
    """Voiced sound whose words an exam's policy asks for.

    Attributes:
        samples: (n,) float32 mono 16 kHz, at most thirty seconds.
        language: ISO 639-1, None when unknown.
    """

    samples: Samples
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsAnswer:
    """What was said, or a fault. A transcript is in no log and no metric."""

    text: str
    language: str | None
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsAsk:
    """One picture for the object detector."""

    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """A thing of one of the configured classes; `score` is the detector's, 0..1, not calibrated."""

    label: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsAnswer:
    """Things in the picture, best score first; or a fault."""

    objects: tuple[FoundObject, ...]
    producers: tuple[Producer, ...]
    fault: Fault | None = None
    fallback: bool = False
