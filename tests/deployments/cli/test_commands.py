"""The commands say in one line what is wrong, exit 2 for it, and leave nothing half made."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.cli import app
from proctor.adapters.clock import SystemClock
from proctor.adapters.tokens import SIGNING_KEY, TokenVerifier, make_keys
from proctor.domain.roles import Role


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of the test's own and no other setting."""
    for name in list(os.environ):
        if name.startswith("PROCTOR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refused(*arguments: str) -> str:
    """The one line of a command that exits 2."""
    result = run(*arguments)
    lines = result.stderr.splitlines()
    assert (result.exit_code, len(lines)) == (2, 1), result.output
    assert lines[0].startswith("proctor: ")
    return lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--nope"),
        ("nope",),
        ("token",),
        ("token", "--role", "king"),
        ("token", "--role", "admin", "--minutes", "0"),
        ("token", "--role", "admin", "--minutes", "9" * 14),
        ("ps",),
        ("demo", "--media", "/does/not/exist"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(arguments: tuple[str, ...]) -> None:
    refused(*arguments)


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_SESSIONS_PER_HOST", "0")
    assert "PROCTOR_SESSIONS_PER_HOST" in refused("ps")
    assert "PROCTOR_SESSIONS_PER_HOST" in refused("models", "list")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALLOWED_ORIGINS", "https://desk.example", "allowed_origins"),
        ("WEBRTC", "{", "webrtc"),
        ("HOME", "~nobody-has-this-name/x", "home directory"),
    ],
)
def test_a_setting_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"PROCTOR_{name}", value)
    for command in (("ps",), ("models", "list")):
        assert told in refused(*command)


def test_a_file_in_the_way_is_named(home: Path) -> None:
    home.write_text("not a folder")
    assert str(home) in refused("migrate")


def test_another_address_needs_tls_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("PROCTOR_HOST", "0.0.0.0")
    assert "PROCTOR_TLS_CERTIFICATE" in refused("up")
    monkeypatch.setenv("PROCTOR_TLS_CERTIFICATE", str(home / "none.pem"))
    monkeypatch.setenv("PROCTOR_TLS_KEY", str(home / "none.key"))
    assert "none.pem does not exist" in refused("up")
    assert not home.exists()


def test_a_port_in_use_is_one_line_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PROCTOR_PORT", str(taken.getsockname()[1]))
        assert "PROCTOR_PORT" in refused("up")
    assert not home.exists()


def test_a_token_is_what_it_says(home: Path) -> None:
    make_keys(home / "tokens")
    result = run("token", "--role", "proctor", "--tenant", "acme", "--minutes", "5")
    assert result.exit_code == 0
    verifier = TokenVerifier(
        home / "tokens", issuer="rayproctor", audience="rayproctor", clock=SystemClock()
    )
    principal = verifier.check(result.stdout.strip())
    assert (principal.role, principal.tenant_id) == (Role.PROCTOR, "acme")
    left_s = (principal.expires_at - SystemClock().now()).total_seconds()
    assert 290 < left_s <= 300


def test_a_candidate_s_token_needs_a_session_and_no_other_has_one(home: Path) -> None:
    make_keys(home / "tokens")
    refused("token", "--role", "candidate")
    refused("token", "--role", "admin", "--session", "ses_1")
    assert run("token", "--role", "candidate", "--session", "ses_1").exit_code == 0


def test_a_key_that_others_can_read_signs_nothing(home: Path) -> None:
    make_keys(home / "tokens")
    (home / "tokens" / SIGNING_KEY).chmod(0o640)
    assert "chmod 600" in refused("token", "--role", "admin")


def test_no_key_is_told(home: Path) -> None:
    assert "proctor up" in refused("token", "--role", "admin")


def test_migrate_makes_the_tables_twice_without_harm(home: Path) -> None:
    assert run("migrate").exit_code == 0
    assert run("migrate").exit_code == 0
    assert (home / "proctor.db").stat().st_size > 0


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("COLUMNS", "200")
    result = run("doctor")
    assert result.exit_code == 1
    assert "proctor models fetch" in result.stdout


def test_the_command_starts_without_ray_or_a_model_runtime() -> None:
    ask = "import sys, json, deployments.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert loaded.isdisjoint({"ray", "onnxruntime", "ai_edge_litert", "fastapi", "sqlalchemy"})
