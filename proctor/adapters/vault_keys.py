"""`KeyRing` in HashiCorp Vault (or OpenBao): the transit engine, whose keys never leave it.

The key must be of an AEAD type (`aes256-gcm96`, the default of transit), for what is sealed is bound
to its associated data. Every call is one HTTP request; callers that must be quick use
`EnvelopeKeyRing` over this.
"""

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from proctor.domain.errors import InvalidInput, KeysUnavailable

FORMAT = b"\x03"
TIMEOUT_S = 2.0
_SEALED = re.compile(
    FORMAT
    + rb"(vault:v[1-9][0-9]*:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?))"
)
_WRONG = ("authentication failed", "invalid ciphertext", "no prefix", "could not decrypt")
_TOO_OLD = ("too old", "disallowed by policy")


class VaultKeyRing:
    """One key of one transit mount.

    Args:
        address: `https://host:port`.
        mount: Where the engine is mounted, `transit` mostly.
        key: The key's name.
        token_file: Holds the token; read at each call, so that an agent may renew it.
    """

    def __init__(self, address: str, mount: str, key: str, token_file: Path) -> None:
        self._mount, self._key = quote(mount), quote(key, safe="")
        self._token_file = token_file
        self._client = httpx.Client(base_url=address, timeout=TIMEOUT_S)

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt with the newest version. Raises `KeysUnavailable`."""
        answer = self._post("encrypt", plaintext=plain, associated_data=associated)
        return FORMAT + str(answer["ciphertext"]).encode()

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises `InvalidInput` when altered, moved or of another key; `KeysUnavailable`."""
        found = _SEALED.fullmatch(sealed)
        # decoders forgive stray bits of base64; what was sealed has one form
        if found is None or base64.b64encode(base64.b64decode(found[2])) != found[2]:
            raise InvalidInput("this was not sealed by the vault", "keys/unreadable")
        ciphertext = found[1].decode()
        answer = self._post("decrypt", ciphertext=ciphertext, associated_data=associated)
        return base64.b64decode(str(answer["plaintext"]))

    def rotate(self) -> int:
        """Add a version that seals from now on; old ones still open. Returns the newest."""
        self._request("POST", f"keys/{self._key}/rotate", {})
        return max(self.versions(), default=0)

    def versions(self) -> tuple[int, ...]:
        """The versions that there are, oldest first."""
        answer = self._request("GET", f"keys/{self._key}", None)
        return tuple(sorted(int(version) for version in answer.get("keys", {})))

    def _post(self, what: str, **fields: bytes | str) -> dict[str, Any]:
        body = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        return self._request("POST", f"{what}/{self._key}", body)

    def _request(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
        """Never says what was sent: an error may be logged."""
        try:
            token = self._token_file.read_text(encoding="utf-8").strip()
            headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
            url = f"/v1/{self._mount}/{path}"
            answer = self._client.request(method, url, json=body, headers=headers)
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            raise KeysUnavailable(f"the vault is away ({type(error).__name__})") from None
        if answer.status_code == 400:
            raise _refusal(answer)
        if not answer.is_success:
            raise KeysUnavailable(f"the vault answers {answer.status_code}")
        if answer.status_code == 204 or not answer.content:
            return {}
        try:
            data = answer.json()["data"]
        except (ValueError, KeyError, TypeError):
            raise KeysUnavailable("the vault's answer cannot be read") from None
        return data if isinstance(data, dict) else {}


def _refusal(answer: httpx.Response) -> Exception:
    """What is wrong for ever is `InvalidInput`; a key that is missing is set up wrong, and may come."""
    told = answer.text.lower()
    if any(word in told for word in _WRONG):
        return InvalidInput(
            "sealed data were altered, moved, or are another key's", "keys/unreadable"
        )
    if any(word in told for word in _TOO_OLD):
        return InvalidInput("the vault no longer opens this version", "keys/unknown")
    return KeysUnavailable("the vault refuses: see whether the key exists and is of an AEAD type")
