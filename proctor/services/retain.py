"""Deletes what has outlived its exam's retention."""

from datetime import datetime, timedelta

import structlog

from proctor.domain.errors import NotAllErased, NotFound, StateStoreUnavailable
from proctor.domain.recordings import RecordingKey, is_due
from proctor.ports import Clock, ExamStore, Recordings

_log = structlog.get_logger(__name__)


UNCLOSED_FOR = timedelta(days=2)
"""No sitting lasts as long: a recording that was never closed dies so much after its exam's retention."""

UNCLOSED_EVERY_MS = 24 * 3_600_000


class Retain:
    """Knows when recordings die: by their footer, and by their first take when there never was one.

    Args:
        recordings: Where they are.
        clock: Time.
        exams: Know how long a recording without a footer is kept; None leaves those alone.
    """

    def __init__(
        self, recordings: Recordings, clock: Clock, exams: ExamStore | None = None
    ) -> None:
        self._recordings = recordings
        self._clock = clock
        self._exams = exams
        self._looked_ms: int | None = None

    async def erase_due(self) -> int:
        """Delete every recording that is due; how many.

        Raises:
            NotAllErased: One or more could not be deleted; the others were.
            StateStoreUnavailable: It is not known what is due.
        """
        now = self._clock.now()
        due = [footer.key async for footer in self._recordings.footers() if is_due(footer, now)]
        due += await self._unclosed_due(now)
        left = 0
        for key in due:
            try:
                await self._recordings.erase(key)
            except StateStoreUnavailable:  # one that is held must not keep the others
                left += 1
                _log.warning("recording not erased", session_id=key.session_id)
            else:
                _log.info("recording erased", session_id=key.session_id)
        if left:
            raise NotAllErased("recordings could not be deleted", len(due) - left, left)
        return len(due)

    async def _unclosed_due(self, now: datetime) -> list[RecordingKey]:
        """Recordings that were never closed and are too old to be; looked for once a day."""
        now_ms = self._clock.monotonic_ms()
        is_early = self._looked_ms is not None and now_ms - self._looked_ms < UNCLOSED_EVERY_MS
        if self._exams is None or is_early:
            return []
        due: list[RecordingKey] = []
        async for key, began_at in self._recordings.unclosed():
            if now - began_at < UNCLOSED_FOR:
                continue
            try:
                exam = await self._exams.get_exam(key.tenant_id, key.exam_id)
            except NotFound:
                continue
            if now >= began_at + UNCLOSED_FOR + timedelta(days=exam.retention_days):
                due.append(key)
        self._looked_ms = now_ms
        return due
