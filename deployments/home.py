"""The folder in which the product keeps everything, and who may read it: its owner."""

import json
import os
import secrets
import stat
from pathlib import Path

from pydantic import BaseModel, SecretStr

from deployments.processes import Mark
from proctor.domain.errors import InvalidInput


def make_private_folder(folder: Path) -> Path:
    """Make it (0700) and take away what others may do with it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, from its first byte on."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    beside.replace(path)
    return path


def require_private(path: Path) -> Path:
    """Raises `InvalidInput` unless the file exists and is closed to group and others (TRUST B47)."""
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; `proctor up` makes it on its first start")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInput(f"{path} can be read by others; run: chmod 600 {path}")
    return path


def ray_token(home: Path) -> Path:
    """The file with the token of our Ray, made once, 0600."""
    path = home / "ray.token"
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return require_private(path)


class RunFile(BaseModel):
    """What a running launcher leaves for `proctor ps` and for the next start, 0600.

    Attributes:
        launcher: Its process.
        redis: The private redis-server's process; None when another was named.
        redis_url: The live state, password included.
        base_url: Where the HTTP door is.
    """

    launcher: Mark
    redis: Mark | None
    redis_url: SecretStr
    base_url: str

    @classmethod
    def read(cls, home: Path) -> "RunFile | None":
        """The note in this home; None when there is none."""
        try:
            return cls.model_validate_json(_run_file(home).read_text())
        except FileNotFoundError:
            return None

    def write(self, home: Path) -> None:
        """Leave the note."""
        fields = self.model_dump() | {"redis_url": self.redis_url.get_secret_value()}
        write_private(_run_file(home), json.dumps(fields))


def remove_run_file(home: Path) -> None:
    """Nothing runs from this home any more."""
    _run_file(home).unlink(missing_ok=True)


def _run_file(home: Path) -> Path:
    return home / "run" / "cluster.json"
