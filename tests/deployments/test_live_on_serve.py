"""The readers' deployment on a real Serve: its gRPC door, and what Serve's proxy does to slow readers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.serve_site import ALL

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the clients of `serve_site` saw."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.deployments.serve_site",
            str(tmp_path_factory.mktemp("home")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_grpc_door_is_on_this_machine_s_own_address_only(played: dict[str, Any]) -> None:
    assert {address.removeprefix("::ffff:") for address in played["listens_on"]} == {"127.0.0.1"}


def test_a_call_goes_through_serve_s_proxy(played: dict[str, Any]) -> None:
    assert played["first"] == [[296, 297, 298, 299, 300], "caught up"]


def test_refusals_reach_the_client_as_they_were_meant(played: dict[str, Any]) -> None:
    assert played["refusals"][:-1] == [
        "UNAUTHENTICATED auth/missing",
        "UNAUTHENTICATED auth/invalid-token",
        "PERMISSION_DENIED authz/forbidden",
        "INVALID_ARGUMENT cursor/ahead",
        "INVALID_ARGUMENT request/invalid",
        played["refusals"][5],
    ]
    assert played["refusals"][5].startswith("RESOURCE_EXHAUSTED"), "five megabytes of a filter"
    assert played["refusals"][-1].startswith("DEADLINE_EXCEEDED")


def test_nobody_is_told_which_services_there_are(played: dict[str, Any]) -> None:
    assert played["reflected"] == "UNIMPLEMENTED"


def test_f33_a_stream_that_is_cut_goes_on_without_a_gap(played: dict[str, Any]) -> None:
    cut = played["cut"]
    assert cut["is_whole"] and cut["cuts"] >= 3
    assert any(end.startswith("UNAVAILABLE") for end in cut["ends"])
    assert "OK" in cut["ends"], "a window ended a call, too"
    assert played["ended"]["grpc client"] >= 3, "the replica noticed that its clients were gone"


def test_f32_a_socket_that_never_reads_is_closed_and_others_do_not_notice(
    played: dict[str, Any],
) -> None:
    """Serve's proxy takes everything at once: without the window all 400 would be under way."""
    told = played["socket"]
    assert told["other"] == ALL
    assert told["code"] == 1013
    assert 0 < told["late"] < ALL / 2
    assert played["ended"]["alerts 1013"] == 1


def test_event_streams_come_whole_and_a_reader_that_never_reads_gets_one_window(
    played: dict[str, Any],
) -> None:
    assert played["events"]["is_whole"] and played["events"]["answers"] > 1
    assert (
        played["ended"]["sse window"] == played["events"]["answers"]
    )  # one less, and the stuck one's
