"""Evidence by reference, links to it, and the retention schedule."""

from datetime import datetime

from proctor.api.views import View
from proctor.domain.evidence import KeptPiece, Loss, PieceKind, PieceState
from proctor.domain.incidents import EvidenceStatus
from proctor.services.evidence.schedule import Schedule
from proctor.services.evidence.showing import ListedEvidence


class EvidenceRefView(View):
    """A piece of evidence; its bytes are had by a link.

    Attributes:
        kind: `judged` is the very picture that was judged, to the byte.
        sha256: Of the opened bytes.
        state: `waiting`, `stored` or `lost`.
        loss: Why it was lost.
    """

    evidence_id: str
    kind: PieceKind
    media_type: str
    start_ms: int
    end_ms: int
    sha256: str
    size: int
    state: PieceState
    loss: Loss | None
    stored_at: datetime | None


class EvidenceListView(View):
    """All evidence of an incident, by the moment it shows.

    Attributes:
        status: `stored` when nothing waits any more and something is stored; `lost` when nothing is.
        loss: Why, when all of it was lost.
        kept_until: When it is deleted; null while the session runs.
    """

    status: EvidenceStatus
    loss: Loss | None
    kept_until: datetime | None
    items: list[EvidenceRefView]


class EvidenceLinkView(View):
    """An address that shows one piece to who asked for it, until `expires_at`."""

    url: str
    expires_at: datetime


class KeptView(View):
    """One kind of thing that is kept."""

    what: str
    where: str
    how_long: str
    why: str
    ended_by: str


class ExamRetentionView(View):
    """How many exams keep evidence and recordings for so many days after a session's end."""

    days: int
    exams: int


class RetentionView(View):
    """What is kept, where, for how long and why, as the service runs now."""

    kept: list[KeptView]
    exams: list[ExamRetentionView]


def evidence_view(listed: ListedEvidence) -> EvidenceListView:
    """The list as JSON."""
    return EvidenceListView(
        status=listed.status,
        loss=listed.loss,
        kept_until=listed.kept_until,
        items=[_ref_view(piece) for piece in listed.pieces],
    )


def _ref_view(piece: KeptPiece) -> EvidenceRefView:
    ref = piece.ref
    return EvidenceRefView(
        evidence_id=ref.evidence_id,
        kind=ref.kind,
        media_type=ref.media_type,
        start_ms=ref.start_ms,
        end_ms=ref.end_ms,
        sha256=ref.sha256,
        size=ref.size,
        state=piece.state,
        loss=piece.loss,
        stored_at=ref.stored_at,
    )


def retention_view(schedule: Schedule) -> RetentionView:
    """The schedule as JSON."""
    return RetentionView(
        kept=[KeptView.model_validate(each) for each in schedule.kept],
        exams=[ExamRetentionView(days=days, exams=exams) for days, exams in schedule.exams.items()],
    )
