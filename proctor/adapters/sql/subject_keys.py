"""`SubjectKeys` in SQL: a data key per candidate, wrapped by the key ring, destroyed with a single row.

What is sealed is: format (1 byte), nonce (12), ciphertext and tag. Tenant, candidate and the object's
name are its associated data.

Nonces are random, 96 bits. After n messages under one key two of them are alike with a probability
below n^2 / 2^97: for a million objects of one candidate 1 in 10^17; `MOST_SEALED` per process and
key keeps it below 2^-32 with a thousand processes (NIST SP 800-38D, 8.3). A key is one candidate's
alone, so no bound is shared between candidates.

An opened key is kept in memory, because the key ring may be a network away:

- its row is looked at again after `FRESH_MS`, so a key that was destroyed dies everywhere within 5 s;
- the ring is asked again after `UNWRAP_AGAIN_MS`, and while it is away what is known serves for
  `KEPT_MS` after the last answer, then sealing and opening are refused; nothing is ever left plain;
- while the database is away, sealing goes on under a known key for as long (what a destroyed key
  sealed opens nowhere), and opening is refused.
"""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, select, update

from proctor.adapters.associated import associated_data
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.key_tables import subject_keys
from proctor.domain.errors import InvalidInput, KeysUnavailable, NotFound, StateStoreUnavailable
from proctor.domain.ids import CandidateId, TenantId
from proctor.ports import Clock, KeyRing

FRESH_MS = 5_000
UNWRAP_AGAIN_MS = 5 * 60_000
KEPT_MS = 10 * 60_000
ASK_EVERY_MS = 15_000
"""How often a ring that is away is asked: each time costs whoever seals its timeout."""

MOST_KEPT = 2_000
"""Keys in memory; the one used longest ago goes first."""

MOST_SEALED = 1 << 22
"""Messages that one process seals under one key. A candidate's exam makes some thousands."""

REWRAP_AT_ONCE = 200
_FORMAT = b"\x02"
_NONCE_BYTES = 12
_KEY_BITS = 256
_Whose = tuple[TenantId, CandidateId]


@dataclass(slots=True)
class _Known:
    """An opened key: what its row held, when row and ring last spoke, how much it sealed here.

    `ask_ms` is when the ring is asked again.
    """

    wrapped: bytes
    cipher: AESGCM
    row_ms: int
    ring_ms: int
    ask_ms: int
    sealed: int = 0


class SqlSubjectKeys:
    """Data keys of candidates.

    Args:
        database: Where the wrapped keys lie.
        ring: Wraps them. It may be a network away: it is called on a thread.
        clock: Time.
    """

    def __init__(self, database: Database, ring: KeyRing, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._known: OrderedDict[_Whose, _Known] = OrderedDict()

    async def seal(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, plain: bytes
    ) -> bytes:
        """Encrypt the object `name`; the first call makes the candidate's key.

        Raises:
            NotFound: The key was destroyed.
            KeysUnavailable: The key ring is away, and for longer than a known key may serve.
            StateStoreUnavailable: The database is away, and the key is not known here.
        """
        known = await self._key(tenant_id, candidate_id, sealing=True)
        if known is None:
            await self._make(tenant_id, candidate_id)
            known = await self._key(tenant_id, candidate_id, sealing=True)
        if known is None:
            raise NotFound(f"no key of candidate {candidate_id}")
        if known.sealed >= MOST_SEALED:
            raise InvalidInput("too much was sealed under one key", "keys/exhausted")
        known.sealed += 1
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = _object_of(tenant_id, candidate_id, name)
        return _FORMAT + nonce + known.cipher.encrypt(nonce, plain, bound)

    async def open(
        self, tenant_id: TenantId, candidate_id: CandidateId, name: str, sealed: bytes
    ) -> bytes:
        """Decrypt.

        Raises:
            InvalidInput: It was altered, or moved to another candidate or object.
            NotFound: The key was destroyed, or never made.
            KeysUnavailable, StateStoreUnavailable: As `seal`; a database that is away is not outwaited.
        """
        known = await self._key(tenant_id, candidate_id, sealing=False)
        if known is None:
            raise NotFound(f"no key of candidate {candidate_id}")
        nonce = sealed[len(_FORMAT) : len(_FORMAT) + _NONCE_BYTES]
        if not sealed.startswith(_FORMAT) or len(nonce) < _NONCE_BYTES:
            raise InvalidInput("this was not sealed for a candidate", "keys/unreadable")
        secret = sealed[len(_FORMAT) + _NONCE_BYTES :]
        bound = _object_of(tenant_id, candidate_id, name)
        try:
            return known.cipher.decrypt(nonce, secret, bound)
        except InvalidTag:
            raise InvalidInput("sealed data were altered or moved", "keys/unreadable") from None

    async def destroy(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Overwrite the wrapped key, also one that was never made; twice is once.

        Other processes forget it within `FRESH_MS`.
        """
        now = self._clock.now()
        gone = self._database.insert(subject_keys).values(
            tenant_id=tenant_id, candidate_id=candidate_id, made_at=now, destroyed_at=now
        )
        where = subject_keys.c.destroyed_at.is_(None)
        async with self._database.writing() as connection:
            await connection.execute(
                gone.on_conflict_do_update(
                    index_elements=[subject_keys.c.tenant_id, subject_keys.c.candidate_id],
                    set_={"wrapped": None, "destroyed_at": now},
                    where=where,
                )
            )
        self._known.pop((tenant_id, candidate_id), None)
        await self._database.scrub(subject_keys)

    async def rewrap(self) -> int:
        """Wrap every key anew under the ring's newest key; how many. What they sealed stays as it is.

        A key that is destroyed meanwhile stays destroyed.
        """
        after: _Whose | None = None
        count = 0
        while page := await self._page(after):
            for tenant_id, candidate_id, wrapped in page:
                after = (tenant_id, candidate_id)
                bound = _key_of(tenant_id, candidate_id)
                plain = await asyncio.to_thread(self._ring.open, wrapped, bound)
                again = await asyncio.to_thread(self._ring.seal, plain, bound)
                put = (
                    update(subject_keys)
                    .where(*_row(tenant_id, candidate_id), subject_keys.c.wrapped == wrapped)
                    .values(wrapped=again)
                )
                async with self._database.writing() as connection:
                    count += (await connection.execute(put)).rowcount
        await self._database.scrub(subject_keys)
        return count

    async def _page(self, after: _Whose | None) -> list[tuple[TenantId, CandidateId, bytes]]:
        key = (subject_keys.c.tenant_id, subject_keys.c.candidate_id)
        page = select(*key, subject_keys.c.wrapped).where(subject_keys.c.wrapped.is_not(None))
        if after is not None:
            page = page.where((key[0] > after[0]) | ((key[0] == after[0]) & (key[1] > after[1])))
        async with self._database.reading() as connection:
            rows = await connection.execute(page.order_by(*key).limit(REWRAP_AT_ONCE))
            return [(TenantId(row[0]), CandidateId(row[1]), row[2]) for row in rows]

    async def _key(
        self, tenant_id: TenantId, candidate_id: CandidateId, *, sealing: bool
    ) -> _Known | None:
        """The opened key; None when there is none. Raises `NotFound` when it was destroyed."""
        whose = (tenant_id, candidate_id)
        known, now_ms = self._known.get(whose), self._clock.monotonic_ms()
        if known is not None and now_ms - known.row_ms < FRESH_MS and not self._is_old(known):
            self._known.move_to_end(whose)
            return known
        try:
            row = await self._read(tenant_id, candidate_id)
        except StateStoreUnavailable:
            if sealing and known is not None and now_ms - known.ring_ms < KEPT_MS:
                return known
            raise
        if row is None:
            self._known.pop(whose, None)
            return None
        if known is None or known.wrapped != row:
            sealed = 0 if known is None else known.sealed
            ask_ms = now_ms + UNWRAP_AGAIN_MS
            known = _Known(row, await self._unwrap(*whose, row), now_ms, now_ms, ask_ms, sealed)
        elif self._is_old(known):
            await self._ask_again(whose, known)
        known.row_ms = now_ms
        self._known[whose] = known
        self._known.move_to_end(whose)
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return known

    def _is_old(self, known: _Known) -> bool:
        now_ms = self._clock.monotonic_ms()
        return now_ms >= known.ask_ms or now_ms - known.ring_ms >= KEPT_MS

    async def _ask_again(self, whose: _Whose, known: _Known) -> None:
        try:
            known.cipher = await self._unwrap(*whose, known.wrapped)
        except KeysUnavailable:
            now_ms = self._clock.monotonic_ms()
            known.ask_ms = now_ms + ASK_EVERY_MS
            if now_ms - known.ring_ms >= KEPT_MS:
                self._known.pop(whose, None)
                raise
        else:
            known.ring_ms = self._clock.monotonic_ms()
            known.ask_ms = known.ring_ms + UNWRAP_AGAIN_MS

    async def _read(self, tenant_id: TenantId, candidate_id: CandidateId) -> bytes | None:
        wanted = select(subject_keys.c.wrapped).where(*_row(tenant_id, candidate_id))
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        if row.wrapped is None:
            self._known.pop((tenant_id, candidate_id), None)
            raise NotFound(f"the key of candidate {candidate_id} was destroyed", "keys/destroyed")
        return bytes(row.wrapped)

    async def _make(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Make a key; when several processes do so at once, the first one's stays."""
        fresh = AESGCM.generate_key(_KEY_BITS)
        bound = _key_of(tenant_id, candidate_id)
        wrapped = await asyncio.to_thread(self._ring.seal, fresh, bound)
        new = self._database.insert(subject_keys).values(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            wrapped=wrapped,
            made_at=self._clock.now(),
        )
        async with self._database.writing() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def _unwrap(
        self, tenant_id: TenantId, candidate_id: CandidateId, wrapped: bytes
    ) -> AESGCM:
        bound = _key_of(tenant_id, candidate_id)
        return AESGCM(await asyncio.to_thread(self._ring.open, wrapped, bound))


def _row(tenant_id: TenantId, candidate_id: CandidateId) -> tuple[ColumnElement[bool], ...]:
    return (subject_keys.c.tenant_id == tenant_id, subject_keys.c.candidate_id == candidate_id)


def _key_of(tenant_id: TenantId, candidate_id: CandidateId) -> bytes:
    return associated_data("subject-key", tenant_id, candidate_id)


def _object_of(tenant_id: TenantId, candidate_id: CandidateId, name: str) -> bytes:
    return _FORMAT + associated_data("subject-object", tenant_id, candidate_id, name)
