"""Models that are folders: only what lies in them is taken in, under names that a digest can tell."""

import os
import subprocess
from pathlib import Path

import pytest

from models.errors import ModelFileError
from models.folders import bring_folder, folder_digest


def folder(place: Path) -> Path:
    """Two files, a hidden one and a link between the two."""
    (place / "part").mkdir(parents=True)
    (place / "part" / "weights.bin").write_bytes(b"weights")
    (place / "config.yaml").write_text("a: 1")
    (place / "again.yaml").symlink_to("config.yaml")
    (place / ".hidden").write_text("no part of it")
    return place


def refused(source: Path, target: Path) -> str:
    """The one line; nothing is left at the target or beside it."""
    with pytest.raises(ModelFileError) as told:
        bring_folder(source, target)
    assert list(target.parent.iterdir()) == []
    told.value.detail.encode()
    assert "\n" not in told.value.detail
    return told.value.detail


def test_a_folder_is_copied_under_the_digest_that_anybody_can_compute(tmp_path: Path) -> None:
    source, target = folder(tmp_path / "source"), tmp_path / "models" / "it"
    digest, size = bring_folder(source, target)
    assert folder_digest(target) == folder_digest(source) == (digest, size)
    assert size == len(b"weights") + 2 * len("a: 1")
    assert (target / "again.yaml").read_text() == "a: 1" and not (target / ".hidden").exists()
    command = "find * -type f -not -path '*/.*' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(command, shell=True, cwd=target, capture_output=True, check=True)
    assert said.stdout.split()[0].decode() == digest


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    source = folder(tmp_path / "source")
    (tmp_path / "secret").write_text("TOPSECRET")
    (source / "part" / "vocabulary.txt").symlink_to(tmp_path / "secret")
    said = refused(source, tmp_path / "models" / "it")
    assert "vocabulary.txt is a link out of the folder" in said
    with pytest.raises(ModelFileError, match="a link out of the folder"):
        folder_digest(source)


@pytest.mark.parametrize("where", ["part", "../elsewhere"])
def test_a_linked_folder_is_refused_and_not_left_out(tmp_path: Path, where: str) -> None:
    source = folder(tmp_path / "source")
    folder(tmp_path / "elsewhere")
    (source / "embedding").symlink_to(where)
    assert "embedding is a link to a folder" in refused(source, tmp_path / "models" / "it")


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"a\x1b[2J", b"a\\b"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_that_cannot_be_told_is_refused(tmp_path: Path, name: bytes, kind: str) -> None:
    source = folder(tmp_path / "source")
    path = os.fsencode(source) + b"/" + name
    if kind == "folder":
        os.mkdir(path)
        path += b"/file"
    with open(path, "wb") as file:
        file.write(b"1")
    assert "a name that cannot be told" in refused(source, tmp_path / "models" / "it")


def test_a_folder_that_cannot_be_listed_is_refused_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path / "source")
    scan = os.scandir

    def closed(path: str | int) -> object:
        if isinstance(path, str) and path.endswith("part"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", closed)
    assert "part cannot be read: Permission denied" in refused(source, tmp_path / "models" / "it")
