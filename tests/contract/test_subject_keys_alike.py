"""`SubjectKeys`: what the fake and SQL do alike. What only the real one can do: test_subject_keys.py."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import CandidateId, TenantId
from proctor.ports import SubjectKeys
from tests.contract.samples import ACME, OTHER
from tests.fakes.clock import FakeClock
from tests.fakes.subject_keys import FakeSubjectKeys

WHO, NEIGHBOUR = CandidateId("cnd_1"), CandidateId("cnd_2")
NAME, PICTURE = "acme/exm_1/ses_1/evd_1", b"\xff\xd8 a picture " * 100


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SubjectKeys]:
    if request.param == "fake":
        yield FakeSubjectKeys()
        return
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "proctor.db")
        url = f"sqlite:///{tmp_path}/proctor.db"
    else:
        url = request.getfixturevalue("postgres").url
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("TRUNCATE subject_keys"))
        await engine.dispose()
    stores = SqlStores(url)
    yield stores.subject_keys(FileKeyRing(tmp_path / "keys.json"), FakeClock())
    await stores.close()


async def test_what_is_sealed_opens_and_shows_nothing(keys: SubjectKeys) -> None:
    sealed = await keys.seal(ACME, WHO, NAME, PICTURE)
    assert await keys.open(ACME, WHO, NAME, sealed) == PICTURE
    assert b"a picture" not in sealed
    assert await keys.open(ACME, WHO, NAME, await keys.seal(ACME, WHO, NAME, b"")) == b""


async def test_the_same_bytes_are_never_sealed_alike(keys: SubjectKeys) -> None:
    sealed = {await keys.seal(ACME, WHO, NAME, PICTURE) for _ in range(50)}
    assert len(sealed) == 50


@pytest.mark.parametrize(
    ("tenant_id", "candidate_id", "name"),
    [(ACME, WHO, NAME + "0"), (ACME, NEIGHBOUR, NAME), (OTHER, WHO, NAME)],
)
async def test_moved_bytes_do_not_open(
    keys: SubjectKeys, tenant_id: TenantId, candidate_id: CandidateId, name: str
) -> None:
    await keys.seal(tenant_id, candidate_id, name, b"makes the other's key")
    sealed = await keys.seal(ACME, WHO, NAME, PICTURE)
    with pytest.raises(InvalidInput):
        await keys.open(tenant_id, candidate_id, name, sealed)


async def test_two_that_are_swapped_do_not_open(keys: SubjectKeys) -> None:
    mine = await keys.seal(ACME, WHO, NAME, PICTURE)
    other = await keys.seal(ACME, WHO, "another", PICTURE)
    for name, sealed in ((NAME, other), ("another", mine)):
        with pytest.raises(InvalidInput):
            await keys.open(ACME, WHO, name, sealed)


async def test_any_altered_byte_is_noticed(keys: SubjectKeys) -> None:
    sealed = await keys.seal(ACME, WHO, NAME, b"short")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(InvalidInput):
            await keys.open(ACME, WHO, NAME, bytes(altered))
    for cut in (b"", sealed[:4], sealed[:-1], sealed + b"\0"):
        with pytest.raises(InvalidInput):
            await keys.open(ACME, WHO, NAME, cut)


async def test_what_was_sealed_for_somebody_without_a_key_does_not_open(keys: SubjectKeys) -> None:
    sealed = await keys.seal(ACME, WHO, NAME, PICTURE)
    with pytest.raises(InvalidInput):
        await keys.open(ACME, NEIGHBOUR, NAME, sealed)


async def test_once_destroyed_nothing_opens_and_nothing_is_sealed_again(keys: SubjectKeys) -> None:
    sealed = await keys.seal(ACME, WHO, NAME, PICTURE)
    spared = await keys.seal(ACME, NEIGHBOUR, NAME, PICTURE)
    for _ in range(2):
        await keys.destroy(ACME, WHO)
    with pytest.raises(NotFound):
        await keys.open(ACME, WHO, NAME, sealed)
    with pytest.raises(NotFound):
        await keys.seal(ACME, WHO, NAME, PICTURE)
    assert await keys.open(ACME, NEIGHBOUR, NAME, spared) == PICTURE


async def test_anothers_key_of_the_same_name_is_spared(keys: SubjectKeys) -> None:
    sealed = await keys.seal(OTHER, WHO, NAME, PICTURE)
    await keys.destroy(ACME, WHO)
    assert await keys.open(OTHER, WHO, NAME, sealed) == PICTURE
