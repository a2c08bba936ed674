"""`KeyRing` in a file: AES-256-GCM with versioned keys, for one machine. A vault or KMS comes by the port.

A sealed secret is: format (1 byte), key version (4 bytes, big endian), nonce (12), ciphertext and tag.
The nonce is random: with 96 bits a key may seal 2^32 secrets (NIST SP 800-38D, 8.3) before `rotate`.
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proctor.domain.errors import InvalidInput

FORMAT = b"\x01"
_VERSION_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(FORMAT) + _VERSION_BYTES
_KEY_BYTES = 32


class FileKeyRing:
    """Keys in a JSON file that only its owner may read; made on first use.

    Raises `InvalidInput` on opening when others may read the file, or it is no key ring.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            _create(path)
        self._keys = _read(path)

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt with the newest key; opens only together with the same associated data."""
        version = max(self._keys)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = FORMAT + version.to_bytes(_VERSION_BYTES, "big")
        return head + nonce + AESGCM(self._keys[version]).encrypt(nonce, plain, head + associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt; raises `InvalidInput` when altered or bound to other associated data."""
        head, rest = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        nonce, secret = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        if len(nonce) < _NONCE_BYTES or not head.startswith(FORMAT):
            raise InvalidInput("this was not sealed by this product", "keys/unreadable")
        key = self._key(int.from_bytes(head[len(FORMAT) :], "big"))
        try:
            return AESGCM(key).decrypt(nonce, secret, head + associated)
        except InvalidTag:
            raise InvalidInput("sealed data were altered or moved", "keys/unreadable") from None

    def rotate(self) -> int:
        """Add a key that seals from now on; old ones still open. Returns the new version."""
        with _alone(self._path):
            keys = _read(self._path)
            version = max(keys) + 1
            keys[version] = AESGCM.generate_key(_KEY_BYTES * 8)
            _draft(self._path, keys).replace(self._path)
        self._keys = keys
        return version

    def versions(self) -> tuple[int, ...]:
        """The versions that there are, oldest first."""
        self._keys = _read(self._path)
        return tuple(sorted(self._keys))

    def _key(self, version: int) -> bytes:
        if version not in self._keys:  # rotated by another process meanwhile
            self._keys = _read(self._path)
        if version not in self._keys:
            raise InvalidInput(f"the key ring has no key {version}", "keys/unknown")
        return self._keys[version]


def _create(path: Path) -> None:
    """Make the ring; when several processes do so at once, the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _draft(path, {1: AESGCM.generate_key(_KEY_BYTES * 8)})
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from rotating at the same time: a lost key is lost templates."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _draft(path: Path, keys: dict[int, bytes]) -> Path:
    """A complete, synced file next to the ring, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = {str(version): base64.b64encode(key).decode() for version, key in keys.items()}
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"keys": text}, file)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _read(path: Path) -> dict[int, bytes]:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InvalidInput(
            f"{path} can be read by others: run chmod 600 {path}", "keys/readable-by-others"
        )
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["keys"]
        keys = {int(version): base64.b64decode(key) for version, key in stored.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(f"{path} is no key ring", "keys/no-ring") from None
    if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise InvalidInput(f"{path} is no key ring", "keys/no-ring")
    return keys
