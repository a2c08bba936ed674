"""Templates at rest: sealed, bound to their owner, erased to the last byte (TRUST D5, S15-S18, I10)."""

import asyncio
import base64
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.lancedb_faces import LanceFaceIndex
from proctor.adapters.lancedb_process import LanceProcess
from proctor.domain.errors import InvalidInput, StateStoreUnavailable
from proctor.domain.ids import CandidateId
from tests.contract.samples import ACME, DLIB, OTHER, template

WHO, ANOTHER = CandidateId("cnd_1"), CandidateId("cnd_2")


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[LanceFaceIndex]:
    faces = LanceFaceIndex(str(tmp_path / "faces"), FileKeyRing(tmp_path / "keys.json"))
    yield faces
    await faces.close()


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [str(p) for p in folder.rglob("*") if p.is_file() and needle in p.read_bytes()]


def tables(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "faces").iterdir() if path.suffix == ".lance")


async def sealed_in(index: LanceFaceIndex) -> bytes:
    """The candidate's sealed template, as it lies in its table."""
    row = await index._row(ACME, WHO)
    assert row is not None
    return base64.b64decode(row["sealed"])


async def test_an_index_that_hangs_holds_up_no_other_thread(
    index: LanceFaceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = threading.Event()

    def hang(_request: object) -> dict[str, object]:
        door.wait()
        return {"row": None}

    monkeypatch.setattr(index._lance, "call", hang)
    asked = [asyncio.create_task(index.erase(ACME, WHO)) for _ in range(64)]
    await asyncio.sleep(0)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5) == 7
    finally:
        door.set()
    await asyncio.gather(*asked)


async def test_no_file_holds_a_vector_in_any_form(index: LanceFaceIndex, tmp_path: Path) -> None:
    stored = template()
    await index.put(stored)
    numbers = stored.embeddings[0]
    needles = [
        numbers.tobytes()[:32],
        base64.b64encode(numbers.tobytes())[:40],
        f"{numbers[0]:.6f}".encode(),
    ]
    assert [files_with(tmp_path, needle) for needle in needles] == [[], [], []]
    assert len(files_with(tmp_path / "faces", b"cnd_1")) == 1


async def test_a_replaced_template_is_gone_from_every_file(
    index: LanceFaceIndex, tmp_path: Path
) -> None:
    await index.put(template(1))
    old = await sealed_in(index)
    assert len(files_with(tmp_path, old)) == 1
    await index.put(template(2))
    assert files_with(tmp_path, old) == []
    assert files_with(tmp_path, old[:64]) == []
    assert len(files_with(tmp_path, await sealed_in(index))) == 1


async def test_an_erased_template_is_gone_from_every_file(
    index: LanceFaceIndex, tmp_path: Path
) -> None:
    await index.put(template())
    sealed = await sealed_in(index)
    for number in range(3, 8):
        await index.put(template(candidate_id=f"cnd_{number}"))
    await index.erase(ACME, WHO)
    assert files_with(tmp_path, sealed) == []
    assert files_with(tmp_path, b"cnd_1") == []
    assert len(tables(tmp_path)) == 5


async def test_another_process_sees_erasure_at_once(index: LanceFaceIndex, tmp_path: Path) -> None:
    """Session hosts remember sealed rows; one that was erased or replaced elsewhere is not used."""
    host = LanceFaceIndex(str(tmp_path / "faces"), FileKeyRing(tmp_path / "keys.json"))
    await index.put(template(1))
    assert await host.find(ACME, WHO, DLIB) is not None
    await index.put(template(2))
    found = await host.find(ACME, WHO, DLIB)
    assert found is not None
    assert found.version == 2
    await index.erase(ACME, WHO)
    assert await host.find(ACME, WHO, DLIB) is None
    await index.put(template(3))
    found = await host.find(ACME, WHO, DLIB)
    assert found is not None
    assert np.array_equal(found.embeddings, template(3).embeddings)
    await host.close()


async def test_an_unchanged_template_is_not_read_again(index: LanceFaceIndex) -> None:
    await index.put(template())
    assert await index.find(ACME, WHO, DLIB) is not None
    await index.close()
    assert await index.find(ACME, WHO, DLIB) is not None
    assert await index.newest_version(ACME, WHO) == 1
    assert await index.newest_version(ACME, ANOTHER) == 0
    assert index._lance.pid is None


async def test_a_table_given_to_somebody_else_does_not_open(
    index: LanceFaceIndex, tmp_path: Path
) -> None:
    await index.put(template())
    (mine,) = tables(tmp_path)
    await index.put(template(candidate_id="cnd_2"))
    (theirs,) = [path for path in tables(tmp_path) if path != mine]
    shutil.rmtree(theirs)
    shutil.copytree(mine, theirs)
    with pytest.raises(InvalidInput):
        await index.find(ACME, ANOTHER, DLIB)
    assert await index.find(ACME, WHO, DLIB) is not None


async def test_another_ring_opens_nothing(index: LanceFaceIndex, tmp_path: Path) -> None:
    await index.put(template(tenant_id=OTHER))
    thief = LanceFaceIndex(str(tmp_path / "faces"), FileKeyRing(tmp_path / "other.json"))
    with pytest.raises(InvalidInput):
        await thief.find(OTHER, WHO, DLIB)
    await thief.close()


async def test_templates_are_read_only(index: LanceFaceIndex) -> None:
    await index.put(template())
    found = await index.find(ACME, WHO, DLIB)
    assert found is not None
    assert not found.embeddings.flags.writeable


async def test_many_calls_at_once_are_answered(index: LanceFaceIndex) -> None:
    await asyncio.gather(*(index.put(template(candidate_id=f"cnd_{n}")) for n in range(20)))
    versions = await asyncio.gather(
        *(index.newest_version(ACME, CandidateId(f"cnd_{n}")) for n in range(20))
    )
    assert versions == [1] * 20


async def test_a_killed_process_is_started_again(index: LanceFaceIndex) -> None:
    await index.put(template(1))
    assert index._lance.pid is not None
    os.kill(index._lance.pid, signal.SIGKILL)
    await index.put(template(2))
    assert await index.newest_version(ACME, WHO) == 2


def test_the_process_ends_when_nobody_asks_and_starts_again(tmp_path: Path) -> None:
    process = LanceProcess(str(tmp_path), idle_s=0.2)
    assert process.call({"do": "get", "table": "nothing"}) == {"row": None}
    child = process.pid
    assert child is not None
    psutil.Process(child).wait(timeout=20)
    assert process.pid is None
    assert process.call({"do": "get", "table": "nothing"}) == {"row": None}
    process.close()


def test_a_process_that_hangs_is_given_up(tmp_path: Path) -> None:
    process = LanceProcess(str(tmp_path), patience_s=20)
    process.call({"do": "get", "table": "nothing"})
    child = process.pid
    assert child is not None
    process._patience_s = 0.2
    os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(StateStoreUnavailable):
        process.call({"do": "get", "table": "nothing"})
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(child)
    process.close()


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    process = LanceProcess(str(tmp_path))
    process.call({"do": "get", "table": "nothing"})
    running = process._process
    assert running is not None
    assert running.stdin is not None
    running.stdin.close()  # what the system does to a dead parent's end of the pipe
    assert running.wait(20) == 0
    process.close()


def test_what_goes_wrong_in_there_is_told_by_its_type_only(tmp_path: Path) -> None:
    process = LanceProcess(str(tmp_path))
    with pytest.raises(StateStoreUnavailable) as caught:
        process.call({"do": "put", "table": "t", "row": {"sealed": "canary"}})
    assert "canary" not in str(caught.value)
    with pytest.raises(StateStoreUnavailable):
        process.call({"do": "dance"})
    process.close()
