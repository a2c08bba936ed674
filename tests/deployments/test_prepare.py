"""What a cluster is prepared with, and what it refuses in one line."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from bench.postgres import run_postgres
from deployments.cli import app
from deployments.environment import ROOT
from deployments.prepare import prepare
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings


def shared(tmp_path: Path, database: str) -> Settings:
    """Settings that several nodes take; the keys lie in a folder of the test."""
    keys = tmp_path / "keys"
    return Settings(
        home=tmp_path / "home",
        database_url=database,
        redis_url=SecretStr("redis://state"),
        faces_uri="s3://faces",
        recordings_url="s3://recordings",
        evidence_url="s3://evidence",
        checkpoints_url="s3://proof",
        key_file=keys / "keys.json",
        proof_key=keys / "proof-key.pem",
        token_keys=keys / "tokens",
        models_dir=Settings().resolved().models_dir,
    )


def files_of(folder: Path) -> dict[Path, bytes]:
    """What lies there."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_of_one_machine_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PROCTOR_DATABASE_URL"):
        prepare(shared(tmp_path, "sqlite+aiosqlite:///x.db"), tmp_path / "keys")
    assert not list(tmp_path.iterdir())


def test_the_command_says_which_setting_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    folder = str(tmp_path / "keys")
    answer = CliRunner().invoke(app, ["cluster", "prepare", "--folder", folder])
    assert answer.exit_code == 2
    (line,) = answer.stderr.strip().splitlines()
    assert line == "proctor: 2 nodes need one database: set PROCTOR_DATABASE_URL"


@pytest.mark.service
def test_keys_token_and_tenant_are_made_once_and_for_their_owner_alone(
    tmp_path: Path,
) -> None:
    with run_postgres() as database:
        settings = shared(tmp_path, database.url)
        prepare(settings, tmp_path / "keys")
        made = files_of(tmp_path / "keys")
        prepare(settings, tmp_path / "keys")
    assert made == files_of(tmp_path / "keys")
    assert {"ray.token", "keys.json", "proof-key.pem"} <= {path.name for path in made}
    for path in made:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_serve_config_is_printed_as_it_is_or_without_gpus() -> None:
    runner = CliRunner()
    whole = runner.invoke(app, ["cluster", "serve-config"]).stdout
    assert whole == (ROOT / "serve_config.yaml").read_text()
    assert "num_gpus" not in runner.invoke(app, ["cluster", "serve-config", "--without-gpu"]).stdout
