"""Key rings beyond the file: a vault that is away, slow, sealed or wrong, and a cloud's KMS."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from moto import mock_aws

from proctor.adapters import vault_keys
from proctor.adapters.aws_keys import AwsKeyRing
from proctor.adapters.clock import SystemClock
from proctor.adapters.envelope_keys import KEPT_MS, RENEW_MS, EnvelopeKeyRing
from proctor.adapters.key_rings import MovedRing, rotating_ring, secrets_ring, wrapping_ring
from proctor.adapters.keys import FileKeyRing
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.errors import InvalidInput, KeysUnavailable
from proctor.domain.ids import CandidateId, TenantId
from proctor.ports import KeyRing
from tests.fakes.clock import FakeClock
from tests.fakes.vault import TOKEN, FakeVault

SECRET, WHOSE = b"canary: a small secret", b"tenant|candidate|1"
ACME, ANN = TenantId("acme"), CandidateId("cnd_ann")


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    made = FakeVault({("transit", "proctor"): [AESGCM.generate_key(256)]}).start()
    yield made
    made.stop()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def ring_of(vault: FakeVault, token: Path, key: str = "proctor") -> vault_keys.VaultKeyRing:
    found = rotating_ring(f"vault+http://{vault.address}/transit/{key}", Path("unused"), token)
    assert isinstance(found, vault_keys.VaultKeyRing)
    return found


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        kms = boto3.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/proctor", TargetKeyId=key)
        yield "awskms:///alias/proctor"


@pytest.fixture(params=["file", "vault", "awskms", "envelope", "moved"])
def ring(request: pytest.FixtureRequest, vault: FakeVault, token: Path, tmp_path: Path) -> KeyRing:
    if request.param == "file":
        return FileKeyRing(tmp_path / "keys.json")
    if request.param == "awskms":
        return rotating_ring(request.getfixturevalue("aws"), tmp_path, None)
    inner = ring_of(vault, token)
    if request.param == "envelope":
        return EnvelopeKeyRing(inner, FakeClock())
    return MovedRing(inner, tmp_path / "keys.json") if request.param == "moved" else inner


def test_what_any_ring_seals_opens_with_the_same_associated_data_only(ring: KeyRing) -> None:
    sealed = ring.seal(SECRET, WHOSE)
    assert SECRET not in sealed
    assert ring.open(sealed, WHOSE) == SECRET
    with pytest.raises(InvalidInput) as refused:
        ring.open(sealed, b"tenant|another|1")
    assert refused.value.code == "keys/unreadable"


def test_any_ring_notices_a_changed_byte_and_a_cut(ring: KeyRing) -> None:
    told = InvalidInput if not isinstance(ring, AwsKeyRing) else (InvalidInput, KeysUnavailable)
    sealed = ring.seal(SECRET, WHOSE)  # moto's begins with the key's id: another one is not there
    step = max(1, len(sealed) // 40)
    for at in range(0, len(sealed), step):
        with pytest.raises(told):
            ring.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], WHOSE)
        with pytest.raises(told):
            ring.open(sealed[:at], WHOSE)


def test_a_vaults_key_is_rotated_and_old_and_new_are_both_readable(
    vault: FakeVault, token: Path
) -> None:
    ring = ring_of(vault, token)
    old = ring.seal(SECRET, WHOSE)
    assert ring.rotate() == 2
    new = ring.seal(SECRET, WHOSE)
    assert (b"vault:v1:" in old, b"vault:v2:" in new) == (True, True)
    restarted = ring_of(vault, token)
    assert [restarted.open(each, WHOSE) for each in (old, new)] == [SECRET, SECRET]
    assert restarted.versions() == (1, 2)
    vault.least_version = 2  # as an operator does once nothing needs the old one
    with pytest.raises(InvalidInput) as refused:
        ring.open(old, WHOSE)
    assert refused.value.code == "keys/unknown"


@pytest.mark.parametrize("status", [403, 404, 412, 429, 472, 500, 502, 503])
def test_a_vault_that_refuses_is_away_and_says_nothing_of_what_was_sent(
    vault: FakeVault, token: Path, status: int
) -> None:
    ring = ring_of(vault, token)
    sealed = ring.seal(SECRET, WHOSE)
    vault.status = status
    for call in (lambda: ring.seal(SECRET, WHOSE), lambda: ring.open(sealed, WHOSE)):
        with pytest.raises(KeysUnavailable) as away:
            call()
        assert str(away.value) == f"the vault answers {status}"
        assert away.value.retryable


def test_a_vault_that_is_slow_is_given_up(
    vault: FakeVault, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_keys, "TIMEOUT_S", 0.2)
    ring = ring_of(vault, token)
    vault.slow_s = 0.6
    with pytest.raises(KeysUnavailable, match="ReadTimeout"):
        ring.seal(SECRET, WHOSE)


def test_a_vault_without_the_key_or_with_a_stale_token_is_away(
    vault: FakeVault, token: Path
) -> None:
    with pytest.raises(KeysUnavailable):
        ring_of(vault, token, "another").seal(SECRET, WHOSE)
    ring = ring_of(vault, token)
    token.write_text("stale")
    with pytest.raises(KeysUnavailable, match="403"):
        ring.seal(SECRET, WHOSE)
    token.write_text(TOKEN)  # an agent renewed it
    assert ring.open(ring.seal(SECRET, WHOSE), WHOSE) == SECRET
    token.unlink()
    with pytest.raises(KeysUnavailable):
        ring.seal(SECRET, WHOSE)


def test_another_key_of_the_vault_does_not_open(vault: FakeVault, token: Path) -> None:
    vault.keys[("transit", "other")] = [AESGCM.generate_key(256)]
    sealed = ring_of(vault, token).seal(SECRET, WHOSE)
    with pytest.raises(InvalidInput):
        ring_of(vault, token, "other").open(sealed, WHOSE)


def test_small_secrets_ask_the_vault_once_and_outlive_it(vault: FakeVault, token: Path) -> None:
    clock = FakeClock()
    ring = EnvelopeKeyRing(ring_of(vault, token), clock)
    sealed = [ring.seal(SECRET, WHOSE) for _ in range(50)]
    assert len(vault.calls) == 1
    vault.status = 503
    assert [ring.open(each, WHOSE) for each in sealed] == [SECRET] * 50
    asyncio.run(clock.advance(RENEW_MS))
    assert ring.open(ring.seal(SECRET, WHOSE), WHOSE) == SECRET
    asyncio.run(clock.advance(KEPT_MS - RENEW_MS))
    with pytest.raises(KeysUnavailable):
        ring.seal(SECRET, WHOSE)
    with pytest.raises(KeysUnavailable):  # a process that starts now knows no key at all
        EnvelopeKeyRing(ring_of(vault, token), clock).open(sealed[0], WHOSE)
    vault.status = 0
    again = ring.seal(SECRET, WHOSE)
    assert EnvelopeKeyRing(ring_of(vault, token), clock).open(again, WHOSE) == SECRET


def test_what_the_file_sealed_is_read_after_a_move_to_a_vault(
    vault: FakeVault, token: Path, tmp_path: Path
) -> None:
    file, url = tmp_path / "keys.json", f"vault+http://{vault.address}/transit/proctor"
    old = FileKeyRing(file).seal(SECRET, WHOSE)
    for ring in (wrapping_ring(url, file, token), secrets_ring(url, file, token, SystemClock())):
        assert ring.open(old, WHOSE) == SECRET
        assert ring.open(ring.seal(SECRET, WHOSE), WHOSE) == SECRET
    file.unlink()
    with pytest.raises(InvalidInput):
        wrapping_ring(url, file, token).open(old, WHOSE)


async def test_a_candidates_key_is_wrapped_by_the_vault_and_wrapped_anew_after_a_rotation(
    vault: FakeVault, token: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(upgrade, f"sqlite:///{tmp_path}/proctor.db")
    stores, ring = SqlStores(f"sqlite:///{tmp_path}/proctor.db"), ring_of(vault, token)
    keys = stores.subject_keys(ring, FakeClock())
    sealed = await keys.seal(ACME, ANN, "a.jpg", SECRET)
    ring.rotate()
    assert await keys.rewrap() == 1
    vault.least_version = 2  # nothing needs the first version any more
    again = stores.subject_keys(ring_of(vault, token), FakeClock())
    assert await again.open(ACME, ANN, "a.jpg", sealed) == SECRET
    await keys.destroy(ACME, ANN)
    vault.status = 503
    with pytest.raises(KeysUnavailable):
        await keys.seal(ACME, CandidateId("cnd_bob"), "a.jpg", SECRET)
    assert SECRET not in b"".join(_files(tmp_path))
    await stores.close()


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("proctor.db*")]


def test_kms_rotates_by_itself_and_on_demand(aws: str, tmp_path: Path) -> None:
    ring = rotating_ring(aws, tmp_path, None)
    old = ring.seal(SECRET, WHOSE)
    ring.rotate()
    assert ring.open(old, WHOSE) == SECRET
    assert ring.versions()[0] == 1


def test_a_kms_that_is_away_or_has_no_such_key_is_unavailable(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeysUnavailable, match="NotFoundException"):
        rotating_ring("awskms:///alias/none", tmp_path, None).seal(SECRET, WHOSE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "vault://host",
        "vault://host/key",
        "vault://me:pw@host/transit/key",
        "awskms://",
        "awskms:///",
        "gcpkms:///x",
        "https://host/transit/key",
    ],
)
def test_a_url_of_no_ring_is_refused_without_repeating_it(url: str, token: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        rotating_ring(url, Path("unused"), token)
    assert refused.value.code == "settings/key-ring"
    assert "pw" not in refused.value.detail


def test_a_vault_without_a_token_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match="key_ring_token"):
        rotating_ring("vault://host:8200/transit/key", Path("unused"), None)
    assert shutil.which("vault") is None  # once there is one, test against it, too
