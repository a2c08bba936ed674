"""Sessions whose allowances must be read anew, so that a change told too early or too late is not lost."""

from collections.abc import Container

from proctor.domain.ids import SessionId

MOST_REMEMBERED = 10_000
"""Sessions that are named here and never come are forgotten, the oldest first."""


class Stale:
    """What a shard still has to read, in the order it was told."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, None] = {}

    def add(self, session_id: SessionId) -> None:
        """Something changed."""
        self._sessions[session_id] = None
        if len(self._sessions) > MOST_REMEMBERED:
            del self._sessions[next(iter(self._sessions))]

    def done(self, session_id: SessionId) -> None:
        """It was read."""
        self._sessions.pop(session_id, None)

    def among(self, known: Container[SessionId]) -> list[SessionId]:
        """Those of them that are there."""
        return [session_id for session_id in self._sessions if session_id in known]
