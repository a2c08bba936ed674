"""`EvidenceSpool` in a folder: sealed pieces of this process, and those that dead processes left.

    <spool>/<process>/.lock                locked as long as the process lives, whatever ends it
    <spool>/<process>/<evidence>.piece     the database has its row
    <spool>/<process>/<evidence>.new       not yet

A file is `RPE1`, the length of a head (4 bytes, big endian), the head (JSON: whose, what, digest), the
sealed bytes. Files are written beside, synced, then renamed: a torn one is never seen.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from proctor.domain.errors import InvalidInput, NoRoom
from proctor.domain.evidence import SpooledPiece
from proctor.domain.ids import new_id

_log = structlog.get_logger(__name__)
_MAGIC = b"RPE1"
_NEW, _KNOWN = ".new", ".piece"
_MOST_HEAD_BYTES = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderSpool:
    """The spool of one process below a folder that all processes of a machine share.

    Its own folder is made when it is first needed: a full disk keeps no host from starting.
    """

    def __init__(self, folder: Path) -> None:
        self._shared = folder
        self._own = folder / new_id("spl")
        self._lock: int | None = None

    def close(self) -> None:
        """Let others take over what is left."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def write(self, piece: SpooledPiece, sealed: bytes) -> None:
        """On the disk, synced, whole or not at all. Raises `NoRoom`, or `OSError` for other faults."""
        await asyncio.to_thread(self._write, piece, sealed)

    async def known(self, piece: SpooledPiece) -> None:
        """Remember that the database has its row."""
        with contextlib.suppress(FileNotFoundError):
            new, known = self._path(piece, _NEW), self._path(piece, _KNOWN)
            await asyncio.to_thread(new.replace, known)

    async def read(self, piece: SpooledPiece) -> bytes:
        """The sealed bytes. Raises `InvalidInput` when they are not what was written."""
        return await asyncio.to_thread(self._read, piece)

    async def drop(self, piece: SpooledPiece) -> None:
        """Delete; twice is once."""
        for ending in (_NEW, _KNOWN):
            await asyncio.to_thread(self._path(piece, ending).unlink, missing_ok=True)

    async def adopt(self) -> Sequence[SpooledPiece]:
        """Take over what dead processes of this machine left; what came that way, oldest first."""
        found = await asyncio.to_thread(self._adopt)
        return sorted(found, key=lambda piece: piece.spooled_at)

    def _open(self) -> None:
        """Make the own folder and lock it; one that was taken for a dead one's meanwhile is made anew."""
        self._shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._lock is None:
            self._own = self._shared / new_id("spl")
            self._own.mkdir(mode=0o700)
            self._lock = _locked(self._own)

    def _path(self, piece: SpooledPiece, ending: str) -> Path:
        return self._own / (piece.ref.evidence_id + ending)

    def _write(self, piece: SpooledPiece, sealed: bytes) -> None:
        head = _pieces().dump_json(piece)
        with _told_full():
            self._open()
        final = self._path(piece, _KNOWN if piece.is_known else _NEW)
        beside = final.with_name(f".{final.name}")
        with _told_full():
            try:
                handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + len(head).to_bytes(4, "big") + head)
                    file.write(sealed)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(final)
                _sync(self._own)
            except OSError:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise

    def _read(self, piece: SpooledPiece) -> bytes:
        for ending in (_KNOWN, _NEW):
            path = self._path(piece, ending)
            with contextlib.suppress(FileNotFoundError):
                _, sealed = _parts(path.read_bytes())
                if hashlib.sha256(sealed).hexdigest() != piece.sealed_sha256:
                    raise InvalidInput("a spooled piece is damaged", "spool/damaged")
                return sealed
        raise InvalidInput("a spooled piece is gone", "spool/damaged")

    def _adopt(self) -> list[SpooledPiece]:
        found: list[SpooledPiece] = []
        others = list(self._shared.iterdir()) if self._shared.is_dir() else []
        for folder in others:
            if folder == self._own or not folder.is_dir() or (lock := _locked(folder)) is None:
                continue
            try:
                self._open()
                for path in folder.iterdir():
                    if path.name.startswith("."):
                        continue
                    piece = _head(path)
                    if piece is not None:
                        path.replace(self._own / path.name)
                        found.append(piece)
                for left in folder.iterdir():
                    left.unlink()
                folder.rmdir()
            except OSError as error:  # the next search finds it again
                _log.warning("a spool cannot be taken over", error=type(error).__name__)
            finally:
                os.close(lock)
        if found:
            _sync(self._own)
        return found


@contextlib.contextmanager
def _told_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoom("the disk of the evidence spool is full") from error
        raise


def _head(path: Path) -> SpooledPiece | None:
    try:
        with path.open("rb") as file:
            head, _ = _parts(file.read(_MOST_HEAD_BYTES))
    except InvalidInput as error:
        _log.error("a spooled piece cannot be read", name=path.name, code=error.code)
        return None
    return replace(head, is_known=path.suffix == _KNOWN)


def _parts(content: bytes) -> tuple[SpooledPiece, bytes]:
    """Head and sealed bytes. Raises `InvalidInput`."""
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(content[len(_MAGIC) : start], "big")
    try:
        if not content.startswith(_MAGIC):
            raise ValueError("no magic")
        return _pieces().validate_json(content[start:end]), content[end:]
    except ValueError as error:
        raise InvalidInput("this is no spooled piece", "spool/damaged") from error


def _locked(folder: Path) -> int | None:
    """The handle of its lock, or None while another process lives in it."""
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # somebody else took it over meanwhile
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@cache
def _pieces() -> TypeAdapter[SpooledPiece]:
    return TypeAdapter(SpooledPiece)
