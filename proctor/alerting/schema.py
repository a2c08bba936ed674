"""The JSON Schema of an alert's `data`, made from the domain's own type and published with a version.

A change that old consumers cannot read is another version: another `DATA_SCHEMA` and another file, beside
this one. `make generate` writes the file; run as a module this does.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from proctor.alerting.envelope import DATA_SCHEMA
from proctor.domain.alerts import Alert

SCHEMA_FILE = Path(__file__).resolve().parent / "schemas" / "alert.v1.schema.json"


def alert_schema() -> dict[str, Any]:
    """Draft 2020-12, of what `envelope.alert_data` gives. Fields may be added, so more are allowed."""
    made = TypeAdapter(Alert).json_schema(mode="serialization")
    del made["properties"]["tenant_id"]  # stands in the envelope's source
    made["required"] = sorted(made["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATA_SCHEMA,
        **made,
    }


def as_text() -> str:
    """The file."""
    return json.dumps(alert_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(as_text(), encoding="utf-8")
