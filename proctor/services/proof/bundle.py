"""An export as a file: a ZIP whose every byte follows from its contents.

Members are stored without compression, in the order they were written, without times of their own:
who reads it makes it again and compares, so that no byte of the file itself can be altered unseen.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from proctor.domain.errors import InvalidInput

MOST_MEMBERS = 100_000
MOST_BYTES = 64 * 1024**3
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class BundleWriter:
    """Adds members, one after another.

    Attributes:
        members: Name -> sha256 in hex and size, of what was added.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(_Forward(file), "w", zipfile.ZIP_STORED)
        self.members: dict[str, dict[str, object]] = {}

    def add(self, name: str, content: bytes) -> None:
        """Add a member. Raises `ValueError` for a name that was added."""
        if name in self.members:
            raise ValueError(f"{name} is in the export already")
        self._zip.writestr(_info(name), content)
        digest = hashlib.sha256(content).hexdigest()
        self.members[name] = {"sha256": digest, "size": len(content)}

    def close(self) -> None:
        """Write the directory of members."""
        self._zip.close()


class BundleReader:
    """The members of an export. Raises `InvalidInput` (export/unreadable) when the file is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:  # zipfile says NotImplementedError of a way of packing that it does not know
            self._zip = zipfile.ZipFile(path)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InvalidInput(f"{path} cannot be read: {error}", "export/unreadable") from None
        self.names = [info.filename for info in infos]
        try:
            _refuse_what_unpacks(path, infos)
        except InvalidInput:
            self._zip.close()
            raise

    def read(self, name: str) -> bytes:
        """A member. Raises `InvalidInput` when it is missing or damaged."""
        try:
            return self._zip.read(name)
        except KeyError:
            raise InvalidInput(f"{name} is missing", "export/unreadable") from None
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            NotImplementedError,  # packed in a way that zipfile does not know
            RuntimeError,
            EOFError,
        ):
            raise InvalidInput(f"{name} is damaged", "export/unreadable") from None

    def is_as_written(self) -> bool:
        """Whether the file is, byte for byte, what `BundleWriter` makes of its members."""
        with self._path.open("rb") as file:
            compare = _Compare(file)
            with zipfile.ZipFile(compare, "w", zipfile.ZIP_STORED) as again:
                for name in self.names:
                    again.writestr(_info(name), self.read(name))
            return compare.is_same and not file.read(1)

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


@contextmanager
def reading(path: Path) -> Iterator[BundleReader]:
    """An export, closed at the end."""
    bundle = BundleReader(path)
    try:
        yield bundle
    finally:
        bundle.close()


def _refuse_what_unpacks(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """An export packs nothing, so its members together never hold more than the file; a bomb does."""
    claimed = sum(info.file_size for info in infos)
    if len(infos) > MOST_MEMBERS or claimed > MOST_BYTES:
        raise InvalidInput(f"{path} is too large for an export", "export/unreadable")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED:
            told = f"{path} is no export: {info.filename} is packed"
            raise InvalidInput(told, "export/unreadable")
    if claimed > path.stat().st_size:
        raise InvalidInput(f"{path} claims to hold more than the file does", "export/unreadable")


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _NO_TIME)


class _Forward:
    """A file that cannot be moved about in: members are written in one way only."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The file is its owner's to close."""


class _Compare:
    """Takes what is written and compares it with what a file holds at that place."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_same = True

    def write(self, data: bytes) -> int:
        self.is_same = self.is_same and self._file.read(len(data)) == bytes(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        """The file is its owner's to close."""


def lines(texts: Iterable[bytes]) -> bytes:
    """One text per line."""
    return b"".join(text + b"\n" for text in texts)
