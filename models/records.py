"""What an operator decided in one models folder: terms accepted, files brought, distances calibrated.

Kept as `records.json` beside the files, so that it travels with them to nodes and mirrors.
"""

import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ModelFileError
from models.manifest import Calibration, Digest

FILENAME = "records.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Acceptance(_Strict):
    """That terms were accepted: when, and by which account of the machine."""

    at: datetime
    by: str


class Brought(_Strict):
    """Which bytes an operator brought for a file without a source of its own.

    Attributes:
        sha256: Digest.
        bytes: Size.
        at: When.
    """

    sha256: Digest
    bytes: int
    at: datetime

    @property
    def version(self) -> str:
        """The bytes are all that is known of the version, so they name it."""
        return self.sha256[:12]


class Records(_Strict):
    """Everything decided in one folder.

    Attributes:
        accepted: Terms by the name under which the manifest asks for them.
        brought: Files by id.
        calibrations: How distances of a brought embedding model are read, by the sha256 of its
            bytes: other bytes, other distances.
    """

    accepted: dict[str, Acceptance] = {}
    brought: dict[str, Brought] = {}
    calibrations: dict[str, Calibration] = {}


def read_records(models_dir: Path) -> Records:
    """What was decided so far; nothing in a folder without records.

    Raises:
        ModelFileError: The file is there but cannot be read.
    """
    path = models_dir / FILENAME
    try:
        return Records.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Records()
    except (ValidationError, OSError) as error:
        raise ModelFileError(f"{path} cannot be read: put it right or remove it") from error


def write_records(models_dir: Path, records: Records) -> None:
    """Replace what was decided, whole or not at all. The caller holds the folder's lock."""
    path = models_dir / FILENAME
    part = path.with_suffix(".part")
    part.write_text(records.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)
