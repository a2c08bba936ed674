"""What the home folder keeps, only its owner can read."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.home import (
    RunFile,
    make_private_folder,
    ray_token,
    remove_run_file,
    require_private,
    write_private,
)
from deployments.processes import Mark
from proctor.domain.errors import InvalidInput


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_private_from_the_start(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = make_private_folder(tmp_path / "a" / "b")
        path = write_private(folder / "secret", "x")
    finally:
        os.umask(before)
    assert (mode(folder), mode(path)) == (0o700, 0o600)
    assert [entry.name for entry in folder.iterdir()] == ["secret"]


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert mode(make_private_folder(tmp_path)) == 0o700


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, bits: int) -> None:
    path = write_private(tmp_path / "secret", "x")
    path.chmod(bits)
    with pytest.raises(InvalidInput, match="chmod 600"):
        require_private(path)


def test_ray_s_token_is_made_once(tmp_path: Path) -> None:
    first = ray_token(tmp_path).read_text()
    assert len(first) == 64
    assert ray_token(tmp_path).read_text() == first
    (tmp_path / "ray.token").chmod(0o644)
    with pytest.raises(InvalidInput):
        ray_token(tmp_path)


def test_the_run_file_reads_back_and_goes(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "run")
    assert RunFile.read(tmp_path) is None
    note = RunFile(
        launcher=Mark.of(os.getpid()),
        redis=None,
        redis_url=SecretStr("redis://:p@127.0.0.1:1/0"),
        base_url="http://127.0.0.1:1",
    )
    note.write(tmp_path)
    again = RunFile.read(tmp_path)
    assert again == note
    assert mode(tmp_path / "run" / "cluster.json") == 0o600
    remove_run_file(tmp_path)
    remove_run_file(tmp_path)
    assert RunFile.read(tmp_path) is None
