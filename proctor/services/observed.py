"""A session's observations for those who analyse: read from its recording, noted before they are read."""

import asyncio
from collections.abc import Callable, Iterable

from proctor.domain.ids import SessionId, TenantId
from proctor.domain.recordings import Recording, RecordingKey
from proctor.fusion.observed import Observed, observed
from proctor.ports import AuditLog, Clock, Recordings, SessionStore

ACTION = "session.observations_read"


class ObservedSessions:
    """Hands out observations.

    Args:
        sessions: Whose session it is.
        recordings: What was consumed of it.
        audit: Each reading is a row of it; without the row nothing is read.
        clock: Time.
        write: Makes an Arrow stream of observations.
    """

    def __init__(
        self,
        sessions: SessionStore,
        recordings: Recordings,
        audit: AuditLog,
        clock: Clock,
        write: Callable[[Iterable[Observed]], bytes],
    ) -> None:
        self._sessions = sessions
        self._recordings = recordings
        self._audit = audit
        self._clock = clock
        self._write = write

    async def read(self, tenant_id: TenantId, session_id: SessionId, actor: str) -> bytes:
        """The session's observations as an Arrow stream; of a running session, what is stored by now.

        Raises:
            NotFound: There is no such session of this tenant, or nothing of it is recorded.
            RecordingUnreadable: What is recorded cannot be read.
            StateStoreUnavailable: A store is away, or the audit row could not be written.
        """
        session = await self._sessions.get(tenant_id, session_id)
        await self._audit.note(
            tenant_id, at=self._clock.now(), actor=actor, action=ACTION, subject=session_id
        )
        key = RecordingKey(tenant_id=tenant_id, exam_id=session.exam_id, session_id=session_id)
        recording = await self._recordings.read(key)
        return await asyncio.to_thread(self._made, recording)

    def _made(self, recording: Recording) -> bytes:
        return self._write(observed(recording.takes))
