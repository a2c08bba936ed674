"""`FaceIndex` over LanceDB: one table per candidate, its row sealed by the key ring.

What is sealed is bound to tenant, candidate, version and model: a row moved to another candidate's
table, or given another model's name, does not open.
"""

import asyncio
import base64
import hashlib
import io
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from proctor.adapters.lancedb_process import LanceProcess
from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import Conflict
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.media import frozen
from proctor.domain.perception import Embedding
from proctor.ports import KeyRing

_REMEMBERED = 200  # sealed rows kept for tables that have not changed, some 3 kB each

Row = dict[str, Any]


class LanceFaceIndex:
    """Enrolled templates, sealed at rest.

    LanceDB itself runs in a process of its own (`lancedb_child.py`), so this may be made before or
    after a fork. In a local folder, a table that has not changed is not read again.
    """

    def __init__(self, uri: str, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._folder = None if "://" in uri else Path(uri)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lance = LanceProcess(uri)
        # One thread, for the process answers one call after another; and of our own, so that a
        # process that hangs holds up nothing else that this one does on threads. It ends with us.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="faces")
        self._known: OrderedDict[str, tuple[object, Row]] = OrderedDict()

    async def put(self, template: FaceTemplate) -> None:
        """Store as the candidate's newest; no file keeps an older one.

        Raises `Conflict` when the candidate has this version, or a newer one, already.
        """
        row: Row = {
            "tenant_id": template.tenant_id,
            "candidate_id": template.candidate_id,
            "version": template.version,
            "model": template.model.model,
            "model_version": template.model.version,
            "created_at": template.created_at.astimezone(UTC).isoformat(),
        }
        plain = _to_bytes(template.embeddings)  # on a thread: the ring may be a network away
        sealed = await asyncio.to_thread(self._keyring.seal, plain, _bound_to(row))
        row["sealed"] = base64.b64encode(sealed).decode()
        name = _table(template.tenant_id, template.candidate_id)
        answer = await self._call({"do": "put", "table": name, "row": row})
        if "conflict" in answer:
            raise Conflict(f"version {template.version} is not newer than what is enrolled")

    async def find(
        self, tenant_id: TenantId, candidate_id: CandidateId, model: ModelRef
    ) -> FaceTemplate | None:
        """The newest template made by exactly this model and version, else None.

        Raises `InvalidInput` when the row was altered, or belongs to somebody else.
        """
        row = await self._row(tenant_id, candidate_id)
        if row is None or ModelRef(row["model"], row["model_version"]) != model:
            return None
        bound = row | {"tenant_id": tenant_id, "candidate_id": candidate_id}
        stored = base64.b64decode(row["sealed"])
        plain = await asyncio.to_thread(self._keyring.open, stored, _bound_to(bound))
        return FaceTemplate(
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            version=row["version"],
            model=model,
            embeddings=_from_bytes(plain),
            created_at=datetime.fromisoformat(row["created_at"]),
        )

    async def newest_version(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        """Version of the newest template of any model; 0 when there is none."""
        row = await self._row(tenant_id, candidate_id)
        return 0 if row is None else int(row["version"])

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Drop the candidate's table; afterwards no file holds the sealed bytes."""
        name = _table(tenant_id, candidate_id)
        await self._call({"do": "erase", "table": name})
        self._known.pop(name, None)

    async def close(self) -> None:
        """End the process that holds LanceDB."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._lance.close)

    async def _row(self, tenant_id: TenantId, candidate_id: CandidateId) -> Row | None:
        name = _table(tenant_id, candidate_id)
        stamp = self._stamp(name)
        if self._folder is not None and stamp is None:
            self._known.pop(name, None)
            return None
        known_stamp, known = self._known.get(name, (None, None))
        if known is not None and known_stamp == stamp:
            return known
        row: Row | None = (await self._call({"do": "get", "table": name}))["row"]
        if row is not None and stamp is not None:
            self._known[name] = (stamp, row)
            self._known.move_to_end(name)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return row

    def _stamp(self, name: str) -> object:
        """What changes with every commit to a local table; None when there is no table to see."""
        if self._folder is None:
            return None
        try:
            with os.scandir(self._folder / f"{name}.lance" / "_versions") as entries:
                return sorted((e.name, e.stat().st_mtime_ns, e.inode()) for e in entries) or None
        except FileNotFoundError:
            return None

    async def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._lance.call, request)


def _table(tenant_id: TenantId, candidate_id: CandidateId) -> str:
    return hashlib.sha256(f"{tenant_id}\x1f{candidate_id}".encode()).hexdigest()[:40]


def _bound_to(row: Row) -> bytes:
    names = ("tenant_id", "candidate_id", "version", "model", "model_version")
    return "\x1f".join(("face-template", *(str(row[name]) for name in names))).encode()


def _to_bytes(embeddings: Embedding) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, embeddings.astype(np.float32, copy=False), allow_pickle=False)
    return buffer.getvalue()


def _from_bytes(plain: bytes) -> Embedding:
    return frozen(np.load(io.BytesIO(plain), allow_pickle=False))
