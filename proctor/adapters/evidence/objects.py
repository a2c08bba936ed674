"""`EvidenceObjects` in a folder or an object store, by URL (object_urls.py).

    <tenant>/<exam>/<session>/<evidence>

What lies there is sealed for its candidate. Large clips go up in parts, which obstore does by itself.
"""

import asyncio
import contextlib
import glob
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from proctor.adapters.object_urls import folder_of, names_under, open_url, told_as_ours
from proctor.domain.errors import NotFound
from proctor.domain.evidence import KeptSession

_told_as_ours = partial(told_as_ours, "evidence objects")


class ObjectEvidence:
    """Sealed evidence of every tenant under one URL.

    Args:
        url: `file://`, `s3://`, `s3+http://`, `gs://` or `az://`.

    Raises:
        InvalidInput: The URL names no store.
    """

    def __init__(self, url: str) -> None:
        self._store = open_url("evidence_url", url)
        self._folder = folder_of(url)

    async def put(self, object_key: str, sealed: bytes) -> None:
        """Store, on the disk where it is one of ours; the same key again replaces it."""
        import obstore

        with _told_as_ours():
            await obstore.put_async(self._store, object_key, sealed)
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder / object_key)

    async def get(self, object_key: str) -> bytes:
        """What was stored. Raises `NotFound`."""
        import obstore

        try:
            with _told_as_ours():
                answer = await obstore.get_async(self._store, object_key)
                return bytes(await answer.bytes_async())
        except FileNotFoundError:
            raise NotFound("the evidence is not in its store") from None

    async def erase(self, object_keys: Sequence[str]) -> None:
        """Delete these; twice is once."""
        import obstore

        for key in object_keys:
            # not there: somebody else was faster
            with contextlib.suppress(FileNotFoundError), _told_as_ours():
                if self._folder is not None:
                    await asyncio.to_thread(_drop_halves, self._folder / key)
                await obstore.delete_async(self._store, key)

    async def erase_session(self, session: KeptSession) -> None:
        """Delete everything of a session, also what no row names; twice is once."""
        with _told_as_ours():
            names = await names_under(self._store, session.folder)
        await self.erase(names)
        if self._folder is not None:
            with _told_as_ours():
                await asyncio.to_thread(_drop_folder, self._folder / session.folder)


def _drop_halves(path: Path) -> None:
    """What a process that was killed while it wrote has left beside: `name#1`; nothing lists those."""
    for half in path.parent.glob(f"{glob.escape(path.name)}#*"):
        half.unlink(missing_ok=True)


def _drop_folder(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _sync(path: Path) -> None:
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
