"""Renders the chart with the real helm, offline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "ops" / "chart" / "rayproctor"
HELM = Path(sys.executable).with_name("helm")

NEEDED: dict[str, Any] = {
    "storage": {
        "faces": "s3://exams/faces",
        "recordings": "s3://exams/recordings",
        "evidence": "s3://exams/evidence",
        "checkpoints": "s3://elsewhere/checkpoints",
    },
    "faultTolerance": {"redisAddress": "redis://gcs:6379"},
    "networkPolicy": {"nodes": ["10.0.0.0/16"]},
}
"""What has no default."""


def helm(*arguments: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HELM, *arguments, CHART, "--values", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    done = helm("template", "exams", values=NEEDED | values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def refusal(values: dict[str, Any]) -> str:
    done = helm("template", "exams", values=values)
    assert done.returncode != 0, "rendered, though it should have been refused"
    return done.stderr


def the(kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = [each for each in found if each["kind"] == kind]
    return one


def groups(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Group name -> its pod template."""
    cluster = service["spec"]["rayClusterConfig"]
    workers = {each["groupName"]: each["template"] for each in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"], **workers}
