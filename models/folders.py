"""Models that are folders: their digest, and how one is taken in.

The digest is over the files in the order of their names, so that anybody can compute it:
`find * -type f -not -path '*/.*' | LC_ALL=C sort | xargs sha256sum | sha256sum` in the folder. Hidden
files (`.git` and the like) are no part of a model.
"""

import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from models.errors import ModelFileError
from models.sources import file_digest


def folder_digest(folder: Path) -> tuple[str, int]:
    """sha256 over the digests and names of a folder's files, and their bytes together.

    Raises:
        ModelFileError: Something in it is neither a file nor a folder, leads out of it, or cannot be
            told by its name.
    """
    lines, size = [], 0
    for name in _names(folder):
        path = folder / name
        size += path.stat().st_size
        lines.append(f"{file_digest(path)}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest(), size


def bring_folder(source: Path, target: Path) -> tuple[str, int]:
    """Copy a folder to its place, whole or not at all; digest and bytes of what is there now.

    A link to a file of the same folder is followed; one that leads out is refused, for what is copied may
    be served to others.

    Raises:
        ModelFileError: It is no folder, holds no file or one that is refused, or cannot be read.
    """
    if not source.is_dir():
        raise ModelFileError(f"{source} is no folder: this model is a folder of files")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=".", suffix=".part"))
    try:
        fresh, old = work / "new", work / "old"
        fresh.mkdir()
        for name in _names(source):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, fresh / name)
        told = folder_digest(fresh)
        if not told[1]:
            raise ModelFileError(f"{source} holds no files")
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    except OSError as error:
        raise ModelFileError(f"{source} cannot be copied: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return told


def _names(folder: Path) -> list[str]:
    """Paths of the files below a folder, by name as bytes sort them."""
    return sorted(_walk(folder), key=os.fsencode)


def _walk(folder: Path) -> Iterator[str]:
    home = folder.resolve()
    for place, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            _require_plain(name, place)
            if (path := Path(place) / name).is_symlink():
                raise ModelFileError(f"{path} is a link to a folder: put the folder itself there")
        for name in files:
            path = Path(place) / name
            if name.startswith("."):
                continue
            _require_plain(name, place)
            if not path.is_file():
                raise ModelFileError(f"{path} is no file that can be read")
            if not path.resolve().is_relative_to(home):
                raise ModelFileError(
                    f"{path} is a link out of the folder: put the file itself there"
                )
            yield path.relative_to(folder).as_posix()


def _unreadable(error: OSError) -> None:
    raise ModelFileError(f"{error.filename} cannot be read: {error.strerror}") from error


def _require_plain(name: str, place: str) -> None:
    """Names are lines of the digest: no control characters, nothing that is no UTF-8.

    A backslash is refused, too, for sha256sum writes it in another way.
    """
    if "\\" in name or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise ModelFileError(f"{place} holds a name that cannot be told: {name!a}; rename it")
