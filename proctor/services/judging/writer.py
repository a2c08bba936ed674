"""Writes down what a shard judged: the checkpoint in Redis first, then the rows in the database.

The checkpoint comes first and holds the rows, so that a crash between the two repeats the same commit
(which changes nothing) instead of judging a second time, maybe otherwise. While the database is away
the rows wait in the checkpoint, marked `unsynced`, and it is asked again after 0.4, 0.8 ... 8 s; while
Redis is away nothing is acknowledged.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from proctor.domain.errors import Conflict, StateStoreUnavailable
from proctor.domain.ids import AlertId, SessionId
from proctor.fusion.checkpoint import entry_ids
from proctor.ports import Checkpoints, Clock, IncidentStore, Judged, Metrics
from proctor.services.deadline import TimedOut, within
from proctor.services.judging.archive import Archive
from proctor.services.judging.session import JudgedSession

logger = logging.getLogger(__name__)

COMMIT_TRIES = 3
COMMIT_WITHIN_MS = 1_500
FIRST_WAIT_MS = 400
LONGEST_WAIT_MS = 8_000


class ShardWriter:
    """The stores of one shard.

    Attributes:
        fence: What `Checkpoints.claim` gave; set before the first write.
    """

    def __init__(
        self,
        *,
        name: str,
        incidents: IncidentStore,
        checkpoints: Checkpoints,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._name = name
        self._incidents = incidents
        self._archive = Archive(incidents, clock)
        self._checkpoints = checkpoints
        self._clock = clock
        self._metrics = metrics
        self._wait_ms = 0
        self._not_before_ms = 0
        self.fence = 0

    async def checkpoint(self, touched: Sequence[JudgedSession]) -> bool:
        """Write down what changed, in one step; False when Redis is away.

        Raises:
            Conflict: Another process has taken the shard over.
        """
        entries: dict[SessionId, bytes] = {}
        changes = {known.judge.spec.session_id: known.changes() for known in touched}
        for session_id, parts in changes.items():
            entries |= {SessionId(session_id + ending): text for ending, text in parts.items()}
        try:
            if entries:
                await self._checkpoints.save(self._name, self.fence, entries)
        except StateStoreUnavailable:
            self._metrics.count("shard_unwritten", what="checkpoint")
            for known in touched:
                known.is_written = False
            return False
        for known in touched:
            known.wrote(changes[known.judge.spec.session_id])
        return True

    async def commit(self, touched: Iterable[JudgedSession]) -> None:
        """Bring the rows that wait to the database, in one transaction for all."""
        waiting = [known for known in touched if known.rows]
        if not waiting:
            return
        if self._clock.monotonic_ms() < self._not_before_ms:
            _mark_unsynced(waiting)
            return
        try:
            await self._commit([row for known in waiting for row in known.rows])
        except StateStoreUnavailable:
            self._metrics.count("shard_unwritten", what="rows")
            self._wait_ms = min(max(FIRST_WAIT_MS, 2 * self._wait_ms), LONGEST_WAIT_MS)
            self._not_before_ms = self._clock.monotonic_ms() + self._wait_ms
            _mark_unsynced(waiting)
        except Conflict:
            await self._commit_apart(waiting)
        else:
            self._wait_ms = 0
            for known in waiting:
                known.rows = []

    async def _commit_apart(self, waiting: Iterable[JudgedSession]) -> None:
        """A number is another alert's (Redis lost its last second): number on after those known."""
        for known in waiting:
            session_id = known.judge.spec.session_id
            try:
                try:
                    await self._commit(known.rows)
                except Conflict:
                    logger.error("alert numbers were taken", extra={"session_id": session_id})
                    told = await self._told(known)
                    known.renumber(await self._archive.last_seq(session_id), told)
                    await self._commit(known.rows)
                known.rows = []
            except (StateStoreUnavailable, Conflict):
                self._metrics.count("shard_unwritten", what="rows")
                known.mark_unsynced()

    async def _told(self, known: JudgedSession) -> list[AlertId]:
        """Alerts that wait although they are committed: a new number would be nobody's."""
        waiting = [alert for row in known.rows for alert in row.alerts]
        return [
            alert.alert_id
            for alert in waiting
            if await self._archive.has_alert(alert.tenant_id, alert.alert_id)
        ]

    async def _commit(self, rows: Sequence[Judged]) -> None:
        """Commit within the deadline, or raise `StateStoreUnavailable`: whoever judges waits for it.

        A commit that was given up may have been done; it is repeated, which changes nothing.
        """
        try:
            await within(self._clock, COMMIT_WITHIN_MS, self._retried(rows))
        except TimedOut as error:
            raise StateStoreUnavailable(
                f"the database took longer than {COMMIT_WITHIN_MS} ms"
            ) from error

    async def _retried(self, rows: Sequence[Judged]) -> None:
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(COMMIT_TRIES),
            wait=wait_exponential(multiplier=0.05, max=0.2),
            retry=retry_if_exception_type(StateStoreUnavailable),
            sleep=self._clock.sleep,
            reraise=True,
        ):
            with attempt:
                await self._incidents.commit(rows)

    async def drop(self, session_id: SessionId) -> None:
        """Forget what was written of a session.

        Raises:
            StateStoreUnavailable: Redis is away.
            Conflict: Another process has taken the shard over.
        """
        await self._checkpoints.drop(self._name, self.fence, *entry_ids(session_id))

    def note_store(self, touched: Iterable[JudgedSession], lost: bool, now: datetime) -> None:
        """Tell as coverage that checkpoints fail, or no longer do."""
        for known in touched:
            if known.store_is_lost is not lost and not known.judge.has_ended:
                known.store_is_lost = lost
                known.keep(known.judge.store_lost(lost, known.session_ms(now), now))


def _mark_unsynced(waiting: Iterable[JudgedSession]) -> None:
    for known in waiting:
        known.mark_unsynced()
