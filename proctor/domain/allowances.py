"""What a candidate is allowed in a sitting: accommodations and breaks. They hold alerts back, no facts."""

from dataclasses import dataclass
from enum import StrEnum

from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId


class Accommodation(StrEnum):
    """What a candidate may do that others may not. Why is nobody's business here (TRUST P17)."""

    MAY_LOOK_AWAY = "may_look_away"
    MAY_SPEAK = "may_speak"
    READER_PRESENT = "reader_present"
    SCREEN_READER = "screen_reader"
    MAY_LEAVE_SEAT = "may_leave_seat"
    MAY_USE_THINGS = "may_use_things"


class BreakBy(StrEnum):
    """Who gave a break."""

    STAFF = "staff"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A stretch of session time in which nobody has to be seen.

    Attributes:
        break_id: Its name.
        start_ms: Session time at which it begins.
        end_ms: When it ends (not part of it); None while nobody has said.
        by: Given at the moment by staff, or planned.
    """

    break_id: str
    start_ms: int
    end_ms: int | None
    by: BreakBy

    def __str__(self) -> str:
        """From when to when, as the audit log has it."""
        until = "its end is said" if self.end_ms is None else f"{self.end_ms} ms"
        return f"{self.break_id}: from {self.start_ms} ms until {until}"

    def holds(self, at_ms: int) -> bool:
        """Whether a moment lies in it."""
        return self.start_ms <= at_ms and (self.end_ms is None or at_ms < self.end_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """Everything that is allowed in one session; breaks by their beginning."""

    accommodations: tuple[Accommodation, ...] = ()
    breaks: tuple[Break, ...] = ()


NOTHING_ALLOWED = Allowances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accommodated:
    """What one candidate is allowed.

    Attributes:
        tenant_id: Whose.
        candidate_id: Who.
        exam_id: In which exam, before what holds in every exam; None for every exam.
        accommodations: What; empty for nothing, also where something is allowed in every exam.
    """

    tenant_id: TenantId
    candidate_id: CandidateId
    exam_id: ExamId | None
    accommodations: tuple[Accommodation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBreak:
    """A break with whose it is."""

    tenant_id: TenantId
    session_id: SessionId
    given: Break
