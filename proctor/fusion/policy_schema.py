"""The JSON Schema of a policy: what an editor can check while one is written.

It knows names, types and bounds. What parts ask of one another only `proctor policy check` knows.
"""

import json
from typing import Any

from proctor.fusion.policy import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_ID = "urn:rayproctor:schema:policy:1"


def policy_schema() -> dict[str, Any]:
    """The schema as a value (JSON Schema 2020-12)."""
    made = _closed(Policy.model_json_schema(by_alias=True))
    for told in ("title", "description"):
        del made[told]
    challenge = made["$defs"]["Enrolment"]["properties"]["challenge"]
    challenge.pop("type")
    challenge["enum"].append(False)  # what YAML 1.1 makes of an unquoted `off`
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        "title": "A policy of RayProctor",
        "description": "How often to look, what counts, and what a proctor is told (docs/policy.md).",
        **made,
    }


def _closed(part: Any) -> Any:
    """The same, with nothing taken beside the names that match a pattern."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(value) for name, value in part.items()}
    if "patternProperties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def policy_schema_text() -> str:
    """The schema as it is printed and committed."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"
