"""What callers get of erasures and keys."""

from datetime import datetime

from proctor.api.views import View


class ErasureView(View):
    """The receipt of an erasure.

    Attributes:
        done_at: When everything was gone; None while something of it is owed.
        sessions: How many sessions they had.
        recordings: How many recordings were deleted.
        evidence: How many pieces of evidence were deleted.
    """

    receipt_id: str
    candidate_id: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    sessions: int
    recordings: int
    evidence: int


class KeySetView(View):
    """A JWK set (RFC 7517) of public keys."""

    keys: list[dict[str, str]]
