"""Which sessions to look at first: one function, so that the measure can be exchanged."""

from proctor.domain.priority import WITHHELD_RANK, Priority


def rank_of(priority: Priority | None) -> int:
    """What sessions are sorted by, the highest first: their review priority, as the API ranks them.

    A session without one, and one whose priority is withheld, comes last.
    """
    return WITHHELD_RANK if priority is None else priority.rank
