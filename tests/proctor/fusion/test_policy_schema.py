"""The published schema is the code's, takes every preset and refuses what is plainly wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from proctor.fusion.policy_schema import policy_schema_text

POLICIES = Path(__file__).resolve().parents[3] / "policies"
PRESETS = sorted(POLICIES.glob("*.yaml"))
SCHEMA = json.loads((POLICIES / "policy.schema.json").read_text(encoding="utf-8"))


def test_the_committed_schema_is_the_code_s() -> None:
    assert (POLICIES / "policy.schema.json").read_text(encoding="utf-8") == policy_schema_text(), (
        "run `proctor policy schema > policies/policy.schema.json`"
    )
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_it_takes_every_preset(preset: Path) -> None:
    tree = yaml.safe_load(preset.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(SCHEMA).iter_errors(tree)) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("version",), "1"),
        (("version",), 0),
        (("is_admin",), True),
        (("language",), "english"),
        (("rules",), []),
        (("sampling", "face_hz"), "1.0"),
        (("sampling", "face_hz"), 0),
        (("sampling", "audio"), "yes"),
        (("sensing", "gaze", "yaw_deg"), 5),
        (("sensing", "gaze", "dwel_ms"), 100),
        (("sensing", "objects", "allowed"), "book"),
        (("enrolment", "challenge"), "maybe"),
        (("rules", 0, "severity"), "urgent"),
        (("rules", 0, "category"), "guilt"),
        (("rules", 0, "id"), "No Face"),
        (("rules", 0, "title"), {}),
        (("rules", 0, "title"), {"english": "x"}),
        (("rules", 0, "unmeasured"), True),
        (("rules", 0, "escalate"), {"after_ms": 50, "severity": "high"}),
        (("rules", 0, "when"), {"signal": "phone"}),
        (("rules", 0, "when"), {"signal": "no_face", "not": {"signal": "speech"}}),
        (("rules", 0, "when"), {"maybe": []}),
        (("rules", 0, "when"), {"all": []}),
        (("rules", 0, "when"), {"within": {"signal": "speech"}}),
        (("rules", 0, "when"), {"count": {"signal": "speech", "at_least": 1, "last_ms": 9000}}),
        (("rules", 0, "when"), {"not": {"count": {"signal": "fear"}}}),
        (("groups",), {"looks": {"window_ms": 1}}),
    ],
)
def test_it_refuses_what_is_plainly_wrong(where: tuple[str | int, ...], value: object) -> None:
    tree: Any = yaml.safe_load((POLICIES / "standard.yaml").read_text(encoding="utf-8"))
    inner = tree
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    assert not Draft202012Validator(SCHEMA).is_valid(tree)
