"""Processes are told apart by what they are, and only ours are ended."""

import os
import subprocess
import sys

import psutil
import pytest

from deployments.processes import Mark, end_leftovers, family, kind_of, running, total


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("ray::SessionHostActor.join", "host"),
        ("ray::FusionActor", "shard"),
        ("ray::ServeReplica:proctor:perception", "perception"),
        ("ray::ServeReplica:proctor:perception-face", "perception"),
        ("ray::ServeReplica:proctor:gateway", "gateway"),
        ("ray::ServeReplica:live:live", "live"),
        ("ray::ServeReplica:reconciler:reconciler", "reconciler"),
        ("ray::ServeReplica:dispatcher:dispatcher", "dispatcher"),
        ("ray::ServeController", "serve-controller"),
        ("ray::ProxyActor", "proxy"),
        ("ray::IDLE", "ray-idle"),
        ("ray::DashboardAgent", "ray-agent"),
        ("/x/ray/core/src/ray/gcs/gcs_server --log_dir=/tmp", "gcs"),
        ("/x/ray/core/src/ray/raylet/raylet --raylet_socket_name=x", "raylet"),
        ("python -u /x/ray/_private/log_monitor.py", "ray-agent"),
        ("/usr/bin/redis-server 127.0.0.1:123", "redis"),
        ("vi notes", "other"),
    ],
)
def test_a_process_is_known_by_its_title(command: str, kind: str) -> None:
    assert kind_of(command) == kind


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_mark_tells_a_process_from_a_later_one_of_the_same_id() -> None:
    process = sleeper()
    try:
        mark = Mark.of(process.pid)
        found = mark.find()
        assert found is not None
        assert found.pid == process.pid
        assert Mark(pid=process.pid, created_s=mark.created_s - 1).find() is None
    finally:
        process.kill()
        process.wait()
    assert mark.find() is None


def test_what_stays_is_killed_and_what_has_gone_is_not_looked_for() -> None:
    gone, stays = sleeper(), sleeper()
    processes = [psutil.Process(gone.pid), psutil.Process(stays.pid)]
    gone.kill()
    gone.wait()
    assert end_leftovers(processes, 0.2) == [stays.pid]
    assert not psutil.pid_exists(stays.pid)
    stays.wait()


def test_a_family_is_listed_with_names_memory_and_time() -> None:
    child = sleeper()
    try:
        rows = running(os.getpid(), {child.pid: "proctor-host-0"})
        by_pid = {row.pid: row for row in rows}
        assert by_pid[os.getpid()].kind == "launcher"
        assert by_pid[child.pid].name == "proctor-host-0"
        memory_mb, cpu_s = total(rows)
        assert memory_mb > by_pid[child.pid].pss_mb > 0
        assert cpu_s > 0
    finally:
        child.kill()
        child.wait()
    assert family(child.pid) == []
