"""A policy given as a file."""

from pathlib import Path
from typing import Annotated

import typer

from proctor.domain.errors import InvalidInput

PolicyFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A policy in YAML (policies/*.yaml).")
]


def text_of(file: Path) -> str:
    """What the file says. Raises `InvalidInput` for one that is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", "policy/invalid") from error
