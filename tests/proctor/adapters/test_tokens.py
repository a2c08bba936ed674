"""Tokens: what is minted is believed, everything else is refused with a code that says why."""

import base64
import hashlib
import hmac
import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from proctor.adapters.tokens import TokenIssuer, TokenVerifier, key_id, make_keys
from proctor.domain.errors import InvalidInput, Unauthorized
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.roles import Role
from tests.fakes.clock import FakeClock

TENANT = TenantId("acme")


class Desk:
    """Keys in a folder, an issuer, a verifier and one clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        make_keys(folder)
        self.issuer = TokenIssuer(folder, issuer="us", audience="us", clock=self.clock)
        self.verifier = self.new_verifier()
        pem = (folder / "signing-key.pem").read_bytes()
        key = load_pem_private_key(pem, password=None)
        assert isinstance(key, Ed25519PrivateKey)
        self.key = key
        self.kid = key_id(key.public_key())

    def new_verifier(self) -> TokenVerifier:
        return TokenVerifier(self.folder, issuer="us", audience="us", clock=self.clock)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": "us",
            "aud": "us",
            "sub": "p1",
            "jti": "tok_1",
            "iat": now,
            "nbf": now,
            "exp": now + 60,
            "typ": "access",
            "tenant": "acme",
            "role": "proctor",
        }
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": self.kid, **headers})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "keys")


def code_of(desk: Desk, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        desk.verifier.check(token)
    assert token == ".." or token not in str(caught.value)
    return caught.value.code


def test_a_minted_token_is_believed_and_says_who(desk: Desk) -> None:
    token = desk.issuer.mint("ana", TENANT, Role.PROCTOR, timedelta(hours=1))
    who = desk.verifier.check(token)
    assert (who.subject, who.tenant_id, who.role) == ("ana", "acme", Role.PROCTOR)
    assert who.session_id is None
    assert who.expires_at == desk.clock.now() + timedelta(hours=1)


def test_a_candidates_token_is_bound_to_one_session(desk: Desk) -> None:
    session = SessionId("ses_1")
    token = desk.issuer.mint("can_1", TENANT, Role.CANDIDATE, timedelta(hours=1), session)
    assert desk.verifier.check(token).session_id == "ses_1"
    with pytest.raises(InvalidInput):
        desk.issuer.mint("can_1", TENANT, Role.CANDIDATE, timedelta(hours=1))
    with pytest.raises(InvalidInput):
        desk.issuer.mint("ana", TENANT, Role.PROCTOR, timedelta(hours=1), session)


def test_two_tokens_have_two_names(desk: Desk) -> None:
    tokens = [desk.issuer.mint("ana", TENANT, Role.ADMIN, timedelta(hours=1)) for _ in range(2)]
    assert len({desk.verifier.check(token).token_id for token in tokens}) == 2


async def test_a_token_expires_by_the_clock_that_was_given(desk: Desk) -> None:
    token = desk.issuer.mint("ana", TENANT, Role.PROCTOR, timedelta(minutes=1))
    await desk.clock.advance(59_000)
    desk.verifier.check(token)
    await desk.clock.advance(1_000)
    assert code_of(desk, token) == "auth/expired"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": None}, "auth/invalid-claims"),
        ({"iat": None}, "auth/invalid-claims"),
        ({"nbf": None}, "auth/invalid-claims"),
        ({"jti": None}, "auth/invalid-claims"),
        ({"sub": None}, "auth/invalid-claims"),
        ({"iss": None}, "auth/wrong-audience"),
        ({"aud": None}, "auth/wrong-audience"),
        ({"typ": None}, "auth/wrong-type"),
        ({"typ": "refresh"}, "auth/wrong-type"),
        ({"typ": "webhook"}, "auth/wrong-type"),
        ({"aud": "them"}, "auth/wrong-audience"),
        ({"aud": ["us", "them"]}, "auth/wrong-audience"),
        ({"iss": "them"}, "auth/wrong-audience"),
        ({"role": "root"}, "auth/invalid-claims"),
        ({"role": ["admin"]}, "auth/invalid-claims"),
        ({"tenant": "a/../b"}, "auth/invalid-claims"),
        ({"tenant": None}, "auth/invalid-claims"),
        ({"exp": "9999999999"}, "auth/invalid-claims"),
        ({"exp": True}, "auth/invalid-claims"),
        ({"session": "ses_1"}, "auth/invalid-claims"),
        ({"role": "candidate"}, "auth/invalid-claims"),
    ],
)
def test_claims_that_are_not_believed(desk: Desk, changes: dict[str, Any], code: str) -> None:
    desk.verifier.check(desk.signed(desk.claims()))
    assert code_of(desk, desk.signed(desk.claims(**changes))) == code


def test_times_that_are_not_believed(desk: Desk) -> None:
    now = int(desk.clock.now().timestamp())
    ten_years = 10 * 365 * 86_400
    assert code_of(desk, desk.signed(desk.claims(exp=now + ten_years))) == "auth/invalid-claims"
    assert code_of(desk, desk.signed(desk.claims(nbf=now + 60))) == "auth/invalid-claims"
    assert code_of(desk, desk.signed(desk.claims(iat=now + 60))) == "auth/invalid-claims"
    # A long life cannot be hidden behind a late iat.
    early = desk.claims(nbf=now - 2 * 86_400, iat=now, exp=now + 3600)
    assert code_of(desk, desk.signed(early)) == "auth/invalid-claims"
    assert code_of(desk, desk.signed(desk.claims(exp=now))) == "auth/expired"


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "0123456789abcdef"},
        {"kid": "../../etc/passwd"},
        {"jku": "http://127.0.0.1:9/keys"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}},
        {"x5u": "http://127.0.0.1:9/cert"},
        {"crit": ["exp"], "exp": 1},
    ],
)
def test_headers_that_lead_elsewhere_are_refused(desk: Desk, headers: dict[str, Any]) -> None:
    assert code_of(desk, desk.signed(desk.claims(), **headers)) == "auth/invalid-token"


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_an_unsigned_token_and_one_signed_with_the_public_key_as_a_secret(desk: Desk) -> None:
    body = _b64(json.dumps(desk.claims()).encode())
    none = _b64(json.dumps({"alg": "none", "kid": desk.kid}).encode())
    assert code_of(desk, f"{none}.{body}.") == "auth/invalid-token"
    raw = desk.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = _b64(json.dumps({"alg": "HS256", "kid": desk.kid}).encode())
    mac = hmac.new(raw, f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert code_of(desk, f"{head}.{body}.{_b64(mac)}") == "auth/invalid-token"


@pytest.mark.parametrize("token", ["..", "qqq", "qq.b", "qq.b.c", ".." * 9, "é.b.c", "x" * 5000])
def test_what_is_no_token(desk: Desk, token: str) -> None:
    assert code_of(desk, token) == "auth/invalid-token"


def test_a_changed_claim_breaks_the_signature(desk: Desk) -> None:
    head, _, signature = desk.signed(desk.claims()).split(".")
    body = _b64(json.dumps(desk.claims(role="admin")).encode())
    assert code_of(desk, f"{head}.{body}.{signature}") == "auth/invalid-token"


def test_a_trusted_issuer_speaks_for_itself_only(desk: Desk) -> None:
    theirs = Ed25519PrivateKey.generate()
    public = theirs.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (desk.folder / "trusted" / "campus.pem").write_bytes(public)
    desk.verifier = desk.new_verifier()
    kid = {"kid": key_id(theirs.public_key())}
    good = jwt.encode(desk.claims(iss="campus"), theirs, algorithm="EdDSA", headers=kid)
    assert desk.verifier.check(good).tenant_id == "acme"
    as_us = jwt.encode(desk.claims(iss="us"), theirs, algorithm="EdDSA", headers=kid)
    assert code_of(desk, as_us) == "auth/wrong-audience"


def test_a_stranger_with_our_key_id_is_refused(desk: Desk) -> None:
    stranger = Ed25519PrivateKey.generate()
    token = jwt.encode(desk.claims(), stranger, algorithm="EdDSA", headers={"kid": desk.kid})
    assert code_of(desk, token) == "auth/invalid-token"


def test_a_lifetime_over_the_cap_is_not_minted(desk: Desk) -> None:
    for lifetime in (timedelta(days=2), timedelta(0), timedelta(seconds=-5)):
        with pytest.raises(InvalidInput):
            desk.issuer.mint("ana", TENANT, Role.PROCTOR, lifetime)
    with pytest.raises(InvalidInput):
        desk.issuer.mint("", TENANT, Role.PROCTOR, timedelta(hours=1))


def test_the_key_is_made_once_private_and_never_replaced(tmp_path: Path) -> None:
    path = make_keys(tmp_path)
    first = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_keys(tmp_path) == path
    assert path.read_bytes() == first
    assert sorted(item.name for item in tmp_path.iterdir()) == ["signing-key.pem", "trusted"]
    assert make_keys(tmp_path / "other").read_bytes() != first


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    def load() -> TokenIssuer:
        return TokenIssuer(tmp_path, issuer="us", audience="us", clock=FakeClock())

    with pytest.raises(InvalidInput, match="proctor up"):
        load()
    path = make_keys(tmp_path)
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        load()
    path.chmod(0o600)
    path.write_bytes(b"secret")
    with pytest.raises(InvalidInput, match="no private key"):
        load()
    (tmp_path / "signing-key.pem").write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    (tmp_path / "trusted" / "bad.pem").write_text("nothing")
    load()
    with pytest.raises(InvalidInput, match="no public key"):
        TokenVerifier(tmp_path, issuer="us", audience="us", clock=FakeClock())
