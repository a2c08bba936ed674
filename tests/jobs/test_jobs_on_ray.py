"""The jobs as commands on a real private Ray: the same numbers as online, bad items, a kill, bad input."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench.what_if import EXAM, record
from models.catalogue import default_dir, media_file
from proctor.domain.recordings import RecordingKey
from proctor.settings import Settings
from tests.deployments.cli.test_replay_command import proctor, seen
from tests.fakes import facts

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


MODELS = default_dir(Settings(_env_file=None).home, None)


@pytest.fixture(autouse=True)
def models_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of models that `make models` filled serves every home."""
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(MODELS))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs") / "home"


@pytest.fixture(scope="module")
def keys(home: Path) -> list[RecordingKey]:
    """The sessions that `proctor replay` is tested on, recorded by the product's own judge."""
    chosen = Settings(home=home, _env_file=None)
    return list(asyncio.run(record(chosen, 4, 40, facts.STANDARD_POLICY, seen)))


def rows_of(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(run / "result.parquet").to_pylist()
    return found


def test_sessions_judged_by_the_job_have_the_hashes_of_replay(
    home: Path, keys: list[RecordingKey], tmp_path: Path
) -> None:
    done = proctor(home, "jobs", "rescore", "--exam", EXAM, "--run", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["sessions"], told["same"], told["failed"]) == (4, 4, 0)
    assert (told["added"], told["removed"], told["moved"]) == (0, 0, 0)
    replayed = proctor(home, "replay", "--exam", EXAM, "--json").stdout.splitlines()
    online = {row["session_id"]: row["alert_log_sha256"] for row in map(json.loads, replayed)}
    rows = rows_of(tmp_path)
    sessions = [row for row in rows if row["kind"] == "session"]
    assert {row["session_id"]: row["alert_log_sha256"] for row in sessions} == online
    assert sum(row["kind"] == "alert" for row in rows) == sum(row["alerts"] for row in sessions)


def test_another_policy_and_a_recording_that_is_damaged(
    home: Path, keys: list[RecordingKey], tmp_path: Path
) -> None:
    mine = tmp_path / "home"
    shutil.copytree(home, mine)
    damaged = next((mine / "recordings").rglob(f"*{keys[3].session_id}*/**/*.arrow"))
    damaged.write_bytes(b"ARROW1 no more")
    other = tmp_path / "patient.yaml"
    text = facts.STANDARD_POLICY.replace("for_ms: 3000", "for_ms: 7000", 1)
    other.write_text(text, encoding="utf-8")
    run = tmp_path / "run"
    asked = ("jobs", "rescore", "--exam", EXAM, "--run", str(run), "--policy", str(other), "--json")
    done = proctor(mine, *asked)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["sessions"], told["failed"], told["removed"], told["added"]) == (3, 1, 2, 0)
    rows = rows_of(run)
    failed = [row for row in rows if row["kind"] == "failed"]
    assert [(row["session_id"], row["reason"]) for row in failed] == [
        (keys[3].session_id, "recording/unreadable")
    ]
    removed = {row["transition"]: row for row in rows if row["change"] == "removed"}
    assert {row["session_id"] for row in removed.values()} == {keys[1].session_id}
    assert removed["opened"]["rule_id"] == "no_face"
    assert removed["opened"]["live_occurred_ms"] == 10_000
    changed = proctor(home, "jobs", "rescore", "--exam", EXAM, "--run", str(run))
    assert changed.returncode == 2
    assert "is of a run with other parameters" in changed.stderr
    assert len(changed.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One portrait many times, and a picture that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    portrait = media_file("astronaut", MODELS, os.environ.get("PROCTOR_MODELS_MIRROR")).read_bytes()
    for number in range(60):
        (folder / f"{number:02d}.jpg").write_bytes(portrait)
    (folder / "30.jpg").write_bytes(b"no picture")
    return folder


def test_a_killed_evaluation_goes_on_where_it_was(
    home: Path, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    asked = ["jobs", "evaluate", "--media", str(pictures), "--unlabelled"]
    asked += ["--run", str(run), "--block", "2", "--json"]
    working = subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", *asked],
        cwd=ROOT,
        env=os.environ | {"PROCTOR_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while working.poll() is None and len(list(run.glob("block-*.parquet"))) < 4:
        time.sleep(0.02)
    working.send_signal(signal.SIGKILL)
    working.wait()
    before = {
        int(number): row["sha256"]
        for number, row in json.loads((run / "manifest.json").read_text())["finished"].items()
    }
    assert 3 <= len(before) < 30
    stamps = {n: (run / f"block-{n:06d}.parquet").stat().st_mtime_ns for n in before}
    done = proctor(home, *asked)
    assert done.returncode == 0, done.stderr[-3000:]
    after = {n: (run / f"block-{n:06d}.parquet").stat().st_mtime_ns for n in before}
    assert after == stamps
    told = json.loads(done.stdout)
    assert (told["items"], told["failed"]) == (60, 1)
    rows = rows_of(run)
    assert [row["file"] for row in rows] == [f"{number:02d}.jpg" for number in range(60)]
    assert rows[30]["reason"] == "picture_unreadable"
    assert {row["faces"] for row in rows if row["outcome"] == "read"} == {1}
    assert not [
        name
        for name, value in rows[0].items()
        if isinstance(value, list) and name not in ("quality", "models")
    ]


def test_labelled_pictures_give_the_figures_of_the_accuracy_command(
    home: Path, media: Path, tmp_path: Path
) -> None:
    done = proctor(
        home, "jobs", "evaluate", "--media", str(media), "--people", "3",
        "--run", str(tmp_path / "run"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout)["figures"]
    online = tmp_path / "accuracy.json"
    told = proctor(
        home, "bench", "accuracy", "--media", str(media), "--people", "3", "--json", str(online),
        "--only", "verification", "--only", "head_pose",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]
    known = json.loads(online.read_text())
    for key in (
        "verification.failure_to_acquire",
        "verification.refused_by_quality_gate",
        "head_pose.mae_deg.yaw",
        "head_pose.mae_deg.pitch",
        "head_pose.mae_deg.roll",
        "head_pose.not_found",
    ):
        value = known
        for part in key.split("."):
            value = value[part]
        assert figures[key]["value"] == pytest.approx(value, abs=1e-9), key


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("rescore", "--exam", "exa_none"), "no recordings of exam exa_none"),
        (("rescore",), "name a session, or an exam"),
        (("rescore", "--exam", EXAM, "--address", "auto"), "--address must be host:port"),
        (("evaluate", "--media", "/nowhere"), "/nowhere"),
        (("reembed", "--model", "edgeface-xs"), "no picture of an enrolment is kept"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    home: Path, keys: list[RecordingKey], tmp_path: Path, asked: tuple[str, ...], told: str
) -> None:
    done = proctor(home, "jobs", *asked, "--run", str(tmp_path / "run"))
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
