"""How settings reach the processes of the cluster: as PROCTOR_* variables, inherited from the launcher.

Ray's workers inherit the environment of the node's first process, and nothing of it is in Ray's own
state or logs. On a cluster the image or the cloud sets the same variables.
"""

import json
from pathlib import Path

from pydantic import SecretStr

from proctor.settings import Settings

PREFIX = "PROCTOR_"
ROOT = Path(__file__).resolve().parent.parent


def environment_of(settings: Settings) -> dict[str, str]:
    """Every setting that is not None, secrets in plain; `Settings()` reads back the same."""
    found: dict[str, str] = {}
    for name, value in settings.model_dump().items():
        if isinstance(value, dict | list):
            found[PREFIX + name.upper()] = json.dumps(value, default=_plain)
        elif value is not None:
            found[PREFIX + name.upper()] = _plain(value)
    return found


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
