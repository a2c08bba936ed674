"""A data key per candidate: bound to whom and what it seals for, made once, gone for ever."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from proctor.adapters.associated import associated_data
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.subject_keys import (
    FRESH_MS,
    KEPT_MS,
    UNWRAP_AGAIN_MS,
    SqlSubjectKeys,
)
from proctor.domain.errors import InvalidInput, KeysUnavailable, NotFound, StateStoreUnavailable
from proctor.domain.ids import CandidateId
from proctor.ports import KeyRing
from tests.contract.samples import ACME, OTHER
from tests.fakes.clock import FakeClock

ANN, BOB = CandidateId("cnd_ann"), CandidateId("cnd_bob")
PLAIN = b"canary: the picture that was judged"


class FickleRing:
    """A key ring that can be away. Counts what it opens."""

    def __init__(self, inner: KeyRing) -> None:
        self.inner, self.is_away, self.opened, self.asked = inner, False, 0, 0

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        self._reach()
        return self.inner.seal(plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        self._reach()
        self.opened += 1
        return self.inner.open(sealed, associated)

    def _reach(self) -> None:
        self.asked += 1
        if self.is_away:
            raise KeysUnavailable("the vault is away")


class FickleDatabase(Database):
    """A database that can be away."""

    is_away = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        if self.is_away:
            raise StateStoreUnavailable("the database is away")
        async with super().reading() as connection:
            yield connection


@dataclass
class Site:
    """One database and one key ring, as several processes see them."""

    url: str
    ring_file: Path
    clock: FakeClock = field(default_factory=FakeClock)
    opened: list[FickleDatabase] = field(default_factory=list)

    def process(self, ring: KeyRing | None = None) -> SqlSubjectKeys:
        database = FickleDatabase(self.url)
        self.opened.append(database)
        return SqlSubjectKeys(database, ring or FileKeyRing(self.ring_file), self.clock)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "proctor.db")
        url = f"sqlite:///{tmp_path}/proctor.db"
    else:
        url = request.getfixturevalue("postgres").url
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("TRUNCATE subject_keys"))
        await engine.dispose()
    made = Site(url, tmp_path / "keys.json")
    yield made
    for database in made.opened:
        await database.close()


async def test_what_is_sealed_opens_in_every_process(site: Site) -> None:
    here, there = site.process(), site.process()
    sealed = await here.seal(ACME, ANN, "a.jpg", PLAIN)
    assert PLAIN not in sealed
    assert await there.open(ACME, ANN, "a.jpg", sealed) == PLAIN
    assert await here.open(ACME, ANN, "a.jpg", await there.seal(ACME, ANN, "a.jpg", b"")) == b""


async def test_two_sealed_objects_cannot_be_swapped(site: Site) -> None:
    keys = site.process()
    sealed = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    await keys.seal(ACME, BOB, "a.jpg", PLAIN)
    await keys.seal(OTHER, ANN, "a.jpg", PLAIN)
    for whose in ((ACME, ANN, "b.jpg"), (ACME, BOB, "a.jpg"), (OTHER, ANN, "a.jpg")):
        with pytest.raises(InvalidInput) as refused:
            await keys.open(*whose, sealed)
        assert refused.value.code == "keys/unreadable"


async def test_a_change_of_any_byte_or_length_is_noticed(site: Site) -> None:
    keys = site.process()
    sealed = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    broken = [sealed[:length] for length in range(len(sealed))] + [sealed + b"\0"]
    broken += [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))
    ]
    for each in broken:
        with pytest.raises(InvalidInput):
            await keys.open(ACME, ANN, "a.jpg", each)


async def test_a_key_is_made_once_when_many_want_it_at_the_same_moment(site: Site) -> None:
    crowd = [site.process() for _ in range(6)]
    sealed = await asyncio.gather(
        *(keys.seal(ACME, ANN, str(number), PLAIN) for number, keys in enumerate(crowd))
    )
    reader = site.process()
    for number, one in enumerate(sealed):
        assert await reader.open(ACME, ANN, str(number), one) == PLAIN


async def test_a_key_is_made_once_when_several_processes_race(site: Site) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from proctor.adapters.clock import SystemClock\n"
        "from proctor.adapters.keys import FileKeyRing\n"
        "from proctor.adapters.sql.stores import SqlStores\n"
        "async def main():\n"
        "    stores = SqlStores(sys.argv[1])\n"
        "    keys = stores.subject_keys(FileKeyRing(Path(sys.argv[2])), SystemClock())\n"
        "    print((await keys.seal('acme', 'cnd_race', 'x', b'canary')).hex())\n"
        "    await stores.close()\n"
        "asyncio.run(main())"
    )
    FileKeyRing(site.ring_file)
    arguments = [sys.executable, "-c", code, site.url, str(site.ring_file)]
    racers = [
        await asyncio.create_subprocess_exec(
            *arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        for _ in range(3)
    ]
    told = [(await racer.communicate())[0] for racer in racers]
    keys = site.process()
    for line in told:
        opened = await keys.open(ACME, CandidateId("cnd_race"), "x", bytes.fromhex(line.decode()))
        assert opened == b"canary"


async def test_a_destroyed_key_opens_and_seals_nothing_again(site: Site) -> None:
    keys = site.process()
    sealed = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    of_bob = await keys.seal(ACME, BOB, "a.jpg", PLAIN)
    await keys.destroy(ACME, ANN)
    await keys.destroy(ACME, ANN)
    for process in (keys, site.process()):
        with pytest.raises(NotFound):
            await process.open(ACME, ANN, "a.jpg", sealed)
        with pytest.raises(NotFound):
            await process.seal(ACME, ANN, "a.jpg", PLAIN)
    assert await keys.open(ACME, BOB, "a.jpg", of_bob) == PLAIN


async def test_a_key_destroyed_before_it_was_made_is_never_made(site: Site) -> None:
    keys = site.process()
    await keys.destroy(ACME, ANN)
    with pytest.raises(NotFound):
        await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    await keys.seal(OTHER, ANN, "a.jpg", PLAIN)  # another tenant's candidate of the same name


async def test_a_destroyed_key_dies_within_seconds_in_other_processes(site: Site) -> None:
    here, there = site.process(), site.process()
    sealed = await here.seal(ACME, ANN, "a.jpg", PLAIN)
    assert await there.open(ACME, ANN, "a.jpg", sealed) == PLAIN
    await here.destroy(ACME, ANN)
    await site.clock.advance(FRESH_MS)
    with pytest.raises(NotFound):
        await there.open(ACME, ANN, "a.jpg", sealed)


async def test_a_vault_that_is_away_is_outwaited_for_ten_minutes_and_then_refused(
    site: Site,
) -> None:
    ring = FickleRing(FileKeyRing(site.ring_file))
    keys = site.process(ring)
    sealed = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    ring.is_away = True
    await site.clock.advance(UNWRAP_AGAIN_MS)
    assert await keys.open(ACME, ANN, "a.jpg", await keys.seal(ACME, ANN, "a.jpg", PLAIN)) == PLAIN
    asked = ring.asked
    for _ in range(3):  # each asking costs a timeout: not every seal pays it
        await keys.seal(ACME, ANN, "a.jpg", PLAIN)
        await site.clock.advance(FRESH_MS - 1)
    assert ring.asked == asked
    with pytest.raises(KeysUnavailable):  # a candidate whose key is not known here
        await keys.seal(ACME, BOB, "a.jpg", PLAIN)
    await site.clock.advance(KEPT_MS - UNWRAP_AGAIN_MS)
    with pytest.raises(KeysUnavailable):
        await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    with pytest.raises(KeysUnavailable):
        await keys.open(ACME, ANN, "a.jpg", sealed)
    ring.is_away = False
    assert await keys.open(ACME, ANN, "a.jpg", sealed) == PLAIN


async def test_the_vault_is_asked_once_in_five_minutes(site: Site) -> None:
    ring = FickleRing(FileKeyRing(site.ring_file))
    keys = site.process(ring)
    for _ in range(4):
        await keys.seal(ACME, ANN, "a.jpg", PLAIN)
        await site.clock.advance(FRESH_MS)
    assert ring.opened == 1
    await site.clock.advance(UNWRAP_AGAIN_MS)
    await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    assert ring.opened == 2


async def test_keys_of_before_a_rotation_are_read_and_can_be_wrapped_anew(
    site: Site,
) -> None:
    ring = FileKeyRing(site.ring_file)
    keys = site.process(ring)
    old = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    ring.rotate()
    new = await keys.seal(ACME, BOB, "a.jpg", PLAIN)
    restarted = site.process()
    assert await restarted.open(ACME, ANN, "a.jpg", old) == PLAIN
    assert await restarted.open(ACME, BOB, "a.jpg", new) == PLAIN
    await keys.destroy(ACME, CandidateId("cnd_gone"))
    assert await keys.rewrap() == 2
    for process in (keys, restarted, site.process()):
        assert await process.open(ACME, ANN, "a.jpg", old) == PLAIN


async def test_while_the_database_is_away_known_keys_seal_and_nothing_opens(
    site: Site,
) -> None:
    keys = site.process()
    sealed = await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    await site.clock.advance(FRESH_MS)
    site.opened[0].is_away = True
    later = await keys.seal(ACME, ANN, "b.jpg", PLAIN)
    with pytest.raises(StateStoreUnavailable):
        await keys.open(ACME, ANN, "a.jpg", sealed)
    await site.clock.advance(KEPT_MS)
    with pytest.raises(StateStoreUnavailable):
        await keys.seal(ACME, ANN, "c.jpg", PLAIN)
    site.opened[0].is_away = False
    assert await keys.open(ACME, ANN, "b.jpg", later) == PLAIN


def _lies_in_a_file_of(folder: Path, secret: bytes) -> bool:
    return any(secret in path.read_bytes() for path in folder.glob("proctor.db*"))


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
async def test_the_wrapped_key_lies_in_no_file_of_sqlite_once_it_is_destroyed(
    site: Site, tmp_path: Path
) -> None:
    keys = site.process()
    await keys.seal(ACME, ANN, "a.jpg", PLAIN)
    async with site.opened[0].reading() as connection:
        wrapped: bytes = await connection.scalar(text("SELECT wrapped FROM subject_keys"))
    assert _lies_in_a_file_of(tmp_path, wrapped)
    await keys.destroy(ACME, ANN)
    assert not _lies_in_a_file_of(tmp_path, wrapped)


async def test_no_nonce_comes_twice_among_many_messages(site: Site) -> None:
    keys = site.process()
    nonces = {(await keys.seal(ACME, ANN, "x", b""))[1:13] for _ in range(20_000)}
    assert len(nonces) == 20_000


def test_names_that_join_alike_are_bound_apart() -> None:
    told = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc",),
        ("abc", ""),
        ("", "abc"),
        ("a\0", "bc"),
        ("a\x1f", "b"),
    ]
    assert len({associated_data("p", *names) for names in told}) == len(told)
