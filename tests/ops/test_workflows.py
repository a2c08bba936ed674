"""The workflows are what their published schema allows, and call what there is."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def test_there_is_one_for_each_duty() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"checks", "image", "chart", "supply", "client"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_schema_accepts_it(path: Path) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [tool, "--builtin-schema", "vendor.github-workflows", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_asks_for_no_more_than_it_needs(path: Path) -> None:
    found = read(path)
    assert found["permissions"], "without it a job may write"
    assert "contents" in found["permissions"]
    assert found["permissions"]["contents"] == "read"
    assert all(job["timeout-minutes"] <= 90 for job in found["jobs"].values())
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@v\d+(\.\d+)*", step["uses"]), (
                "an action without a version"
            )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_exists(path: Path) -> None:
    for command in [step["run"] for step in steps(path) if "run" in step]:
        first, *rest = command.split()
        if first == "make":
            assert set(rest) <= TARGETS
        elif first == ".ci/run":
            assert (ROOT / first).is_file()
        elif first == ".venv/bin/pytest":
            assert (ROOT / rest[0]).is_dir()
        else:
            assert first == ".venv/bin/python", command


def test_what_could_not_be_audited_is_no_pass() -> None:
    """pip-audit alone ends with 0 when it could look nothing up."""
    (line,) = re.findall(r"^\t\S+pip-audit .*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "--strict" in line


def test_only_the_step_that_publishes_may_say_who_it_is() -> None:
    jobs = read(ROOT / ".github/workflows/client.yml")["jobs"]
    assert "permissions" not in jobs["build"], "what runs our code holds no identity"
    assert jobs["publish"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert all("run" not in step for step in jobs["publish"]["steps"])
