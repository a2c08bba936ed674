"""The words of the notice, one JSON file a language, as they are shipped."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from proctor.services.notices import NoticeText

FOLDER = Path(__file__).resolve().parent / "notices"


@cache
def load_notices(folder: Path = FOLDER) -> Mapping[str, NoticeText]:
    """Every `LOCALE.json` of the folder. Raises `ValueError` or `KeyError` for one that is malformed."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = NoticeText(
            locale=path.stem,
            version=told["version"],
            title=told["title"],
            lead=told["lead"],
            sections=tuple(
                (
                    each["name"],
                    each["heading"],
                    tuple((item.get("when", ""), item["text"]) for item in each["items"]),
                )
                for each in told["sections"]
            ),
            tasks=told["tasks"],
        )
    return found
