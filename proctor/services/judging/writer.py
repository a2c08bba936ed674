"""Writes down what a shard judged: the checkpoint in Redis first, then the rows in the database.

The checkpoint comes first and holds the rows, so that a crash between the two repeats the same commit
(which changes nothing) instead of judging a second time, maybe otherwise. While the database is away
the rows wait in the checkpoint, marked `unsynced`; while Redis is away nothing is acknowledged.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from proctor.domain.errors import Conflict, StateStoreUnavailable
from proctor.domain.ids import SessionId
from proctor.fusion.checkpoint import entry_ids
from proctor.ports import Checkpoints, Clock, IncidentStore, Judged, Metrics
from proctor.services.judging.session import JudgedSession

logger = logging.getLogger(__name__)

COMMIT_TRIES = 3


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
        self._checkpoints = checkpoints
        self._clock = clock
        self._metrics = metrics
        self._database_is_away = False
        self.fence = 0

    def try_database_again(self) -> None:
        """After a failed commit rows wait until this is called: once per turn of the timer."""
        self._database_is_away = False

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
        if self._database_is_away:
            _mark_unsynced(waiting)
            return
        try:
            await self._commit([row for known in waiting for row in known.rows])
        except StateStoreUnavailable:
            self._metrics.count("shard_unwritten", what="rows")
            self._database_is_away = True
            _mark_unsynced(waiting)
        except Conflict:
            await self._commit_apart(waiting)
        else:
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
                    known.renumber(await self._incidents.last_seq(session_id))
                    await self._commit(known.rows)
                known.rows = []
            except (StateStoreUnavailable, Conflict):
                self._metrics.count("shard_unwritten", what="rows")
                known.mark_unsynced()

    async def _commit(self, rows: Sequence[Judged]) -> None:
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
        for entry in entry_ids(session_id):
            await self._checkpoints.drop(self._name, self.fence, entry)

    def note_store(self, touched: Iterable[JudgedSession], lost: bool, now: datetime) -> None:
        """Tell as coverage that checkpoints fail, or no longer do."""
        for known in touched:
            if known.store_is_lost is not lost and not known.judge.has_ended:
                known.store_is_lost = lost
                known.keep(known.judge.store_lost(lost, known.session_ms(now), now))


def _mark_unsynced(waiting: Iterable[JudgedSession]) -> None:
    for known in waiting:
        known.mark_unsynced()
