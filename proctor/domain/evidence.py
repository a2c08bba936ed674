"""Evidence: what a reviewer needs to see, and proof that it is what was judged."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import (
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    TenantId,
    derive_id,
    path_part,
)
from proctor.domain.incidents import EvidenceStatus, Severity


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
        severity: Of the incident when it was ordered: what is least urgent gives way first.
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
    severity: Severity = Severity.LOW


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
        stored_at: When they lay there; None while they do not.
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
    stored_at: datetime | None = None


class PieceState(StrEnum):
    """Where a piece stands. Waiting ends as stored or lost; lost may still become stored."""

    WAITING = "waiting"
    """Sealed on a session host's disk."""
    STORED = "stored"
    LOST = "lost"


class Loss(StrEnum):
    """Why a piece, or all of an incident's evidence, was lost."""

    NOT_CAPTURED = "not_captured"
    """The host had nothing of it any more."""
    NEVER_DELIVERED = "never_delivered"
    """It was ordered, and no host delivered it: the host was killed."""
    DISK_FULL = "disk_full"
    DISK_FAILED = "disk_failed"
    SPOOL_FULL = "spool_full"
    """Too much waited for the store; this was the least of it."""
    SPOOL_DAMAGED = "spool_damaged"
    SPOOL_GONE = "spool_gone"
    """The disk on which it waited did not come back."""
    STORE_AWAY = "store_away"
    """The store took it for days on end not."""
    KEYS_AWAY = "keys_away"
    """It could not be sealed, and nothing is kept in plain."""
    ERASED = "erased"
    """The candidate's data were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPiece:
    """A piece and where it stands."""

    ref: EvidenceRef
    state: PieceState
    loss: Loss | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Of pieces that were told to wait, the ids of those that do not.

    Attributes:
        stored: They lie in the store already.
        erased: Their candidate was erased: they have no row, and get none.
    """

    stored: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvidence:
    """Where an incident's evidence stands, all pieces together.

    It is `stored` when none waits any more and at least one lies in the store, and `lost` when none
    does.

    Attributes:
        tenant_id: Whose data.
        session_id: Which session.
        incident_id: Which incident.
        status: Pending, stored or lost.
        loss: Why, when it was lost.
    """

    tenant_id: TenantId
    session_id: SessionId
    incident_id: IncidentId
    status: EvidenceStatus
    loss: Loss | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledPiece:
    """A sealed piece on a session host's disk.

    Attributes:
        ref: What it is, and where it goes.
        severity: Of its incident, when it was ordered.
        sealed_sha256: Of the sealed bytes, in hex.
        sealed_size: How many there are.
        spooled_at: Since when it waits.
        is_known: Whether the database has its row.
    """

    ref: EvidenceRef
    severity: Severity
    sealed_sha256: str
    sealed_size: int
    spooled_at: datetime
    is_known: bool = False


_SEVERITIES = tuple(Severity)
_KINDS = (PieceKind.AFTER, PieceKind.BEFORE, PieceKind.CLIP, PieceKind.JUDGED)


def worth(piece: SpooledPiece) -> tuple[int, int, datetime]:
    """What is kept longest when room runs out, as a key to sort by; the least gives way first.

    By severity, then by kind (pictures after, pictures before, clip, the judged picture), then by age:
    of two alike the older gives way.
    """
    return _SEVERITIES.index(piece.severity), _KINDS.index(piece.ref.kind), piece.spooled_at


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSession:
    """A session of which evidence is kept."""

    tenant_id: TenantId
    exam_id: ExamId
    session_id: SessionId

    @property
    def folder(self) -> str:
        """Where its objects lie."""
        return "/".join(map(path_part, (self.tenant_id, self.exam_id, self.session_id)))


def ref_of(order: EvidenceOrder, piece: Piece) -> EvidenceRef:
    """The row of a piece that was taken for an order; the same piece again has the same id."""
    about = (order.tenant_id, order.incident_id, piece.kind, piece.start_ms, piece.sha256)
    evidence_id = derive_id("evd", *about)
    session = KeptSession(
        tenant_id=order.tenant_id, exam_id=order.exam_id, session_id=order.session_id
    )
    return EvidenceRef(
        evidence_id=evidence_id,
        tenant_id=order.tenant_id,
        exam_id=order.exam_id,
        session_id=order.session_id,
        candidate_id=order.candidate_id,
        incident_id=order.incident_id,
        kind=piece.kind,
        media_type=piece.media_type,
        start_ms=piece.start_ms,
        end_ms=piece.end_ms,
        sha256=piece.sha256,
        size=len(piece.content),
        object_key=f"{session.folder}/{evidence_id}",
    )
