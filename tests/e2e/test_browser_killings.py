"""Processes die in the middle of a session: nothing is lost or doubled, and nobody is accused."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import footage
from tests.e2e.support.browser import Candidate, candidate_page
from tests.e2e.support.system import (
    System,
    assert_coverage_adds_up,
    get_session,
    new_session,
    post,
    replayed_hash,
    session_alerts,
    wait_for_alert,
)

pytestmark = pytest.mark.e2e


def kill(system: System, kind: str) -> list[int]:
    """Kill every process of a kind by pid, as a crash would."""
    pids = system.pids(kind)
    assert pids, f"no {kind} process is running"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


async def current_video(client: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    session = await get_session(client, session_id)
    parts = [part for part in session["coverage"] if part["modality"] == "video"]
    return parts[-1] if parts else {"state": "none", "reason": None}


async def wait_until_monitored(
    client: httpx.AsyncClient, session_id: str, candidate: Candidate, limit_s: float
) -> None:
    last: dict[str, Any] = {}
    for _ in range(round(limit_s / 0.25)):
        last = await current_video(client, session_id)
        if last["state"] == "monitored":
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"still {last} after {limit_s} s; the page: {await candidate.state()}")


async def wait_for_new_processes(system: System, kind: str, dead: list[int]) -> None:
    for _ in range(60):
        alive = system.pids(kind)
        if alive and not set(alive) & set(dead):
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"no {kind} came back after {dead}")


async def test_killing_host_replica_and_shard_in_turn(
    system: System, media: Path, tmp_path: Path
) -> None:
    video, sound = tmp_path / "camera.y4m", tmp_path / "microphone.wav"
    footage.write_gaze_clip(video, media)
    footage.write_quiet(sound, 20)

    async with system.client() as client:
        session_id, join_url = await new_session(client, "killings")
        async with candidate_page(f"{join_url}&auto=1", video, sound) as candidate:
            await wait_until_monitored(client, session_id, candidate, 10)
            await wait_for_alert(client, session_id, "looking_away", 20)

            for kind in ("host", "perception", "shard"):
                dead = kill(system, kind)
                await wait_for_new_processes(system, kind, dead)
                await wait_until_monitored(client, session_id, candidate, 30)
                before = len(await session_alerts(client, session_id))
                for _ in range(100):  # the clip looks away once per turn: alerts go on coming
                    if len(await session_alerts(client, session_id)) > before:
                        break
                    await asyncio.sleep(0.25)
                else:
                    raise AssertionError(f"no alert within 25 s after the {kind} was killed")

            await post(client, f"/v1/sessions/{session_id}/end", {})
        session = await get_session(client, session_id)
        alerts = await session_alerts(client, session_id)
        await replayed_hash(system, client, session_id)

    assert_coverage_adds_up(session)
    reasons = {part["reason"] for part in session["coverage"]}
    assert {"host_lost", "shard_lost"} <= reasons
    assert [alert["seq"] for alert in alerts] == list(range(1, len(alerts) + 1))
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    per_incident = Counter((alert["incident_id"], alert["transition"]) for alert in alerts)
    assert all(count == 1 for count in per_incident.values())
    opened = {key[0] for key in per_incident if key[1] == "opened"}
    closed = {key[0] for key in per_incident if key[1] == "closed"}
    assert opened == closed
    # the browser plays its clip in a loop, and that the same pictures come again is told as well
    accusations = {a["rule_id"] for a in alerts if a["category"] not in ("coverage", "integrity")}
    assert accusations == {"looking_away"}
