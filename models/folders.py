"""Models that are folders: their digest, and how one is taken in.

The digest is over the files in the order of their names, so that anybody can compute it:
`find * -type f -not -path '*/.*' | LC_ALL=C sort | xargs sha256sum | sha256sum` in the folder. Hidden
files (`.git` and the like) are no part of a model.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from models.errors import ModelFileError
from models.sources import file_digest


def folder_digest(folder: Path) -> tuple[str, int]:
    """sha256 over the digests and names of a folder's files, and their bytes together.

    Raises:
        ModelFileError: Something in it is neither a file nor a folder.
    """
    lines, size = [], 0
    for name in _names(folder):
        path = folder / name
        size += path.stat().st_size
        lines.append(f"{file_digest(path)}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest(), size


def bring_folder(source: Path, target: Path) -> tuple[str, int]:
    """Copy a folder to its place, whole or not at all; digest and bytes of what is there now.

    Links to files are followed: what they point at is copied.

    Raises:
        ModelFileError: It is no folder, holds no file, or cannot be read.
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
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place) / name
            if name.startswith("."):
                continue
            if not path.is_file():
                raise ModelFileError(f"{path} is no file that can be read")
            yield path.relative_to(folder).as_posix()
