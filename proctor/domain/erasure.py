"""The end of a candidate's data: what was asked, what was done, and that it stays done."""

from dataclasses import dataclass
from datetime import datetime

from proctor.domain.ids import CandidateId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The receipt of an erasure.

    Attributes:
        receipt_id: Its name.
        tenant_id: Whose data.
        candidate_id: Who is erased; the name alone stays, as a pseudonym of nobody.
        asked_by: Who asked.
        asked_at: When; from then on the candidate is closed.
        done_at: When everything was gone; None while something of it is owed.
        sessions: How many sessions they had.
        recordings: How many of these had a recording that was deleted.
        evidence: How many pieces of evidence were deleted.
    """

    receipt_id: str
    tenant_id: TenantId
    candidate_id: CandidateId
    asked_by: str
    asked_at: datetime
    done_at: datetime | None = None
    sessions: int = 0
    recordings: int = 0
    evidence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """That a candidate is erased, kept outside the stores that a backup may bring back."""

    receipt_id: str
    tenant_id: TenantId
    candidate_id: CandidateId
    asked_by: str
    asked_at: datetime
