"""Pieces on their way from the spool to the store: a few at a time, each with its own patience.

A store that hangs costs a try's time limit and nothing else; one that refuses is asked again later and
later. What lies there is read back before the spool lets go of it: a store that takes bytes and keeps
others is found out, whatever it is.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable
from datetime import timedelta

from proctor.domain.errors import InvalidInput, NotFound, Unavailable
from proctor.domain.evidence import EvidenceRef, Loss, SpooledPiece
from proctor.ports import Clock, EvidenceLedger, EvidenceObjects, EvidenceSpool, Metrics
from proctor.services.deadline import TimedOut, within
from proctor.services.evidence.shelf import Shelf, Waiting

AT_ONCE = 4
UPLOAD_WITHIN_MS = 30_000
NOTE_WITHIN_MS = 10_000
BACKOFF_S = (1.0, 60.0)
"""After the first failure, and at most."""
GIVE_UP_AFTER = timedelta(days=3)
logger = logging.getLogger(__name__)


class Altered(Exception):
    """The store gave back other bytes than it was given."""


class Uploads:
    """Uploads what is due of a shelf; `lose` is told what will not come."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        spool: EvidenceSpool,
        objects: EvidenceObjects,
        ledger: EvidenceLedger,
        lose: Callable[[EvidenceRef, Loss], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._shelf = shelf
        self._spool = spool
        self._objects = objects
        self._ledger = ledger
        self._lose = lose
        self._clock = clock
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def start_due(self) -> None:
        """Begin as many uploads as may run at once."""
        room = AT_ONCE - len(self._tasks)
        for waiting in self._shelf.due(self._clock.monotonic_ms(), room):
            waiting.is_busy = True
            task = asyncio.create_task(self._one(waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Break off what runs; it lies in the spool."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _one(self, waiting: Waiting) -> None:
        piece, outcome = waiting.piece, "failed"
        began_ms = self._clock.monotonic_ms()
        try:
            outcome = await self._try(waiting)
        except Exception:  # a task's boundary: one piece must not end the others
            logger.exception("an upload failed", extra={"evidence_id": piece.ref.evidence_id})
        finally:
            waiting.is_busy = False
        self._metrics.count("evidence_uploads", outcome=outcome)
        if outcome in ("stored", "erased"):
            took_ms = self._clock.monotonic_ms() - began_ms
            self._metrics.observe("evidence_upload_seconds", took_ms / 1000)
        elif outcome != "damaged":
            await self._later(waiting)

    async def _try(self, waiting: Waiting) -> str:
        """One try; what came of it, as the metric says it."""
        piece = waiting.piece
        try:
            if not waiting.is_uploaded:
                sealed = await self._spool.read(piece)
                await within(self._clock, UPLOAD_WITHIN_MS, self._put(piece, sealed))
                waiting.is_uploaded = True
        except InvalidInput:
            self._lose(piece.ref, Loss.SPOOL_DAMAGED)
            await self._let_go(piece)
            return "damaged"
        except Unavailable:
            return "away"
        except TimedOut:
            return "late"
        except Altered:
            return "altered"
        try:
            note = self._ledger.stored(piece.ref, self._clock.now())
            is_wanted = await within(self._clock, NOTE_WITHIN_MS, note)
            if not is_wanted:  # its session or candidate was erased meanwhile
                erased = self._objects.erase([piece.ref.object_key])
                await within(self._clock, UPLOAD_WITHIN_MS, erased)
        except (Unavailable, TimedOut):
            return "unwritten"
        await self._let_go(piece)
        return "stored" if is_wanted else "erased"

    async def _put(self, piece: SpooledPiece, sealed: bytes) -> None:
        key = piece.ref.object_key
        await self._objects.put(key, sealed)
        try:
            lies = await self._objects.get(key)
        except NotFound:
            raise Altered from None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(lies).hexdigest())
        if digest != piece.sealed_sha256:
            raise Altered

    async def _let_go(self, piece: SpooledPiece) -> None:
        self._shelf.remove(piece)
        await self._spool.drop(piece)

    async def _later(self, waiting: Waiting) -> None:
        piece = waiting.piece
        if self._clock.now() - piece.spooled_at > GIVE_UP_AFTER and not waiting.is_uploaded:
            self._lose(piece.ref, Loss.STORE_AWAY)
            await self._let_go(piece)
            return
        first_s, most_s = BACKOFF_S
        pause_s = min(first_s * 2**waiting.tries, most_s) * random.uniform(0.5, 1.0)
        waiting.tries = min(waiting.tries + 1, 16)
        waiting.next_ms = self._clock.monotonic_ms() + round(pause_s * 1000)
