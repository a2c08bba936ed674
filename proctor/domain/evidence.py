"""Evidence: what a reviewer needs to see, and proof that it is what was judged."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId


class PieceKind(StrEnum):
    """What a piece of evidence is."""

    JUDGED = "judged"
    """The very bytes that perception received; their sha256 is the frame digest of the alert."""
    BEFORE = "before"
    AFTER = "after"
    CLIP = "clip"
    """Received video, remuxed as it came, with sound where the policy allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOrder:
    """A judge's wish that a session host keeps what shows an incident; times are session time.

    Attributes:
        tenant_id: Whose data.
        exam_id: Which exam.
        session_id: Which session.
        candidate_id: Whose picture.
        incident_id: What it is to show.
        digests: Frame digests (sha256, hex) of the judged pictures that the alert rests on.
        from_ms: First moment that the clip and the pictures before should show.
        until_ms: Last one.
        with_sound: Whether the policy allows sound.
    """

    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId
    candidate_id: CandidateId
    incident_id: IncidentId
    digests: tuple[str, ...]
    from_ms: int
    until_ms: int
    with_sound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes that show something, as a host took them.

    Attributes:
        kind: What it is.
        media_type: `image/jpeg`, `image/png`, `video/webm` ...
        start_ms: First session moment it shows.
        end_ms: Last one; the same for a picture.
        sha256: Of `content`, in hex; made when the picture was judged, or the clip written.
        content: The bytes.
    """

    kind: PieceKind
    media_type: str
    start_ms: int
    end_ms: int
    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRef:
    """Evidence by reference: a row, without the bytes.

    Attributes:
        evidence_id: Its name.
        tenant_id: Whose data.
        exam_id: Which exam.
        session_id: Which session.
        candidate_id: Whose picture.
        incident_id: What it shows.
        kind: What it is.
        media_type: Of the opened bytes.
        start_ms: First session moment it shows.
        end_ms: Last one.
        sha256: Of the opened bytes, in hex.
        size: Of the opened bytes.
        object_key: Where the sealed bytes lie in the evidence store.
        stored_at: When they lay there.
    """

    evidence_id: str
    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId
    candidate_id: CandidateId
    incident_id: IncidentId
    kind: PieceKind
    media_type: str
    start_ms: int
    end_ms: int
    sha256: str
    size: int
    object_key: str
    stored_at: datetime
