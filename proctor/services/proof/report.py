"""What a check of an export found."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        faults: What does not hold, in words; () when all does.
        notes: What cannot be checked any more, and why that is no fault.
        session_id: Whose export it says it is.
        entries: How many entries were read.
        checkpoints: How many checkpoints were believed.
    """

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    session_id: str = ""
    entries: int = 0
    checkpoints: int = 0
