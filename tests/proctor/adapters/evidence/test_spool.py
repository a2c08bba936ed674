"""Sealed pieces on a disk: whole or not at all, and never anybody's to lose when a process dies."""

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.evidence.spool import FolderSpool
from proctor.domain.errors import InvalidInput, NoRoom
from proctor.domain.evidence import SpooledPiece
from proctor.domain.incidents import Severity
from tests.contract.evidence_samples import CANARY, ref
from tests.contract.samples import NOON

SEALED = b"\x01sealed" * 300


def spooled(at_ms: int = 1_000, sealed: bytes = SEALED) -> SpooledPiece:
    return SpooledPiece(
        ref=ref(at_ms=at_ms),
        severity=Severity.HIGH,
        sealed_sha256=hashlib.sha256(sealed).hexdigest(),
        sealed_size=len(sealed),
        spooled_at=NOON + timedelta(milliseconds=at_ms),
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def the(folder: Path, name: str = "*.new") -> Path:
    (path,) = folder.rglob(name)
    return path


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB. Wants root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.fail(f"this test mounts a small disk, which needs root: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_what_is_written_is_read_and_dropped(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path / "spool")
    assert await spool.adopt() == [] and not (tmp_path / "spool").exists()
    await spool.write(spooled(), SEALED)
    assert await spool.read(spooled()) == SEALED
    await spool.known(spooled())
    assert await spool.read(spooled()) == SEALED
    assert [name[-6:] for name in files(tmp_path)] == [".lock", ".piece"]
    for _ in range(2):
        await spool.drop(spooled())
    with pytest.raises(InvalidInput):
        await spool.read(spooled())
    spool.close()


async def test_only_the_owner_can_look_into_it(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path / "spool")
    await spool.write(spooled(), SEALED)
    assert open_to_others(tmp_path / "spool") == []
    spool.close()


async def test_a_living_process_keeps_its_own_and_a_dead_ones_are_taken_over(
    tmp_path: Path,
) -> None:
    dead, living, heir = (FolderSpool(tmp_path) for _ in range(3))
    await dead.write(spooled(2_000), SEALED)
    await dead.write(spooled(1_000), SEALED)
    await dead.known(spooled(1_000))
    await living.write(spooled(3_000), SEALED)
    assert await heir.adopt() == []
    dead.close()  # as the end of a process does, whatever ended it
    found = await heir.adopt()
    assert found == [replace(spooled(1_000), is_known=True), spooled(2_000)]
    assert [await heir.read(each) for each in found] == [SEALED, SEALED]
    assert await heir.adopt() == []
    assert len([name for name in files(tmp_path) if name == ".lock"]) == 2
    for spool in (living, heir):
        spool.close()


async def test_a_killed_process_leaves_its_pieces_to_the_next(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from proctor.adapters.evidence.spool import FolderSpool\n"
        "from tests.proctor.adapters.evidence.test_spool import SEALED, spooled\n"
        "asyncio.run(FolderSpool(Path(sys.argv[1])).write(spooled(), SEALED))\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"written\n"
    heir = FolderSpool(tmp_path)
    assert await heir.adopt() == []
    child.kill()
    await child.wait()
    assert await heir.adopt() == [spooled()]
    heir.close()


async def test_a_full_disk_is_told_and_leaves_no_half(small_disk: Path) -> None:
    spool = FolderSpool(small_disk / "spool")
    await spool.write(spooled(), SEALED)
    large = bytes(100_000)
    with pytest.raises(NoRoom):
        await spool.write(spooled(2_000, large), large)
    assert len(files(small_disk)) == 2  # the lock and the first
    assert await spool.read(spooled()) == SEALED
    await spool.drop(spooled())
    await spool.write(spooled(3_000), SEALED)
    spool.close()


async def test_a_disk_that_is_full_from_the_start_is_told(small_disk: Path) -> None:
    fill(small_disk / "ballast")
    spool = FolderSpool(small_disk / "spool")
    assert await spool.adopt() == []
    with pytest.raises(NoRoom):
        await spool.write(spooled(), SEALED)


async def test_damage_is_found(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path)
    await spool.write(spooled(), SEALED)
    path = the(tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"\0", whole[1:], b"", whole[:20]):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInput):
            await spool.read(spooled())
    spool.close()


async def test_what_cannot_be_read_keeps_no_other_from_being_taken_over(tmp_path: Path) -> None:
    dead, heir = FolderSpool(tmp_path), FolderSpool(tmp_path)
    await dead.write(spooled(1_000), SEALED)
    await dead.write(spooled(2_000), SEALED)
    the(tmp_path, f"{spooled(1_000).ref.evidence_id}.new").write_bytes(b"RPE1")
    dead.close()
    assert await heir.adopt() == [spooled(2_000)]
    heir.close()


async def test_nothing_of_the_picture_lies_in_the_head(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path)
    await spool.write(spooled(), SEALED)
    assert CANARY not in the(tmp_path).read_bytes()
    spool.close()
