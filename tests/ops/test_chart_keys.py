"""From the Secrets of the guide to keys that the product takes: the pods' own first container is run."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.seal import FileSeal, make_proof_key
from proctor.adapters.tokens import TRUSTED, TokenVerifier, make_keys
from proctor.domain.errors import InvalidInput
from tests.fakes.clock import FakeClock
from tests.ops.chart import groups, rendered, the

KEYS = "/etc/rayproctor/keys"
MOUNTS = "/var/run/rayproctor-"


def mounted(files: list[Path], at: Path) -> None:
    """As Kubernetes lays a Secret out: links to a hidden folder, readable by a group."""
    (at / "..2026").mkdir(parents=True)
    (at / "..data").symlink_to("..2026")
    for file in files:
        real = at / "..2026" / file.name
        real.write_bytes(file.read_bytes())
        real.chmod(0o440)
        (at / file.name).symlink_to(f"..data/{file.name}")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A home folder with the three kinds of keys, and another issuer's public one."""
    home = tmp_path / "home"
    make_keys(home / "tokens")
    make_proof_key(home / "proof-key.pem")
    FileKeyRing(home / "keys.json")
    public = FileSeal(home / "proof-key.pem").pem()
    (home / "school.pem").write_text(public)
    return home


@pytest.fixture
def keys(desk: Path, tmp_path: Path) -> Path:
    """What the product finds after the first container of a pod has run."""
    pods = groups(the("RayService", rendered({"keys": {"trusted": "issuers"}})))
    (first,) = pods["media"]["spec"]["initContainers"]
    shell, options, script = first["command"]
    mounted([desk / "keys.json", desk / "proof-key.pem"], tmp_path / "mounts-keys")
    mounted([desk / "tokens" / "signing-key.pem"], tmp_path / "mounts-tokens")
    mounted([desk / "school.pem"], tmp_path / "mounts-trusted")
    found = tmp_path / "keys"
    found.mkdir()
    script = script.replace(KEYS, str(found)).replace(MOUNTS, f"{tmp_path}/mounts-")
    subprocess.run(
        [shell, options, script], check=True, timeout=60, env={"PATH": os.environ["PATH"]}
    )
    return found


def told(name: str) -> str:
    values: dict[str, Any] = {"keys": {"trusted": "issuers"}}
    (ray,) = groups(the("RayService", rendered(values)))["media"]["spec"]["containers"]
    (value,) = [each["value"] for each in ray["env"] if each["name"] == name]
    return str(value)


def test_a_secret_itself_is_refused(tmp_path: Path, desk: Path) -> None:
    mounted([desk / "proof-key.pem"], tmp_path / "secret")
    with pytest.raises(InvalidInput, match="read by others"):
        FileSeal(tmp_path / "secret" / "proof-key.pem")


def test_the_product_takes_every_key(keys: Path, desk: Path) -> None:
    def at(name: str) -> Path:
        return Path(told(name).replace(KEYS, str(keys)))

    sealed = FileKeyRing(desk / "keys.json").seal(b"a face", b"whose")
    assert FileKeyRing(at("PROCTOR_KEY_FILE")).open(sealed, b"whose") == b"a face"
    assert FileSeal(at("PROCTOR_PROOF_KEY")).kid == FileSeal(desk / "proof-key.pem").kid
    tokens = at("PROCTOR_TOKEN_KEYS")
    TokenVerifier(tokens, issuer="us", audience="us", clock=FakeClock())
    assert [each.name for each in (tokens / TRUSTED).iterdir()] == ["school.pem"]


def test_nobody_else_may_read_them(keys: Path) -> None:
    files = [each for each in keys.rglob("*") if each.is_file()]
    assert len(files) == 4
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
