"""Observations in a word: what a session's models and media path would have said at a moment."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.geometry import BodyPoint, Box, Gaze, HeadPose
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.observations import (
    BodySeen,
    FaceMatched,
    FacesSeen,
    GazeSeen,
    ObjectsSeen,
    Observation,
    PictureSeen,
    Producer,
    SeenFace,
    SeenObject,
    SpeechHeard,
    StreamState,
)
from proctor.domain.reports import TickReport
from proctor.domain.sessions import SessionSpec

ROOT = Path(__file__).resolve().parents[2]
STANDARD_POLICY = (ROOT / "policies" / "standard.yaml").read_text()
SESSION = SessionId("ses_test")
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
DETECTOR = Producer("detector", "1", "d" * 64)
GAZE_MODEL = Producer("gaze", "1", "a" * 64)
EMBEDDER = Producer("embedder", "1", "e" * 64)
VOICE_MODEL = Producer("voice", "1", "f" * 64)
OBJECT_MODEL = Producer("objects", "1", "c" * 64)
POSE_MODEL = Producer("pose", "1", "b" * 64)


def spec(session: str = SESSION, epoch: int = 1, policy: str = STANDARD_POLICY) -> SessionSpec:
    return SessionSpec(
        session_id=SessionId(session),
        tenant_id=TenantId("ten_test"),
        exam_id=ExamId("exa_test"),
        candidate_id=CandidateId("can_test"),
        policy_text=policy,
        started_at=BEGAN,
        epoch=epoch,
    )


def digest(at_ms: int) -> str:
    return f"{at_ms:064x}"


def face(left: float = 0.35, width: float = 0.3, presence: float = 0.98) -> SeenFace:
    return SeenFace(box=Box(left, 0.2, width, width), score=0.9, presence=presence)


SOMEBODY_BEHIND = face(left=0.05, width=0.08)
TURNED_AWAY = face(presence=0.1)


def faces(at_ms: int, *found: SeenFace, small: bool = False) -> FacesSeen:
    return FacesSeen(
        observed_ms=at_ms,
        faces=found,
        searched_small=small,
        producers=(DETECTOR,),
        frame_digest=digest(at_ms),
    )


def gaze(at_ms: int, yaw_deg: float | None, head_deg: float | None = 0.0) -> GazeSeen:
    return GazeSeen(
        observed_ms=at_ms,
        head=None if head_deg is None else HeadPose(head_deg, 5.0, 0.0),
        gaze=None if yaw_deg is None else Gaze(yaw_deg, 5.0),
        eyes_open=0.05 if yaw_deg is None else 0.3,
        mouth_open=0.0,
        producers=(DETECTOR, GAZE_MODEL),
        frame_digest=digest(at_ms),
    )


def match(at_ms: int, probability: float) -> FaceMatched:
    return FaceMatched(
        observed_ms=at_ms,
        probability=probability,
        template_version=1,
        producers=(DETECTOR, EMBEDDER),
        frame_digest=digest(at_ms),
    )


def body(at_ms: int, middle: float | None) -> BodySeen:
    """The upper body with its middle at this fraction of the width; None when none is found."""
    points = None
    if middle is not None:
        points = tuple(BodyPoint(middle, 0.5, 0.9) for _ in range(33))
    return BodySeen(
        observed_ms=at_ms, points=points, producers=(POSE_MODEL,), frame_digest=digest(at_ms)
    )


def things(at_ms: int, *labels: str, score: float = 0.8) -> ObjectsSeen:
    """A picture searched for things, with one of each label in it."""
    return ObjectsSeen(
        observed_ms=at_ms,
        objects=tuple(
            SeenObject(label=label, box=Box(0.6, 0.6, 0.1, 0.2), score=score) for label in labels
        ),
        producers=(OBJECT_MODEL,),
        frame_digest=digest(at_ms),
    )


def speech(at_ms: int, voiced_ms: int = 0, duration_ms: int = 192) -> SpeechHeard:
    return SpeechHeard(
        observed_ms=at_ms,
        duration_ms=duration_ms,
        voiced_ms=voiced_ms,
        probability=voiced_ms / duration_ms,
        level_dbfs=-30.0 if voiced_ms else -60.0,
        producers=(VOICE_MODEL,),
    )


def picture(at_ms: int, still_ms: int = 0) -> PictureSeen:
    return PictureSeen(
        observed_ms=at_ms, brightness=0.5, contrast=0.2, detail=0.01, change=0.01, still_ms=still_ms
    )


def black(at_ms: int) -> PictureSeen:
    return PictureSeen(
        observed_ms=at_ms, brightness=0.02, contrast=0.01, detail=1e-6, change=1e-3, still_ms=0
    )


def dusk(at_ms: int) -> PictureSeen:
    return PictureSeen(
        observed_ms=at_ms, brightness=0.06, contrast=0.08, detail=5e-3, change=1e-3, still_ms=0
    )


def stream(
    at_ms: int,
    modality: Modality,
    reason: CoverageReason | None = None,
    since_ms: int | None = None,
    state: CoverageState = CoverageState.BLIND,
) -> StreamState:
    return StreamState(
        observed_ms=at_ms,
        since_ms=at_ms if since_ms is None else since_ms,
        modality=modality,
        state=CoverageState.MONITORED if reason is None else state,
        reason=reason,
    )


def media_come(at_ms: int = 0) -> list[Observation]:
    return [stream(at_ms, modality) for modality in Modality]


def reports(
    observations: Iterable[Observation],
    until_ms: int,
    tick_ms: int = 200,
    epoch: int = 1,
    from_ms: int = 0,
    first_seq: int = 1,
) -> list[TickReport]:
    """What a host would send: every tick one report with what was seen since the one before."""
    waiting = sorted(observations, key=lambda seen: seen.observed_ms)
    made: list[TickReport] = []
    for sent_ms in range(from_ms, until_ms + 1, tick_ms):
        now = [seen for seen in waiting if seen.observed_ms <= sent_ms]
        waiting = waiting[len(now) :]
        made.append(report(first_seq + len(made), sent_ms, now, epoch=epoch))
    return made


def report(
    seq: int,
    sent_ms: int,
    observations: Sequence[Observation] = (),
    epoch: int = 1,
    session: str = SESSION,
    closing: bool = False,
    with_spec: bool | None = None,
) -> TickReport:
    has_spec = seq == 1 if with_spec is None else with_spec
    return TickReport(
        session_id=SessionId(session),
        epoch=epoch,
        seq=seq,
        sent_ms=sent_ms,
        observations=tuple(observations),
        spec=spec(session, epoch) if has_spec else None,
        closing=closing,
    )


def attentive_face(
    from_ms: int, until_ms: int, yaw_deg: float, hz: float = 4.0
) -> list[Observation]:
    """A confirmed face that looks somewhere."""
    seen: list[Observation] = []
    for at_ms in range(from_ms, until_ms, round(1000 / hz)):
        seen += [faces(at_ms, face()), gaze(at_ms, yaw_deg)]
    return seen
