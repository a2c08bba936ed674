"""`EvidenceKeeper`: sealed on the local disk before it answers, in the store when that can be had.

Nothing here is on the path of an alert, and no fault of disk, keys, database or store reaches a caller:
what cannot be kept is told as a loss with its reason.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from proctor.domain.errors import InvalidInput, NoRoom, NotFound, ProctorError, Unavailable
from proctor.domain.evidence import (
    EvidenceOrder,
    EvidenceRef,
    Loss,
    Piece,
    SpooledPiece,
    Taken,
    ref_of,
)
from proctor.ports import (
    Clock,
    EvidenceLedger,
    EvidenceObjects,
    EvidenceSpool,
    Metrics,
    SubjectKeys,
)
from proctor.services.deadline import TimedOut, within
from proctor.services.evidence.shelf import Shelf
from proctor.services.evidence.uploads import NOTE_WITHIN_MS, PATIENT, Patience, Uploads

STEP_S = 1.0
ADOPT_EVERY_MS = 60_000
SEAL_WITHIN_MS = 10_000
TAKE_AT_ONCE = 50
MOST_UNWRITTEN = 10_000
"""Losses that wait for the database; the oldest is forgotten then, and told as never delivered."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Lost:
    """A loss that the database has not been told yet."""

    what: EvidenceRef | EvidenceOrder
    loss: Loss
    at: datetime


class SpoolingKeeper:
    """Keeps what a session host hands over. `run` does all that `keep` leaves for later.

    Args:
        keys: Seals each piece for its candidate.
        spool: The local disk.
        objects: The store.
        ledger: The rows.
        clock: Time.
        metrics: Numbers.
        most_bytes: How much may wait on the disk; then the least gives way (`domain.evidence.worth`).
        patience: How long the store is borne with.
    """

    def __init__(
        self,
        *,
        keys: SubjectKeys,
        spool: EvidenceSpool,
        objects: EvidenceObjects,
        ledger: EvidenceLedger,
        clock: Clock,
        metrics: Metrics,
        most_bytes: int,
        patience: Patience = PATIENT,
    ) -> None:
        self._keys = keys
        self._spool = spool
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._most_bytes = most_bytes
        self._shelf = Shelf(most_bytes)
        self._unwritten: deque[_Lost] = deque(maxlen=MOST_UNWRITTEN)
        self._room = asyncio.Lock()
        self._adopt_at_ms = 0
        self._uploads = Uploads(
            shelf=self._shelf,
            spool=spool,
            objects=objects,
            ledger=ledger,
            lose=self._lose,
            clock=clock,
            metrics=metrics,
            patience=patience,
        )

    async def keep(self, order: EvidenceOrder, pieces: Sequence[Piece]) -> None:
        """Take what could be had for an order, or nothing: then the incident is told of its loss."""
        if not pieces:
            self._lose(order, Loss.NOT_CAPTURED)
        for piece in pieces:
            ref = ref_of(order, piece)
            if ref.evidence_id in self._shelf:
                continue  # another order wanted it as well
            loss = await self._spool_one(order, ref, piece.content)
            if loss is not None:
                self._lose(ref, loss)

    async def run(self) -> None:
        """Write down, upload, take over what dead processes left, until cancelled."""
        try:
            while True:
                try:
                    await self.step()
                except Exception:  # a mailbox's boundary: what fails now is tried again
                    logger.exception("a step of the evidence keeper failed")
                    self._metrics.count("evidence_failed_steps")
                await self._clock.sleep(STEP_S)
        finally:
            await self._uploads.close()

    async def step(self) -> None:
        """Do what is due now; uploads are begun and not waited for."""
        if self._clock.monotonic_ms() >= self._adopt_at_ms:
            self._adopt_at_ms = self._clock.monotonic_ms() + ADOPT_EVERY_MS
            await self._adopt()
        await self._write_down()
        self._uploads.start_due()
        self._metrics.gauge("evidence_spool_bytes", self._shelf.bytes)
        self._metrics.gauge("evidence_spool_limit_bytes", self._most_bytes)
        self._metrics.gauge("evidence_waiting", len(self._shelf))

    async def _spool_one(self, order: EvidenceOrder, ref: EvidenceRef, plain: bytes) -> Loss | None:
        """Seal and write one piece; why it could not be, or None."""
        try:
            seal = self._keys.seal(ref.tenant_id, ref.candidate_id, ref.object_key, plain)
            sealed = await within(self._clock, SEAL_WITHIN_MS, seal)
        except NotFound:
            return Loss.ERASED
        except (Unavailable, InvalidInput, TimedOut):
            return Loss.KEYS_AWAY
        piece = SpooledPiece(
            ref=ref,
            severity=order.severity,
            sealed_sha256=await asyncio.to_thread(lambda: hashlib.sha256(sealed).hexdigest()),
            sealed_size=len(sealed),
            spooled_at=self._clock.now(),
        )
        async with self._room:
            if not await self._free(piece, self._shelf.lacking(len(sealed))):
                return Loss.SPOOL_FULL
            return await self._write(piece, sealed)

    async def _write(self, piece: SpooledPiece, sealed: bytes) -> Loss | None:
        for is_last in (False, True):
            try:
                await self._spool.write(piece, sealed)
            except NoRoom:  # others fill the disk as well: what is worth less here may make room
                if is_last or not await self._free(piece, len(sealed)):
                    return Loss.DISK_FULL
            except OSError as error:
                logger.error(
                    "the evidence spool cannot be written", extra={"error": type(error).__name__}
                )
                return Loss.DISK_FAILED
            else:
                break
        self._shelf.add(piece)
        return None

    async def _free(self, new: SpooledPiece, wanted_bytes: int) -> bool:
        if wanted_bytes == 0:
            return True
        gone = self._shelf.makes_way(new, wanted_bytes)
        for each in gone or ():
            await self._evict(each)
        return gone is not None

    async def _evict(self, piece: SpooledPiece) -> None:
        self._shelf.remove(piece)
        self._lose(piece.ref, Loss.SPOOL_FULL)
        await self._spool.drop(piece)

    def _lose(self, what: EvidenceRef | EvidenceOrder, loss: Loss) -> None:
        about = {"incident_id": what.incident_id, "reason": loss.value}
        logger.warning("evidence lost", extra=about)
        self._metrics.count("evidence_lost", reason=loss.value)
        self._unwritten.append(_Lost(what, loss, self._clock.now()))

    async def _adopt(self) -> None:
        try:
            found = await self._spool.adopt()
        except (OSError, NoRoom) as error:
            logger.warning("spools cannot be taken over", extra={"error": type(error).__name__})
            return
        for piece in found:
            self._shelf.add(piece)
        async with self._room:
            for piece in self._shelf.surplus():
                await self._evict(piece)

    async def _write_down(self) -> None:
        """Losses first, then new pieces; a database that is away is asked again in the next step."""
        try:
            while self._unwritten:
                lost = self._unwritten[0]
                await self._note(lost)
                if self._unwritten[0] is lost:  # else it fell out at the bound meanwhile
                    self._unwritten.popleft()
            while new := self._shelf.unknown(TAKE_AT_ONCE):
                take = self._ledger.take([piece.ref for piece in new], self._clock.now())
                taken: Taken = await self._soon(take)
                for piece in new:
                    await self._taken(piece, taken)
        except (Unavailable, TimedOut):
            self._metrics.count("evidence_failed_steps")

    async def _note(self, lost: _Lost) -> None:
        what = lost.what
        try:
            if isinstance(what, EvidenceRef):
                await self._soon(self._ledger.lost(what, lost.loss, lost.at))
            else:
                await self._soon(self._ledger.nothing(what, lost.loss, lost.at))
        except (Unavailable, TimedOut):
            raise
        except ProctorError as error:  # one that can never be written must not hold up the others
            logger.error("a loss cannot be written down", extra={"code": error.code})

    async def _taken(self, piece: SpooledPiece, taken: Taken) -> None:
        evidence_id = piece.ref.evidence_id
        if evidence_id in taken.stored or evidence_id in taken.erased:
            if evidence_id in taken.erased:
                self._lose(piece.ref, Loss.ERASED)
            self._shelf.remove(piece)
            await self._spool.drop(piece)
            return
        self._shelf.known(piece)
        try:
            await self._spool.known(piece)
        except OSError as error:  # after a restart it is taken once more, which changes nothing
            logger.warning(
                "a spooled piece keeps its old name", extra={"error": type(error).__name__}
            )

    async def _soon(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await within(self._clock, NOTE_WITHIN_MS, work)
