"""Deletes what has outlived its exam's retention."""

import structlog

from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.recordings import is_due
from proctor.ports import Clock, Recordings

_log = structlog.get_logger(__name__)


class Retain:
    """Knows when recordings die. Open ones have no footer yet and are left alone."""

    def __init__(self, recordings: Recordings, clock: Clock) -> None:
        self._recordings = recordings
        self._clock = clock

    async def erase_due(self) -> int:
        """Delete every recording that is due; how many.

        Raises:
            StateStoreUnavailable: One or more could not be deleted; the others were.
        """
        now = self._clock.now()
        due = [footer async for footer in self._recordings.footers() if is_due(footer, now)]
        failed: StateStoreUnavailable | None = None
        for footer in due:
            try:
                await self._recordings.erase(footer.key)
            except StateStoreUnavailable as error:  # one that is held must not keep the others
                failed = error
                _log.warning("recording not erased", session_id=footer.key.session_id)
            else:
                _log.info("recording erased", session_id=footer.key.session_id)
        if failed is not None:
            raise failed
        return len(due)
