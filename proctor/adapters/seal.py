"""`Seal` with Ed25519: signs what is kept elsewhere, as JWS in compact form (RFC 7515).

The key is one of its own, so that who may let people in (token keys) cannot write proof. `kid` is
the thumbprint of RFC 7638; `typ` says what was signed, so that nothing passes for something else.
"""

import base64
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from proctor.domain.errors import InvalidInput

ALGORITHM = "EdDSA"


def make_proof_key(path: Path) -> None:
    """Make the key that signs checkpoints unless it is there; 0600 from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # never replaces a key that another process made
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class SealReader:
    """Believes what one public key signed; cannot sign.

    Args:
        key: Whose signatures are believed.
    """

    def __init__(self, key: Ed25519PublicKey) -> None:
        self.public = key
        self.jwk = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw)),
        }
        # RFC 7638: the required members, sorted, without spaces
        thumb = json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()
        self.kid = _base64url(hashlib.sha256(thumb).digest())

    @classmethod
    def from_pem(cls, pem: bytes) -> "SealReader":
        """Raises `InvalidInput` when the text holds no Ed25519 public key."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidInput("this is no public key in PEM", "proof/key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInput("the public key must be Ed25519", "proof/key")
        return cls(key)

    def sign(self, _kind: str, _payload: bytes) -> str:
        """Raises `InvalidInput`: there is no private key here."""
        raise InvalidInput("this process has no key to sign with", "proof/key")

    def read(self, kind: str, signed: str) -> bytes:
        """The payload. Raises `InvalidInput` (proof/signature) when it was not signed as this."""
        try:
            decoded = jwt.api_jws.decode_complete(signed, self.public, algorithms=[ALGORITHM])
        except (jwt.PyJWTError, UnicodeError, ValueError):
            raise InvalidInput("the signature is not by this key", "proof/signature") from None
        header, payload = decoded["header"], decoded["payload"]
        expected = {"alg": ALGORITHM, "kid": self.kid, "typ": kind}
        # decoders forgive stray bits of base64; what was signed has one form
        parts = (_canonical_header(header), payload, decoded["signature"])
        if header != expected or signed != ".".join(map(_base64url, parts)):
            raise InvalidInput("the signature is not by this key", "proof/signature")
        return bytes(payload)

    def pem(self) -> str:
        """The public key, as `proctor verify --key` takes it."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def as_jwk(self) -> dict[str, str]:
        """The public key as JSON Web Key (RFC 8037)."""
        return {**self.jwk, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


class FileSeal(SealReader):
    """Signs with the key in a file that only its owner may read.

    Raises `InvalidInput` when it is not there, others may read it, or it is no such key.
    """

    def __init__(self, path: Path) -> None:
        try:
            mode, pem = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            told = f"{path} cannot be read ({error.strerror}); `proctor up` makes one"
            raise InvalidInput(told, "proof/key") from error
        if stat.S_IMODE(mode) & 0o077:
            raise InvalidInput(f"{path} can be read by others: run chmod 600 {path}", "proof/key")
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InvalidInput(f"{path} holds no private key", "proof/key") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{path} must be an Ed25519 key", "proof/key")
        self._key = key
        super().__init__(key.public_key())

    def sign(self, kind: str, payload: bytes) -> str:
        """Payload and signature in one line of text; `kind` is signed, too."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": kind}
        head = f"{_base64url(_canonical_header(header))}.{_base64url(payload)}"
        return f"{head}.{_base64url(self._key.sign(head.encode()))}"


def _canonical_header(header: Mapping[str, object]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
