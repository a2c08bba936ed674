"""`Elsewhere` in a folder or an object store: signed checkpoints and tombstones, away from the database.

    checkpoints/<tenant>/<session>/<size>.jws
    tombstones/<tenant>/<candidate>.jws

Nothing is ever replaced here. On an object store, give the writer no right to delete, or lock the
objects: then who holds the database cannot shorten what was signed.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from proctor.adapters.object_urls import names_under, open_url, told_as_ours
from proctor.domain.ids import CandidateId, SessionId, TenantId

CHECKPOINTS, TOMBSTONES = "checkpoints", "tombstones"
_WHAT = "checkpoints"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")


class ObjectElsewhere:
    """Checkpoints and tombstones of every tenant under one URL.

    Args:
        url: `file://`, `s3://`, `s3+http://`, `gs://` or `az://`.

    Raises:
        InvalidInput: The URL names no store.
    """

    def __init__(self, url: str) -> None:
        self._store = open_url("checkpoints_url", url)

    async def put_checkpoint(
        self, tenant_id: TenantId, session_id: SessionId, size: int, signed: str
    ) -> None:
        """Keep a signed checkpoint; one that is there already stays as it is."""
        folder = f"{CHECKPOINTS}/{_part(tenant_id)}/{_part(session_id)}"
        await self._create(f"{folder}/{size:09d}.jws", signed)

    async def checkpoints(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[str]:
        """The session's signed checkpoints, the smallest first."""
        folder = f"{CHECKPOINTS}/{_part(tenant_id)}/{_part(session_id)}"
        with told_as_ours(_WHAT):
            names = sorted(await names_under(self._store, folder))
        return [await self._read(name) for name in names if name.endswith(".jws")]

    async def put_tombstone(
        self, tenant_id: TenantId, candidate_id: CandidateId, signed: str
    ) -> None:
        """Keep a signed tombstone; a second one changes nothing."""
        await self._create(f"{TOMBSTONES}/{_part(tenant_id)}/{_part(candidate_id)}.jws", signed)

    async def tombstones(self) -> AsyncIterator[str]:
        """Every signed tombstone, of every tenant."""
        with told_as_ours(_WHAT):
            names = sorted(await names_under(self._store, TOMBSTONES))
        for name in names:
            if name.endswith(".jws"):
                yield await self._read(name)

    async def _create(self, name: str, signed: str) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with told_as_ours(_WHAT), suppress(AlreadyExistsError):
            await obstore.put_async(self._store, name, signed.encode(), mode="create")

    async def _read(self, name: str) -> str:
        import obstore

        with told_as_ours(_WHAT):
            answer = await obstore.get_async(self._store, name)
            return bytes(await answer.bytes_async()).decode(errors="replace")


def _part(name: str) -> str:
    """A part of a path; names that other systems chose may hold anything."""
    if _PLAIN.fullmatch(name):
        return name
    return "-" + hashlib.sha256(name.encode()).hexdigest()[:40]
