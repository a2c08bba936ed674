"""The key ring: private, bound to what it seals for, rotated without loss."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from proctor.adapters.keys import FileKeyRing
from proctor.domain.errors import InvalidInput

SECRET, WHOSE = b"a small secret", b"tenant|candidate|1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "ring.json"


def test_what_is_sealed_opens_with_the_same_associated_data_only(path: Path) -> None:
    ring = FileKeyRing(path)
    sealed = ring.seal(SECRET, WHOSE)
    assert SECRET not in sealed
    assert ring.open(sealed, WHOSE) == SECRET
    with pytest.raises(InvalidInput):
        ring.open(sealed, b"tenant|another|1")


def test_a_change_of_any_byte_is_noticed(path: Path) -> None:
    ring = FileKeyRing(path)
    sealed = ring.seal(SECRET, WHOSE)
    for index in range(len(sealed)):
        altered = bytearray(sealed)
        altered[index] ^= 1
        with pytest.raises(InvalidInput):
            ring.open(bytes(altered), WHOSE)
    for length in range(len(sealed)):
        with pytest.raises(InvalidInput):
            ring.open(sealed[:length], WHOSE)


def test_the_same_secret_is_never_sealed_alike(path: Path) -> None:
    ring = FileKeyRing(path)
    assert len({ring.seal(SECRET, WHOSE) for _ in range(1000)}) == 1000


def test_the_file_is_private_from_its_first_moment(path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeyRing(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused_in_one_line(path: Path, mode: int) -> None:
    FileKeyRing(path)
    path.chmod(mode)
    with pytest.raises(InvalidInput, match="chmod 600") as caught:
        FileKeyRing(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", '{"keys": {}}', '{"keys": {"1": "c2hvcnQ="}}', "[1]"])
def test_a_file_that_is_no_ring_is_refused(path: Path, text: str) -> None:
    FileKeyRing(path)
    path.write_text(text)
    with pytest.raises(InvalidInput, match="no key ring"):
        FileKeyRing(path)


def test_old_secrets_open_after_a_rotation_here_and_elsewhere(path: Path) -> None:
    here, elsewhere = FileKeyRing(path), FileKeyRing(path)
    old = here.seal(SECRET, WHOSE)
    assert here.rotate() == 2
    new = here.seal(SECRET, WHOSE)
    assert old[1:5] != new[1:5]
    for ring in (here, elsewhere, FileKeyRing(path)):
        assert ring.open(old, WHOSE) == SECRET
        assert ring.open(new, WHOSE) == SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_is_not_in_the_ring_is_named(path: Path, tmp_path: Path) -> None:
    ring = FileKeyRing(path)
    ring.rotate()
    sealed = ring.seal(SECRET, WHOSE)
    with pytest.raises(InvalidInput, match="no key 2"):
        FileKeyRing(tmp_path / "other.json").open(sealed, WHOSE)


def test_processes_that_start_together_share_one_ring(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from proctor.adapters.keys import FileKeyRing\n"
        "ring = FileKeyRing(Path(sys.argv[1]))\n"
        "ring.rotate()\n"
        "print(ring.seal(b'a small secret', b'tenant|candidate|1').hex())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    sealed = [bytes.fromhex(process.communicate()[0].decode()) for process in running]
    ring = FileKeyRing(path)
    assert [ring.open(one, WHOSE) for one in sealed] == [SECRET] * 4
    assert ring.rotate() == 6
