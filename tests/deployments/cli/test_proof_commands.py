"""`proctor export`, `verify`, `erase` and `keys` over a home of their own."""

import asyncio
import json
import logging
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from proctor.adapters.sql.migrate import upgrade
from tests.contract.samples import ACME
from tests.deployments.cli.test_commands import home, refused, run
from tests.proctor.services.proof_site import WHICH, WHO, ProofSite

__all__ = ["home"]  # the fixture: a home of the test's own


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The commands log to stderr, which is the runner's own for a while."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def site(home: Path, tmp_path: Path) -> ProofSite:
    """A home in which one exam was held and reviewed."""
    home.mkdir()
    upgrade(f"sqlite:///{tmp_path}/template.db")
    made = ProofSite.make(home, tmp_path / "template.db")

    async def fill() -> None:
        await made.begin()
        await made.judge()
        await made.end()
        await made.review()
        await made.stores.close()

    asyncio.run(fill())
    return made


def export(path: Path, *more: str) -> dict[str, object]:
    done = run("export", WHICH, "--to", str(path), "--tenant", ACME, "--json", *more)
    assert done.exit_code == 0, done.output
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.fixture
def public(site: ProofSite, tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_text(run("keys", "public").stdout)
    return path


def test_an_export_is_written_and_checked_on_a_machine_that_has_nothing_else(
    site: ProofSite, public: Path, tmp_path: Path, home: Path
) -> None:
    told = export(tmp_path / "exam.zip")
    assert (told["entries"], told["alerts"]) == (7, 3)
    shutil.rmtree(home)
    done = run("verify", str(tmp_path / "exam.zip"), "--key", str(public))
    assert done.exit_code == 0, done.output
    assert "7 entries, 1 checkpoints: as it was written" in done.stdout


def test_verify_exits_1_and_names_the_entry_and_2_for_what_it_cannot_read(
    site: ProofSite, public: Path, tmp_path: Path
) -> None:
    path = tmp_path / "exam.zip"
    export(path)
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"severity":"low"', b'"severity":"off"', 1))
    done = run("verify", str(path), "--key", str(public), "--json")
    assert done.exit_code == 1
    faults = json.loads(done.stdout)["faults"]
    assert any("chain.jsonl" in fault for fault in faults)
    path.write_bytes(good[:100])
    assert run("verify", str(path), "--key", str(public)).exit_code == 2
    assert run("verify", str(tmp_path / "none.zip"), "--key", str(public)).exit_code == 2
    path.write_bytes(good)
    assert run("verify", str(path), "--key", str(path)).exit_code == 2


def test_an_export_is_the_owners_alone_to_read(site: ProofSite, tmp_path: Path) -> None:
    (tmp_path / ".exam.zip.part").write_bytes(b"left by one that was killed")
    (tmp_path / ".exam.zip.part").chmod(0o666)
    export(tmp_path / "exam.zip")
    assert (tmp_path / "exam.zip").stat().st_mode & 0o777 == 0o600


def test_an_export_cannot_speak_to_the_terminal(
    site: ProofSite, public: Path, tmp_path: Path
) -> None:
    """A forger's names must not move the cursor over the faults, nor begin lines of their own."""
    path = tmp_path / "exam.zip"
    export(path)
    with zipfile.ZipFile(path, "a") as forged:
        forged.writestr("x\x1b[2J\x1b[H\nsession ses_1: as it was written", b"")
    done = run("verify", str(path), "--key", str(public))
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert not any(line.startswith("session ses_1: as") for line in done.stdout.splitlines())
    assert "is not in the manifest" in done.stdout


def test_a_checkpoint_kept_elsewhere_tells_a_chain_that_was_cut(
    site: ProofSite, public: Path, tmp_path: Path, home: Path
) -> None:
    export(tmp_path / "before.zip")
    [signed] = (home / "checkpoints" / "checkpoints").rglob("*.jws")
    kept = tmp_path / "kept.jws"
    shutil.move(signed, kept)

    async def cut() -> None:
        async with site.stores._database.writing() as connection:
            for statement in (
                "DELETE FROM chain_entries WHERE number > 4",
                "UPDATE chains SET size = 4, head = (SELECT sha256 FROM chain_entries "
                "WHERE number = 4), signed_size = 0",
                "DELETE FROM verdicts",
                "UPDATE incidents SET verdict = 'unreviewed'",
            ):
                await connection.exec_driver_sql(statement)
        await site.stores.close()

    asyncio.run(cut())
    export(tmp_path / "after.zip")
    arguments = ("verify", str(tmp_path / "after.zip"), "--key", str(public))
    assert run(*arguments).exit_code == 0  # by itself it is whole
    done = run(*arguments, "--checkpoint", str(kept))
    assert done.exit_code == 1
    assert "entry 7: it is missing" in done.stdout


def test_a_candidate_is_erased_with_a_receipt_and_the_chain_still_verifies(
    site: ProofSite, public: Path, tmp_path: Path
) -> None:
    assert "no candidate" in refused("erase", "cnd_unknown", "--tenant", ACME, "--yes")
    told = [
        json.loads(run("erase", WHO, "--tenant", ACME, "--yes", "--json", "--by", "ada").stdout)
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert (told[0]["asked_by"], told[0]["recordings"]) == ("ada", 1)
    export(tmp_path / "exam.zip")
    done = run("verify", str(tmp_path / "exam.zip"), "--key", str(public))
    assert done.exit_code == 0, done.output
    assert "the candidate was erased" in done.stdout


def test_nothing_is_erased_without_a_yes(site: ProofSite) -> None:
    assert run("erase", WHO, "--tenant", ACME).exit_code != 0

    async def look() -> None:
        assert (await site.stores.candidates.get_candidate(ACME, WHO)).candidate_id == WHO
        await site.stores.close()

    asyncio.run(look())


def test_the_key_ring_is_listed_and_rotated_and_data_keys_follow(site: ProofSite) -> None:
    async def seal() -> bytes:
        sealed = await site.keys.seal(ACME, WHO, "x", b"canary")
        await site.stores.close()
        return sealed

    sealed = asyncio.run(seal())
    before = json.loads(run("keys", "list", "--json").stdout)
    assert (before["key_ring"], before["versions"]) == ("file", [1])
    assert before["proof_key"] == site.seal.kid
    assert json.loads(run("keys", "rotate", "--json").stdout) == {"version": 2, "rewrapped": 1}
    assert json.loads(run("keys", "list", "--json").stdout)["versions"] == [1, 2]

    async def open_again() -> bytes:
        again = ProofSite(
            site.folder, type(site.stores)(f"sqlite:///{site.folder}/proctor.db"), site.clock
        )
        opened = await again.keys.open(ACME, WHO, "x", sealed)
        await again.stores.close()
        return opened

    assert asyncio.run(open_again()) == b"canary"
    assert "PUBLIC KEY" in run("keys", "public").stdout
