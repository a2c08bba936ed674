"""Bearer tokens: JSON Web Tokens signed with Ed25519, checked against keys that lie in files.

A key folder holds `signing-key.pem` (0600, ours, made on first start) and `trusted/NAME.pem`: public
keys of other issuers, whose tokens must say `iss: NAME`. A token names its key by thumbprint (`kid`).
Nothing in a token is followed: no `jwk`, `jku`, `x5u` or `crit` is honoured and nothing is fetched.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proctor.domain.errors import InvalidInput, Unauthorized
from proctor.domain.ids import SessionId, TenantId, new_id
from proctor.domain.roles import Principal, Role
from proctor.ports import Clock

ALGORITHM = "EdDSA"
ACCESS = "access"
SIGNING_KEY = "signing-key.pem"
TRUSTED = "trusted"
MAX_LIFETIME = timedelta(hours=24)
MAX_TOKEN_CHARS = 4096
LEEWAY_S = 5  # clocks of two machines; RFC 7519 4.1.4 allows a few minutes, we need seconds
REFUSED_HEADERS = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and the only issuer that may use it."""

    issuer: str
    key: Ed25519PublicKey


class _Claims(BaseModel):
    """What an access token must say, to the last type."""

    model_config = ConfigDict(strict=True, extra="ignore")

    iss: str = Field(min_length=1, max_length=128)
    aud: str
    sub: str = Field(min_length=1, max_length=128)
    jti: str = Field(min_length=1, max_length=64)
    iat: int = Field(ge=0, lt=1 << 40)
    nbf: int = Field(ge=0, lt=1 << 40)
    exp: int = Field(ge=0, lt=1 << 40)
    typ: str
    tenant: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    role: Role = Field(strict=False)  # a string in the token
    session: str | None = Field(default=None, min_length=1, max_length=64)


def make_keys(folder: Path) -> Path:
    """Make a signing key in `folder` unless there is one; return its path.

    The file is 0600 from its first byte and the folder 0700. There is no default key.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / TRUSTED).mkdir(exist_ok=True, mode=0o700)
    path = folder / SIGNING_KEY
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    fresh = path.with_name(f".{SIGNING_KEY}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # unlike a rename this never replaces a key that another process made
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path


def _signing_key(folder: Path) -> Ed25519PrivateKey:
    path = folder / SIGNING_KEY
    try:
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"the token key {path} cannot be read ({error.strerror}); `proctor up` makes one",
            "config/token-key",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInput(
            f"the token key {path} can be read by others; run `chmod 600 {path}`",
            "config/token-key",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{path} holds no private key", "config/token-key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"the token key {path} must be Ed25519", "config/token-key")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{path} holds no public key", "config/token-key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(f"the trusted key {path} must be Ed25519", "config/token-key")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """The key's name in tokens: the first 16 hex digits of the sha256 of its 32 raw bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


class TokenIssuer:
    """Signs our own tokens; implements `TokenMint`."""

    def __init__(
        self,
        folder: Path,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        max_lifetime: timedelta = MAX_LIFETIME,
    ) -> None:
        self._key = _signing_key(folder)
        self._kid = key_id(self._key.public_key())
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._max_lifetime = max_lifetime

    def mint(
        self,
        subject: str,
        tenant_id: TenantId,
        role: Role,
        lifetime: timedelta,
        session_id: SessionId | None = None,
    ) -> str:
        """A signed access token.

        Raises:
            InvalidInput: The lifetime is not within the cap, a claim has no valid form, or a
                candidate has no session (or somebody else has one).
        """
        if not timedelta(seconds=1) <= lifetime <= self._max_lifetime:
            hours = self._max_lifetime.total_seconds() / 3600
            raise InvalidInput(f"a token lives between 1 s and {hours:g} h", "token/lifetime")
        if (role is Role.CANDIDATE) != (session_id is not None):
            raise InvalidInput("a candidate's token, and no other, names a session", "token/claims")
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "jti": new_id("tok"),
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime.total_seconds()),
            "typ": ACCESS,
            "tenant": tenant_id,
            "role": role.value,
        }
        if session_id is not None:
            claims["session"] = session_id
        try:
            _Claims.model_validate(claims)
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise InvalidInput(f"a token cannot say this: {field}", "token/claims") from None
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._kid})


class TokenVerifier:
    """Checks tokens of ours and of trusted issuers; implements `TokenCheck`."""

    def __init__(
        self,
        folder: Path,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        max_lifetime: timedelta = MAX_LIFETIME,
    ) -> None:
        ours = _signing_key(folder).public_key()
        self._keys = {key_id(ours): TrustedKey(issuer, ours)}
        for path in sorted((folder / TRUSTED).glob("*.pem")):
            key = _public_key(path)
            self._keys.setdefault(key_id(key), TrustedKey(path.stem, key))
        self._audience = audience
        self._clock = clock
        self._max_lifetime = max_lifetime

    def check(self, token: str) -> Principal:
        """Who this is.

        Raises:
            Unauthorized: `auth/invalid-token` (form, algorithm, key, signature),
                `auth/wrong-audience` (aud or iss), `auth/wrong-type`, `auth/expired`, or
                `auth/invalid-claims` (missing, of a wrong type, not yet valid, living too long).
        """
        payload = self._verified(token)
        if payload.get("typ") != ACCESS:
            raise Unauthorized("this is no access token", "auth/wrong-type")
        try:
            claims = _Claims.model_validate(payload)
        except ValidationError:
            raise Unauthorized(
                "the token lacks a claim, or one has a wrong form", "auth/invalid-claims"
            ) from None
        now = self._clock.now().timestamp()
        if claims.exp <= now:
            raise Unauthorized("the token has expired; get a new one", "auth/expired")
        lifetime_s = claims.exp - min(claims.iat, claims.nbf)
        if (
            max(claims.iat, claims.nbf) > now + LEEWAY_S
            or lifetime_s > self._max_lifetime.total_seconds()
        ):
            raise Unauthorized(
                "the token is not valid yet, or lives longer than is allowed", "auth/invalid-claims"
            )
        if (claims.role is Role.CANDIDATE) != (claims.session is not None):
            raise Unauthorized(
                "a candidate's token, and no other, names a session", "auth/invalid-claims"
            )
        return Principal(
            subject=claims.sub,
            tenant_id=TenantId(claims.tenant),
            role=claims.role,
            token_id=claims.jti,
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
            session_id=SessionId(claims.session) if claims.session is not None else None,
        )

    def _verified(self, token: str) -> dict[str, Any]:
        """The claims, once form, algorithm, key, signature, audience and issuer are believed."""
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise Unauthorized("the token is malformed")
        try:
            header = jwt.get_unverified_header(token)
            trusted = self._keys.get(str(header.get("kid")))
            if trusted is None or REFUSED_HEADERS & header.keys():
                raise Unauthorized("the token was signed with a key that is not trusted here")
            return jwt.decode(
                token,
                trusted.key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=trusted.issuer,
                # Times are checked above against our own clock.
                options={
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise Unauthorized(
                "the token is meant for another place", "auth/wrong-audience"
            ) from None
        except jwt.MissingRequiredClaimError as error:
            code = "auth/wrong-audience" if error.claim in ("aud", "iss") else "auth/invalid-claims"
            raise Unauthorized("the token lacks a claim", code) from None
        except jwt.PyJWTError:
            raise Unauthorized("the token is malformed or its signature is wrong") from None
