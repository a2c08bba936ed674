"""What the models answered becomes observations. The embedding stays behind: it is in none of them.

`observed_ms` is when the picture or the sound was captured, not when the answer came, so facts of a
slow group come late and in the past; a report sorts what it has by that time.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from proctor.domain.media import AUDIO_RATE_HZ
from proctor.domain.observations import (
    BodySeen,
    FaceMatched,
    FacesSeen,
    GazeSeen,
    LivenessSeen,
    ObjectsSeen,
    SeenFace,
    SeenObject,
    SpeechHeard,
)
from proctor.domain.perception import (
    BodyAnswer,
    FaceAnswer,
    FaceAsk,
    FaceReading,
    ObjectsAnswer,
    SpeechAnswer,
)
from proctor.sensing.limits import BodyLimits
from proctor.services.host.picture import JudgedPicture
from proctor.services.host.pitch import count_pitched
from proctor.services.host.sound import CHUNK, Sound
from proctor.services.host.voiced import VOICED_ABOVE

CHUNK_MS = CHUNK * 1000 // AUDIO_RATE_HZ
SILENCE_DBFS = -120.0
PLAINLY_INSIDE = 0.1
"""Share of the picture's width by which a nose is farther from the edge than the policy's margin."""


def main_face(answer: FaceAnswer) -> FaceReading | None:
    """The candidate's face: the largest confirmed one."""
    return next((face for face in answer.faces if face.is_confirmed), None)


def faces_seen(ask: FaceAsk, answer: FaceAnswer, picture: JudgedPicture) -> FacesSeen:
    """Every face of the picture."""
    embedded = any(face.embedding is not None for face in answer.faces)
    return FacesSeen(
        observed_ms=picture.captured_ms,
        faces=tuple(
            SeenFace(box=face.box, score=face.score, presence=face.presence)
            for face in answer.faces
        ),
        searched_small=ask.search_small,
        producers=answer.producers[:-1] if embedded else answer.producers,
        frame_digest=picture.digest,
    )


def gaze_seen(answer: FaceAnswer, picture: JudgedPicture) -> GazeSeen:
    """Where the candidate's head and eyes pointed; all None when no face is confirmed."""
    face = main_face(answer)
    embedded = any(each.embedding is not None for each in answer.faces)
    return GazeSeen(
        observed_ms=picture.captured_ms,
        head=face.head if face else None,
        gaze=face.gaze if face else None,
        eyes_open=face.eyes_open if face else None,
        mouth_open=face.mouth_open if face else None,
        producers=answer.producers[:-1] if embedded else answer.producers,
        frame_digest=picture.digest,
    )


def face_matched(
    answer: FaceAnswer, picture: JudgedPicture, probability: float, template_version: int
) -> FaceMatched:
    """How the candidate's face compared with the enrolled one."""
    return FaceMatched(
        observed_ms=picture.captured_ms,
        probability=probability,
        template_version=template_version,
        producers=answer.producers,
        frame_digest=picture.digest,
    )


def liveness_seen(answer: FaceAnswer, picture: JudgedPicture, live: float) -> LivenessSeen:
    """How likely the candidate's face is there in the flesh."""
    return LivenessSeen(
        observed_ms=picture.captured_ms,
        probability=live,
        producers=answer.producers[:-1],
        frame_digest=picture.digest,
    )


def body_seen(answer: BodyAnswer, picture: JudgedPicture) -> BodySeen:
    """The upper body in the picture."""
    return BodySeen(
        observed_ms=picture.captured_ms,
        points=answer.points,
        producers=answer.producers,
        frame_digest=picture.digest,
    )


def is_upright(answer: BodyAnswer, limits: BodyLimits) -> bool:
    """Whether the body is plainly there: its nose visible and well inside the picture.

    Anything else may become BODY_MISSING (a body that is not found, one that leans out) and is looked at
    again at the policy's own rate.
    """
    if not answer.points:
        return False
    nose, inside = answer.points[0], limits.margin + PLAINLY_INSIDE
    return nose.visibility >= limits.visible_from and inside <= nose.x <= 1 - inside


def objects_seen(answer: ObjectsAnswer, picture: JudgedPicture) -> ObjectsSeen:
    """The things in the picture."""
    return ObjectsSeen(
        observed_ms=picture.captured_ms,
        objects=tuple(
            SeenObject(label=each.label, box=each.box, score=each.score) for each in answer.objects
        ),
        producers=answer.producers,
        frame_digest=picture.digest,
    )


def speech_heard(
    answer: SpeechAnswer, sound: Sound, voiced: Sequence[bool], with_pitch: bool = False
) -> SpeechHeard:
    """How much of the sound was speech, how loud the sound was, and whether the speech has a pitch.

    Args:
        answer: One probability per chunk.
        sound: What was listened to.
        voiced: Which chunks count as speech (`Hangover`).
        with_pitch: Whether to measure it.
    """
    spoken = [probability > VOICED_ABOVE for probability in answer.probabilities]
    pitched = count_pitched(sound.samples, spoken) if with_pitch else None
    return SpeechHeard(
        observed_ms=sound.start_ms,
        duration_ms=sound.duration_ms,
        voiced_ms=sum(voiced) * CHUNK_MS,
        probability=sum(answer.probabilities) / len(answer.probabilities),
        level_dbfs=level_dbfs(sound),
        producers=answer.producers,
        pitched_ms=None if pitched is None else pitched * CHUNK_MS,
        unpitched_ms=None if pitched is None else (sum(spoken) - pitched) * CHUNK_MS,
    )


def level_dbfs(sound: Sound) -> float:
    """Root mean square level; -120 for digital silence."""
    power = float(np.mean(np.square(sound.samples, dtype=np.float64)))
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


def is_usable_face(answer: FaceAnswer) -> bool:
    """Whether every number that is passed on is finite: NaN compares false, and would clear anybody."""
    return all(
        _finite(face.score, face.presence, face.box.left, face.box.top)
        and _finite(face.box.width, face.box.height)
        and (face.head is None or _finite(*astuple(face.head)))
        and (face.gaze is None or _finite(face.gaze.yaw_deg, face.gaze.pitch_deg))
        and _finite(*(each for each in (face.eyes_open, face.mouth_open) if each is not None))
        and (face.embedding is None or bool(np.isfinite(face.embedding).all()))
        and (face.live is None or 0 <= face.live <= 1)
        for face in answer.faces
    )


def is_usable_body(answer: BodyAnswer) -> bool:
    """Whether every joint is finite."""
    return all(_finite(point.x, point.y, point.visibility) for point in answer.points or ())


def is_usable_objects(answer: ObjectsAnswer) -> bool:
    """Whether every score and box is finite."""
    return all(
        _finite(each.score, each.box.left, each.box.top, each.box.width, each.box.height)
        for each in answer.objects
    )


def is_usable_speech(answer: SpeechAnswer, sound: Sound) -> bool:
    """Whether there is one finite probability per chunk."""
    return len(answer.probabilities) * CHUNK == len(sound.samples) and _all_finite(
        answer.probabilities
    )


def _finite(*numbers: float) -> bool:
    return _all_finite(numbers)


def _all_finite(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(number) for number in numbers)
