"""The actors on a real Ray: what is refused, what dies, what comes back and under which process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `ray_site` saw."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.actors.ray_site", str(tmp_path_factory.mktemp("home"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_host_answers_and_refuses_with_the_product_s_own_errors(played: dict[str, Any]) -> None:
    assert played["answer"] == "answer"
    assert played["refusal"] == {"type": "InvalidInput", "code": "webrtc/no-video"}
    assert played["sessions"] == 1
    assert played["unknown"] == "service/unavailable"


def test_a_killed_host_comes_back_empty_and_takes_the_session_again(played: dict[str, Any]) -> None:
    assert played["while_dead"] == {"type": "Unavailable", "code": "service/unavailable"}
    assert played["host_pid_changed"]
    assert played["after_restart"] == {"type": "NotFound", "code": "resource/not-found"}
    assert played["resumed"] == 2


def test_a_killed_shard_comes_back_and_the_end_of_a_session_waits_for_it(
    played: dict[str, Any],
) -> None:
    assert played["acknowledged"] == [1, 2]
    assert played["shard_while_dead"]["type"] == "Unavailable"
    assert played["shard_pid_changed"]


def test_a_deploy_makes_new_hosts_moves_the_sessions_and_ends_the_old_ones(
    played: dict[str, Any],
) -> None:
    assert played["while_alone"] is None, "the old host serves until there is another"
    assert played["draining"] == ["proctor-host-0"]
    assert played["moved"] == 4
    assert played["after_deploy"] == {"proctor-host-1": 1, "proctor-shard-0": 0}


def test_actors_are_restarted_removed_and_made_again_by_name(played: dict[str, Any]) -> None:
    assert played["restarted_pid_changed"]
    assert played["names_after_removal"] == ["proctor-shard-0"]
    assert played["made_again"] == ["proctor-host-0", "proctor-shard-0"]
