"""`proctor replay`, `explain` and `policy what-if` over a recorded exam: SQLite and a folder."""

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from bench.what_if import EXAM, record
from proctor.bootstrap_evidence import open_recordings
from proctor.bootstrap_stores import open_sql
from proctor.domain.alerts import Alert
from proctor.domain.ids import SessionId
from proctor.domain.observations import Observation
from proctor.domain.recordings import RecordingKey
from proctor.replaying import compare_all, judge_again
from proctor.services.what_if import Rejudged, Skipped, rejudged
from proctor.settings import Settings
from tests.fakes import facts

ROOT = Path(__file__).parents[3]
SESSIONS = 4


def seen(index: int, at_ms: int) -> tuple[Observation, ...]:
    """The first candidate stays; the others leave for longer and longer; one speaks."""
    found: list[Observation] = facts.media_come() if at_ms == 0 else []
    if at_ms % 400 == 0:
        is_away = 10_000 <= at_ms < 10_000 + 4_000 * index
        found.append(facts.faces(at_ms) if is_away else facts.faces(at_ms, facts.face()))
    if index == 2:
        found.append(facts.speech(at_ms, 180 if 20_000 <= at_ms < 26_000 else 0))
    return tuple(found)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded") / "home"


@pytest.fixture(scope="module")
def keys(home: Path) -> list[RecordingKey]:
    chosen = Settings(home=home, _env_file=None)
    return list(asyncio.run(record(chosen, SESSIONS, 40, facts.STANDARD_POLICY, seen)))


def proctor(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"PROCTOR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def committed(home: Path, key: RecordingKey) -> list[Alert]:
    async def work() -> list[Alert]:
        stores = open_sql(Settings(home=home, _env_file=None))
        try:
            return list(await stores.archive.of_session(key.tenant_id, key.session_id))
        finally:
            await stores.close()

    return asyncio.run(work())


def test_a_session_replays_to_the_hash_that_its_end_wrote_down(
    home: Path, keys: list[RecordingKey]
) -> None:
    done = proctor(home, "replay", keys[2].session_id, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["alerts"] == len(committed(home, keys[2])) == 4
    assert told["alert_log_sha256"] == told["committed_sha256"] == told["footer_sha256"]
    log = proctor(home, "replay", keys[2].session_id, "--log").stdout
    assert hashlib.sha256(log.encode()).hexdigest() == told["alert_log_sha256"]
    shown = proctor(home, "replay", keys[2].session_id).stdout
    assert told["alert_log_sha256"] in shown
    assert "the same as what was committed live" in shown


def test_an_exam_replays_to_one_hash_in_one_process_and_in_two(
    home: Path, keys: list[RecordingKey]
) -> None:
    alone, together = (
        proctor(home, "replay", "--exam", EXAM, "--processes", count) for count in ("1", "2")
    )
    assert alone.returncode == together.returncode == 0
    assert alone.stdout == together.stdout
    assert alone.stdout.count("the same as what was committed live") == SESSIONS
    assert re.search(rf"{SESSIONS} sessions, sha256 of all [0-9a-f]{{64}}", alone.stdout)


def test_another_policy_shows_what_it_would_have_told(
    home: Path, keys: list[RecordingKey], tmp_path: Path
) -> None:
    other = tmp_path / "patient.yaml"
    text = facts.STANDARD_POLICY.replace("for_ms: 3000", "for_ms: 7000", 1)
    other.write_text(text.replace("voiced_ms: 1500 ", "voiced_ms: 1000 ", 1), encoding="utf-8")
    done = proctor(home, "replay", keys[1].session_id, "--policy", str(other))
    assert done.returncode == 0
    assert "- 10.0 s no_face opened (medium)" in done.stdout
    assert "- 14.0 s no_face closed (medium)" in done.stdout
    ranked = proctor(home, "policy", "what-if", str(other), "--exam", EXAM, "--processes", "1")
    assert ranked.returncode == 0
    assert "no_face 1 > 0" in ranked.stdout
    assert f"{SESSIONS} sessions, 4 incidents > 3; 1 sessions change" in ranked.stdout
    rows = [
        json.loads(line)
        for line in proctor(
            home, "policy", "what-if", str(other), "--exam", EXAM, "--json"
        ).stdout.splitlines()
    ]
    first, *_, last = rows
    assert first["session_id"] == keys[2].session_id
    assert first["rank"][1] == 1
    assert first["priority"][1] > last["priority"][1]
    assert {row["session_id"] for row in rows} == {key.session_id for key in keys}


def test_an_alert_is_explained_and_recomputed(home: Path, keys: list[RecordingKey]) -> None:
    alert = committed(home, keys[2])[0]
    done = proctor(home, "explain", alert.alert_id)
    assert done.returncode == 0
    for part in (
        "No face, opened at 10.0 s, severity medium",
        alert.reason,
        "  when:\n    signal: no_face",
        "signal no_face from 10.0 s to open",
        f"model detector 1 sha256 {'d' * 64}",
        f"frame sha256 {alert.frame_digest}",
        "recomputed from the recording: the same",
    ):
        assert part in done.stdout
    told = json.loads(proctor(home, "explain", alert.alert_id, "--json").stdout)
    assert told["same"] is True and told["alert"] == told["recomputed"]


def test_a_recording_is_a_table_that_others_read(
    home: Path, keys: list[RecordingKey], tmp_path: Path
) -> None:
    file = tmp_path / "session.arrow"
    done = proctor(home, "replay", keys[3].session_id, "--save", str(file))
    assert done.returncode == 0
    with pa.ipc.open_file(file) as reader:
        frame = reader.read_pandas()
    assert list(frame["kind"][:2]) == ["begin", "consume"]
    assert frame["kind"].iloc[-1] == "end"
    assert frame["no"].is_monotonic_increasing
    assert set(frame["observations"].explode().dropna()) == {"stream_state", "faces_seen"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("replay",), "name a session, or an exam"),
        (("replay", "ses_none"), "no session ses_none"),
        (("replay", "--exam", "exa_none"), "no recordings of exam exa_none"),
        (("explain", "alr_none"), "no alert alr_none"),
    ],
)
def test_what_is_not_there_is_one_line(
    home: Path, keys: list[RecordingKey], arguments: tuple[str, ...], told: str
) -> None:
    done = proctor(home, *arguments)
    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1


def test_a_database_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = proctor(tmp_path / "empty", "replay", "ses_x")
    assert done.returncode == 1
    assert "proctor migrate" in done.stderr and done.stderr.count("\n") == 1


def test_a_recording_that_was_tampered_with_is_told(home: Path, keys: list[RecordingKey]) -> None:
    """Last of all: it cuts the newest segment of a session off."""
    chosen = Settings(home=home, _env_file=None)
    recordings = open_recordings(chosen)
    found = asyncio.run(recordings.read(keys[1]))
    assert found.footer is not None and found.footer.retention_days == 30
    folder = home / "recordings" / "sessions" / "default" / EXAM / SessionId(keys[1].session_id)
    (segment,) = folder.glob("*.arrow")
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2])
    done = proctor(home, "replay", keys[1].session_id)
    assert done.returncode == 2
    assert done.stderr.startswith("proctor: no recording")
    segment.write_bytes(data)


async def test_a_try_in_a_process_beside_the_door_says_what_the_command_says(
    home: Path, keys: list[RecordingKey]
) -> None:
    chosen = Settings(home=home, _env_file=None)
    missing = replace(keys[0], session_id=SessionId("ses_never_recorded"))
    asked = [keys[1], keys[2], missing]
    found = [one async for one in judge_again(chosen, asked, facts.STANDARD_POLICY)]
    same = await asyncio.to_thread(compare_all, chosen, asked[:2], facts.STANDARD_POLICY, 1)
    assert found[:2] == [rejudged(one) for one in same]
    assert isinstance(found[2], Skipped) and found[2].session_id == missing.session_id
    assert all(one.before == one.after for one in found[:2] if isinstance(one, Rejudged))
