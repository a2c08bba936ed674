"""`KeyRing` in AWS KMS.

Associated data are bound as encryption context, which CloudTrail shows: names of tenants and
candidates enter it as a hash.
Credentials and region come from the environment, as for every tool of AWS. KMS keeps old key material
by itself, so nothing is wrapped anew after a rotation.
"""

import hashlib
from typing import Any

from proctor.domain.errors import InvalidInput, KeysUnavailable

FORMAT = b"\x05"
TIMEOUT_S = 2.0
_WRONG = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"})


class AwsKeyRing:
    """One key of KMS.

    Args:
        key: `alias/name`, a key's id or its ARN.

    Raises:
        InvalidInput: boto3 is not installed, or no region is set.
    """

    def __init__(self, key: str) -> None:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise InvalidInput(
                "awskms needs boto3: pip install 'rayproctor[aws]'", "settings/key-ring"
            ) from None
        patience = Config(
            connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2}
        )
        self._key = key
        self._away: type[Exception] = BotoCoreError
        self._told: type[Exception] = ClientError
        try:
            self._kms: Any = boto3.client("kms", config=patience)
        except BotoCoreError as error:
            told = f"AWS KMS cannot be used: {error}"
            raise InvalidInput(told, "settings/key-ring") from None

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt, at most 4096 bytes. Raises `KeysUnavailable`."""
        answer = self._call(
            "encrypt", KeyId=self._key, Plaintext=plain, EncryptionContext=_context(associated)
        )
        return FORMAT + bytes(answer["CiphertextBlob"])

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises `InvalidInput` when altered, moved or of another key; `KeysUnavailable`."""
        if not sealed.startswith(FORMAT) or len(sealed) == len(FORMAT):
            raise InvalidInput("this was not sealed by AWS KMS", "keys/unreadable")
        answer = self._call(
            "decrypt",
            KeyId=self._key,
            CiphertextBlob=sealed[len(FORMAT) :],
            EncryptionContext=_context(associated),
        )
        return bytes(answer["Plaintext"])

    def rotate(self) -> int:
        """Have KMS make new key material; returns how many times that was done."""
        self._call("rotate_key_on_demand", KeyId=self._arn())
        return len(self.versions())

    def versions(self) -> tuple[int, ...]:
        """KMS does not name versions: 1, and one more per rotation."""
        answer = self._call("list_key_rotations", KeyId=self._arn())
        return tuple(range(1, len(answer.get("Rotations", ())) + 2))

    def _arn(self) -> str:
        return str(self._call("describe_key", KeyId=self._key)["KeyMetadata"]["KeyId"])

    def _call(self, what: str, **fields: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._kms, what)(**fields)
        except self._told as error:
            code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
            if code in _WRONG and what == "decrypt":
                raise InvalidInput(
                    "sealed data were altered, moved, or are another key's", "keys/unreadable"
                ) from None
            raise KeysUnavailable(f"AWS KMS refuses ({code})") from None
        except self._away as error:
            raise KeysUnavailable(f"AWS KMS is away ({type(error).__name__})") from None
        return answer


def _context(associated: bytes) -> dict[str, str]:
    return {"rayproctor": hashlib.sha256(associated).hexdigest()}
