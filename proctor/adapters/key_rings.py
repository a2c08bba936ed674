"""The key ring by URL: a file, Vault's transit engine, or a cloud's KMS.

What the key file sealed stays readable after a site has moved to a vault, as long as the file is there.
"""

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from proctor.adapters.envelope_keys import EnvelopeKeyRing
from proctor.adapters.keys import FORMAT as FILE_FORMAT
from proctor.adapters.keys import FileKeyRing
from proctor.domain.errors import InvalidInput
from proctor.ports import Clock, KeyRing

FILE = "file"
_VAULT = {"vault": "https", "vault+http": "http"}
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class RotatingRing(KeyRing, Protocol):
    """A key ring whose key can be rotated."""

    def rotate(self) -> int:
        """Add a version that seals from now on; old ones still open. Returns the newest."""
        ...

    def versions(self) -> tuple[int, ...]:
        """The versions that there are, oldest first."""
        ...


class MovedRing:
    """A ring, and the key file that sealed before it."""

    def __init__(self, ring: KeyRing, file: Path) -> None:
        self._ring = ring
        self._file = file

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt with the ring of now."""
        return self._ring.seal(plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt with whichever sealed it. Raises as `KeyRing.open`."""
        if sealed.startswith(FILE_FORMAT) and self._file.exists():
            return FileKeyRing(self._file).open(sealed, associated)
        return self._ring.open(sealed, associated)


def rotating_ring(url: str, key_file: Path, token_file: Path | None) -> RotatingRing:
    """The ring of a URL itself.

    Raises:
        InvalidInput: The URL names none (settings/key-ring), or the ring cannot be used.
    """
    if url == FILE:
        return FileKeyRing(key_file)
    parts = urlsplit(url)
    if parts.scheme in _VAULT:
        mount, _, key = unquote(parts.path.strip("/")).rpartition("/")
        if not (parts.hostname and mount and _NAME.fullmatch(key)) or parts.username:
            raise InvalidInput("use vault://host:port/mount/key", "settings/key-ring")
        if token_file is None:
            raise InvalidInput("a vault needs key_ring_token, a file", "settings/key-ring")
        from proctor.adapters.vault_keys import VaultKeyRing

        return VaultKeyRing(f"{_VAULT[parts.scheme]}://{parts.netloc}", mount, key, token_file)
    if parts.scheme == "awskms" and parts.path.strip("/") and not parts.netloc:
        from proctor.adapters.aws_keys import AwsKeyRing

        return AwsKeyRing(unquote(parts.path.lstrip("/")))
    raise InvalidInput(
        "key_ring must be file, vault://host:port/mount/key or awskms:///alias/name",
        "settings/key-ring",
    )


def wrapping_ring(url: str, key_file: Path, token_file: Path | None) -> KeyRing:
    """What wraps candidates' data keys: the ring itself, called on a thread. Raises `InvalidInput`."""
    ring = rotating_ring(url, key_file, token_file)
    return ring if url == FILE else MovedRing(ring, key_file)


def secrets_ring(url: str, key_file: Path, token_file: Path | None, clock: Clock) -> KeyRing:
    """What seals small secrets (templates, webhooks' secrets, kept answers). Raises `InvalidInput`."""
    ring = rotating_ring(url, key_file, token_file)
    return ring if url == FILE else MovedRing(EnvelopeKeyRing(ring, clock), key_file)
