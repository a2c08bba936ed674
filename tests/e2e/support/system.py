"""The whole product as its users run it: `proctor up` in a process of its own, spoken to over HTTP."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

PROCTOR = Path(sys.executable).with_name("proctor")
START_LIMIT_S = 180


class System:
    """A running product and an administrator's view of it."""

    def __init__(self, process: subprocess.Popen[str], base_url: str, env: dict[str, str]) -> None:
        self.process = process
        self.base_url = base_url
        self._env = env
        self.token = self.mint("admin")

    def run(self, *arguments: str) -> str:
        """A `proctor` command against the same home; its standard output."""
        done = subprocess.run(
            [str(PROCTOR), *arguments], env=self._env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def mint(self, role: str) -> str:
        """A token for local use."""
        return self.run("token", "--role", role).splitlines()[-1]

    def pids(self, kind: str) -> list[int]:
        """Processes of one kind (`host`, `shard`, `perception`, ...)."""
        found = json.loads(self.run("ps", "--json"))
        return [row["pid"] for row in found if row["kind"] == kind]

    def client(self) -> httpx.AsyncClient:
        """An HTTP client with the administrator's token."""
        return httpx.AsyncClient(
            base_url=self.base_url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        )


async def post(client: httpx.AsyncClient, path: str, body: object) -> dict[str, Any]:
    """POST JSON; the answer's JSON, or a failure that shows the problem."""
    answer = await client.post(path, json=body)
    assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


class EnrolmentRefused(AssertionError):
    """The pictures did not pass the quality gate; the message is the answer."""


async def new_session(
    client: httpx.AsyncClient, name: str, enrol: Sequence[bytes] = ()
) -> tuple[str, str]:
    """An exam, a candidate with consent (enrolled when pictures are given) and a session.

    Returns (session id, join URL).

    Raises:
        EnrolmentRefused: The pictures cannot serve.
    """
    exam = await post(
        client,
        "/v1/exams",
        {"title": "End-to-end exam", "policy": "standard", "retention_days": 1},
    )
    candidate = await post(client, "/v1/candidates", {"external_ref": name})
    identity = candidate["candidate_id"]
    await post(
        client,
        f"/v1/candidates/{identity}/consents",
        {
            "text_version": "1",
            "text_sha256": hashlib.sha256(b"notice").hexdigest(),
            "locale": "en",
            "method": "checkbox",
        },
    )
    if enrol:
        files = [("images", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(enrol)]
        answer = await client.post(f"/v1/candidates/{identity}/enrolments", files=files)
        if answer.status_code == 422:
            raise EnrolmentRefused(answer.text)
        assert answer.status_code == 201, answer.text
    made = await post(
        client, "/v1/sessions", {"exam_id": exam["exam_id"], "candidate_id": identity}
    )
    return made["session"]["session_id"], made["join_url"]


async def get_session(client: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    """The session with its coverage."""
    answer = await client.get(f"/v1/sessions/{session_id}")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def session_alerts(client: httpx.AsyncClient, session_id: str) -> list[dict[str, Any]]:
    """Every alert of a session so far, in order."""
    answer = await client.get("/v1/alerts", params={"session_id": session_id, "limit": 200})
    answer.raise_for_status()
    return [item["alert"] for item in answer.json()["items"]]


async def wait_for_alert(
    client: httpx.AsyncClient, session_id: str, rule: str, limit_s: float
) -> dict[str, Any]:
    """The first opened alert of a rule, or a failure after `limit_s` that shows what came instead."""
    alerts: list[dict[str, Any]] = []
    for _ in range(round(limit_s / 0.25)):
        alerts = await session_alerts(client, session_id)
        for alert in alerts:
            if alert["rule_id"] == rule and alert["transition"] == "opened":
                return alert
        await asyncio.sleep(0.25)
    came = [(a["rule_id"], a["transition"], a["occurred_ms"]) for a in alerts]
    raise AssertionError(f"no {rule} within {limit_s} s; came: {came}")


async def replayed_hash(system: System, client: httpx.AsyncClient, session_id: str) -> str:
    """Judge an ended session's recording again: the hash that both sides told, printed by both."""
    live = None
    for _ in range(80):  # its recording is closed some seconds after the end
        live = (await get_session(client, session_id))["alert_log_sha256"]
        if live is not None:
            break
        await asyncio.sleep(0.25)
    assert live is not None, "the recording was not closed within 20 s"
    told = await asyncio.to_thread(system.run, "replay", session_id, "--json")
    again = json.loads(told)
    print(f"alert log, live:   {live}\nalert log, replay: {again['alert_log_sha256']}")
    assert again["same"] is True, told
    assert again["alert_log_sha256"] == again["footer_sha256"] == live
    return str(live)


def assert_coverage_adds_up(session: dict[str, Any], tolerance_ms: int = 100) -> None:
    """Monitored + degraded + blind = length, without holes or overlaps, for each modality."""
    started = datetime.fromisoformat(session["started_at"])
    ended = datetime.fromisoformat(session["ended_at"])
    length_ms = (ended - started).total_seconds() * 1000
    for modality in ("video", "audio"):
        parts = [part for part in session["coverage"] if part["modality"] == modality]
        assert parts[0]["start_ms"] == 0
        for before, after in pairwise(parts):
            assert before["end_ms"] == after["start_ms"]
        total = sum(part["end_ms"] - part["start_ms"] for part in parts)
        assert abs(total - length_ms) <= tolerance_ms, (modality, total, length_ms)


def share_monitored(session: dict[str, Any], start_ms: int, length_ms: int) -> float:
    """Share of a stretch of an ended session in which the picture was monitored."""
    seen_ms = 0
    for part in session["coverage"]:
        if part["modality"] == "video" and part["state"] == "monitored":
            end_ms = min(part["end_ms"], start_ms + length_ms)
            seen_ms += max(0, end_ms - max(part["start_ms"], start_ms))
    return seen_ms / length_ms


@contextmanager
def running_system(home: Path, **settings: str) -> Iterator[System]:
    """`proctor up` with a home of its own; ends it by signal and checks that it ended in order."""
    env = {**os.environ, "PROCTOR_HOME": str(home), "PROCTOR_PORT": "0"}
    env.setdefault("PROCTOR_MODELS_DIR", str(Path("~/.rayproctor/models").expanduser()))
    env.update({f"PROCTOR_{name.upper()}": value for name, value in settings.items()})
    log = (home / "up.log").open("w")
    process = subprocess.Popen(
        [str(PROCTOR), "up", "--json"], env=env, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"proctor up ended: {(home / 'up.log').read_text()[-2000:]}"
        yield System(process, json.loads(line)["base_url"], env)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
        log.close()
    assert code == 0, f"proctor up ended with {code}"
