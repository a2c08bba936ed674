"""The folder of one run of a job: what it works on, and which blocks of it are finished.

A finished block is a Parquet file whose sha256 stands in the manifest. A run that is killed and started
again does the other blocks; a file that was cut short or altered counts as not finished.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from proctor.domain.errors import InvalidInput

RESULT = "result.parquet"


class Finished(BaseModel):
    """A block that is done."""

    rows: int
    sha256: str


class Manifest(BaseModel):
    """What a run works on.

    Attributes:
        job: Which job.
        parameters: All that its results depend on besides the items.
        items_sha256: Of the items, in order.
        items: How many.
        block_size: Items of one block.
        finished: Number of a block -> what it holds.
    """

    job: str
    parameters: dict[str, str]
    items_sha256: str
    items: int
    block_size: int
    finished: dict[int, Finished] = {}


@dataclass(frozen=True, slots=True)
class Block:
    """Some items of a run, with the number of the first among all."""

    number: int
    first: int
    items: tuple[str, ...]


class RunFolder:
    """Opened by one run at a time. Close it."""

    def __init__(self, folder: Path, manifest: Manifest, items: Sequence[str], lock: int) -> None:
        """Use `open`."""
        self._folder = folder
        self._manifest = manifest
        self._items = items
        self._lock = lock

    @classmethod
    def open(
        cls,
        folder: Path,
        job: str,
        parameters: Mapping[str, str],
        items: Sequence[str],
        block_size: int,
    ) -> "RunFolder":
        """Begin a run, or go on with it; a run that goes on keeps its own size of blocks.

        Raises:
            InvalidInput: Nothing to do, another run works here, or the folder is of another job.
        """
        if not items:
            raise InvalidInput("there is nothing to work on")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            manifest = Manifest(
                job=job,
                parameters=dict(parameters),
                items_sha256=_sha256("\n".join(items).encode()),
                items=len(items),
                block_size=block_size,
            )
            run = cls(folder, manifest, items, lock)
            run._go_on()
        except BlockingIOError:
            os.close(lock)
            raise InvalidInput(f"another run works in {folder}") from None
        except BaseException:
            os.close(lock)
            raise
        return run

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    @property
    def items(self) -> int:
        """How many items the run has."""
        return len(self._items)

    @property
    def result(self) -> Path:
        """Where the result lies once `finish` has written it."""
        return self._folder / RESULT

    def blocks_left(self) -> list[Block]:
        """What remains to be done."""
        return [block for block in self._blocks() if block.number not in self._manifest.finished]

    def write(self, number: int, rows: pa.Table) -> None:
        """Keep a block's rows; afterwards it is finished."""
        path = self._path(number)
        _write_whole(path, rows)
        done = Finished(rows=rows.num_rows, sha256=_sha256(path.read_bytes()))
        self._manifest.finished[number] = done
        self._save()

    def finish_rows(self) -> pa.Table:
        """All rows, in order of the items. Every block is finished."""
        assert not self.blocks_left(), "some blocks are not finished"
        tables = [pq.read_table(self._path(block.number)) for block in self._blocks()]
        return pa.concat_tables(tables).drop_columns(["block"])

    def finish(self) -> pa.Table:
        """The same, and written to `result`."""
        rows = self.finish_rows()
        _write_whole(self.result, rows)
        return rows

    def _go_on(self) -> None:
        path = self._folder / "manifest.json"
        if not path.exists():
            if any(each.name != ".lock" for each in self._folder.iterdir()):
                raise InvalidInput(f"{self._folder} holds something else; name an empty folder")
            self._save()
            return
        try:
            known = Manifest.model_validate_json(path.read_bytes())
        except ValidationError:
            raise InvalidInput(f"{path} is no manifest of a run") from None
        for name in ("job", "parameters", "items_sha256"):
            if getattr(known, name) != getattr(self._manifest, name):
                what = "items" if name == "items_sha256" else name
                raise InvalidInput(f"{self._folder} is of a run with other {what}; name another")
        self._manifest = known
        for number, finished in list(known.finished.items()):
            block = self._path(number)
            if not block.is_file() or _sha256(block.read_bytes()) != finished.sha256:
                del known.finished[number]

    def _blocks(self) -> list[Block]:
        size = self._manifest.block_size
        return [
            Block(number, first, tuple(self._items[first : first + size]))
            for number, first in enumerate(range(0, len(self._items), size))
        ]

    def _path(self, number: int) -> Path:
        return self._folder / f"block-{number:06d}.parquet"

    def _save(self) -> None:
        path = self._folder / "manifest.json"
        _replace(path, self._manifest.model_dump_json(indent=1).encode())


def _write_whole(path: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    _replace(path, sink.getvalue())


def _replace(path: Path, content: Any) -> None:
    """Write a file so that it is there as a whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    with open(beside, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of(fields: object) -> str:
    """Of anything that JSON can say."""
    return _sha256(json.dumps(fields, sort_keys=True).encode())
