"""Evidence by reference, and downloads that are checked to the last byte.

A download goes beside its place, is resumed where it was cut, and comes to its place once its sha256 is
what the server lists. A link says who looks and why, so no token goes with it.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from proctor_client import calls
from proctor_client.errors import ConnectionFailed, IntegrityError
from proctor_client.models import EvidenceLink, EvidenceList, EvidencePiece
from proctor_client.plans import Plan, nothing
from proctor_client.senders import AsyncSender, Sender

Advance = Callable[[int, int], None]
"""Told (bytes so far, bytes in all) as a download goes on."""


class Writes(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""
        ...


class Draft:
    """A download under way: what came so far, and its digest. Pure but for its file."""

    def __init__(self, piece: EvidencePiece, file: Writes, advance: Advance | None) -> None:
        self._piece, self._file, self._advance = piece, file, advance
        self._digest = hashlib.sha256()
        self.had = 0

    def plan(self, url: str) -> Plan[None]:
        """The request for what is missing."""
        headers = {"Range": f"bytes={self.had}-"} if self.had else {}
        # compressed bytes would be neither counted nor resumed by their place
        headers["Accept-Encoding"] = "identity"
        return Plan(
            method="GET", path=url, read=nothing, headers=headers, with_token=False, repeatable=True
        )

    def begin(self, response: httpx.Response) -> int:
        """How many bytes of this answer were had already. Raises `IntegrityError` for another part."""
        if response.status_code != 206:
            return self.had
        if not response.headers.get("content-range", "").startswith(f"bytes {self.had}-"):
            raise IntegrityError("The server answered with another part than was asked for.")
        return 0

    def take(self, data: bytes) -> None:
        """Bytes that came. Raises `IntegrityError` when there are more than listed."""
        self.had += len(data)
        if self.had > self._piece.size:
            raise IntegrityError(f"{self._piece.evidence_id} is longer than it is listed.")
        self._digest.update(data)
        self._file.write(data)
        if self._advance is not None:
            self._advance(self.had, self._piece.size)

    def check(self) -> None:
        """Raise `ConnectionFailed` when bytes are missing, `IntegrityError` when others came."""
        if self.had < self._piece.size:
            raise ConnectionFailed("The answer ended before the piece did.")
        if self._digest.hexdigest() != self._piece.sha256:
            raise IntegrityError(f"{self._piece.evidence_id} is not what its sha256 says.")


class _Skip:
    """Leaves out the first bytes of an answer that begins anew."""

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, data: bytes) -> bytes:
        cut = data[self._left :]
        self._left = max(0, self._left - len(data))
        return cut


def _place(to: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Where the file goes, and where it is until it is whole."""
    path = Path(to)
    return path, path.with_name(f".{path.name}.part")


class Evidence:
    """Evidence of incidents."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def list(self, incident_id: str) -> EvidenceList:
        """What is kept to prove an incident; no bytes."""
        return self._sender.send(calls.list_evidence(incident_id))

    def link(self, evidence_id: str, reason: str) -> EvidenceLink:
        """An address for five minutes; each use is noted with your reason."""
        return self._sender.send(calls.evidence_link(evidence_id, reason))

    def download(
        self,
        piece: EvidencePiece,
        to: str | os.PathLike[str],
        *,
        reason: str,
        advance: Advance | None = None,
    ) -> Path:
        """Fetch a piece into the file `to`, and check it. Your reason is written down with the view.

        Raises:
            IntegrityError: It is not what the server lists; no file is left.
            ClientError: As every call.
        """
        path, part = _place(to)
        try:
            with part.open("wb") as file:
                draft = Draft(piece, file, advance)
                self._sender.retries.sync(True)(self._fetch, draft, piece, reason)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _fetch(self, draft: Draft, piece: EvidencePiece, reason: str) -> None:
        link = self._sender.once(calls.evidence_link(piece.evidence_id, reason))
        with self._sender.open(draft.plan(link.url)) as response:
            skip = _Skip(draft.begin(response))
            for data in response.iter_bytes():
                draft.take(skip(data))
        draft.check()


class AsyncEvidence:
    """The same with `await`. The file is written by the event loop, in small pieces."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(self, incident_id: str) -> EvidenceList:
        """What is kept to prove an incident; no bytes."""
        return await self._sender.send(calls.list_evidence(incident_id))

    async def link(self, evidence_id: str, reason: str) -> EvidenceLink:
        """An address for five minutes; each use is noted with your reason."""
        return await self._sender.send(calls.evidence_link(evidence_id, reason))

    async def download(
        self,
        piece: EvidencePiece,
        to: str | os.PathLike[str],
        *,
        reason: str,
        advance: Advance | None = None,
    ) -> Path:
        """Fetch a piece into the file `to`, and check it; see `Evidence.download`."""
        path, part = _place(to)
        try:
            with part.open("wb") as file:
                draft = Draft(piece, file, advance)
                await self._sender.retries.asynchronous(True)(self._fetch, draft, piece, reason)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    async def _fetch(self, draft: Draft, piece: EvidencePiece, reason: str) -> None:
        link = await self._sender.once(calls.evidence_link(piece.evidence_id, reason))
        async with self._sender.open(draft.plan(link.url)) as response:
            skip = _Skip(draft.begin(response))
            async for data in response.aiter_bytes():
                draft.take(skip(data))
        draft.check()
