"""Pieces on their way from the spool to the store: a few at a time, each with its own patience.

A store that hangs costs a try's time limit and nothing else; one that refuses is asked again later and
later. What lies there is read back before the spool lets go of it: a store that takes bytes and keeps
others is found out, whatever it is.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from proctor.domain.errors import InvalidInput, NotFound, Unavailable
from proctor.domain.evidence import EvidenceRef, Loss, SpooledPiece
from proctor.ports import Clock, EvidenceLedger, EvidenceObjects, EvidenceSpool, Metrics
from proctor.services.deadline import TimedOut, within
from proctor.services.evidence.shelf import Shelf, Waiting

AT_ONCE = 4
NOTE_WITHIN_MS = 10_000
GIVE_UP_AFTER = timedelta(days=3)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a store is borne with.

    Attributes:
        upload_within_ms: One try, with reading back.
        first_pause_s: Before the second try; it doubles from try to try.
        most_pause_s: The longest pause.
        give_up_after: What the store did not take by then is lost.
    """

    upload_within_ms: int = 30_000
    first_pause_s: float = 1.0
    most_pause_s: float = 60.0
    give_up_after: timedelta = GIVE_UP_AFTER


PATIENT = Patience()


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
        patience: Patience = PATIENT,
    ) -> None:
        self._patience = patience
        self._shelf = shelf
        self._spool = spool
        self._objects = objects
        self._ledger = ledger
        self._lose = lose
        self._clock = clock
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def start_due(self) -> None:
        """Begin as many uploads as may run at once; each that ends begins the next."""
        room = AT_ONCE - len(self._tasks)
        if self._is_closed or room <= 0:
            return
        for waiting in self._shelf.due(self._clock.monotonic_ms(), room):
            waiting.is_busy = True
            task = asyncio.create_task(self._one(waiting))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.start_due()

    async def close(self) -> None:
        """Break off what runs; it lies in the spool."""
        self._is_closed = True
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
                await self._in_time(self._put(piece, sealed))
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
                await self._in_time(self._objects.erase([piece.ref.object_key]))
        except (Unavailable, TimedOut):
            return "unwritten"
        await self._let_go(piece)
        return "stored" if is_wanted else "erased"

    async def _in_time(self, work: Coroutine[Any, Any, None]) -> None:
        await within(self._clock, self._patience.upload_within_ms, work)

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
        if (
            self._clock.now() - piece.spooled_at > self._patience.give_up_after
            and not waiting.is_uploaded
        ):
            self._lose(piece.ref, Loss.STORE_AWAY)
            await self._let_go(piece)
            return
        grown_s = self._patience.first_pause_s * 2**waiting.tries
        pause_s = min(grown_s, self._patience.most_pause_s) * random.uniform(0.5, 1.0)
        waiting.tries = min(waiting.tries + 1, 16)
        waiting.next_ms = self._clock.monotonic_ms() + round(pause_s * 1000)
