"""`EvidenceObjects`: what the fake, a folder and S3 do alike; and what S3 does with large ones."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from proctor.adapters.evidence.objects import ObjectEvidence
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import SessionId
from proctor.ports import EvidenceObjects
from tests.contract.evidence_samples import SESSION, ref
from tests.contract.test_recordings import make_bucket, s3, use_s3
from tests.fakes.evidence import FakeEvidenceObjects

__all__ = ["s3"]
KEY = ref().object_key
SEALED = bytes(range(256)) * 20


@pytest.fixture(params=["fake", "folder", pytest.param("s3", marks=pytest.mark.service)])
async def objects(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EvidenceObjects]:
    if request.param == "fake":
        yield FakeEvidenceObjects()
    elif request.param == "folder":
        yield ObjectEvidence((tmp_path / "with space").as_uri())
    else:
        endpoint = request.getfixturevalue("s3")
        bucket = f"e{abs(hash(request.node.name))}"
        await make_bucket(endpoint, bucket)
        use_s3(monkeypatch, endpoint)
        yield ObjectEvidence(f"s3+http://{bucket}/evidence")


async def test_what_is_put_comes_back_and_the_newest_stands(objects: EvidenceObjects) -> None:
    with pytest.raises(NotFound):
        await objects.get(KEY)
    await objects.put(KEY, b"first")
    await objects.put(KEY, SEALED)
    assert await objects.get(KEY) == SEALED


async def test_what_is_erased_is_gone_and_nothing_else(objects: EvidenceObjects) -> None:
    await objects.put(KEY, SEALED)
    await objects.put(KEY + "b", SEALED)
    for _ in range(2):
        await objects.erase([KEY, "acme/exm_1/ses_1/none"])
    with pytest.raises(NotFound):
        await objects.get(KEY)
    assert await objects.get(KEY + "b") == SEALED


async def test_a_session_is_erased_whole_and_its_neighbours_stay(
    objects: EvidenceObjects,
) -> None:
    near = replace(SESSION, session_id=SessionId("ses_10"))
    await objects.put(KEY, SEALED)
    await objects.put(f"{SESSION.folder}/no row names this", SEALED)
    await objects.put(f"{near.folder}/evd_1", SEALED)
    for _ in range(2):
        await objects.erase_session(SESSION)
    with pytest.raises(NotFound):
        await objects.get(KEY)
    assert await objects.get(f"{near.folder}/evd_1") == SEALED


async def test_a_write_that_was_killed_halfway_outlives_no_erasure(tmp_path: Path) -> None:
    """The folder store writes beside, as `name#1`, and lists no such name."""
    objects = ObjectEvidence((tmp_path / "store").as_uri())
    await objects.put(KEY, SEALED)
    near = f"{SESSION.folder}/evd_near"
    await objects.put(near, SEALED)
    for half in (f"{KEY}#1", f"{KEY}#12", f"{near}#1"):
        (tmp_path / "store" / half).write_bytes(SEALED[:100])
    await objects.erase([KEY])
    left = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert sorted(left) == ["evd_near", "evd_near#1"]
    await objects.erase_session(SESSION)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_a_large_clip_goes_up_in_parts_and_comes_back_whole(
    objects: EvidenceObjects,
) -> None:
    large = hashlib.sha256(b"x").digest() * 400_000  # 12.8 MB
    await objects.put(KEY, large)
    assert await objects.get(KEY) == large


async def test_s3_was_given_parts(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(monkeypatch, s3)
    await make_bucket(s3, "parts")
    await ObjectEvidence("s3+http://parts").put("clip", bytes(12_000_000))
    async with httpx.AsyncClient() as client:
        etag = (await client.head(f"{s3}/parts/clip")).headers["etag"]
    assert etag.strip('"').endswith("-3")


@pytest.mark.parametrize("url", ["ftp://x/y", "evidence", "s3://"])
def test_a_url_of_no_store_is_one_line(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        ObjectEvidence(url)
    assert "\n" not in told.value.detail and "evidence_url" in told.value.detail


async def test_names_of_other_systems_lead_nowhere_else(tmp_path: Path) -> None:
    objects = ObjectEvidence((tmp_path / "store").as_uri())
    for tenant in ("../../etc", "a/b", "ümlaut %2e", "."):
        key = ref(tenant_id=tenant).object_key
        await objects.put(key, SEALED)
        assert await objects.get(key) == SEALED
        assert ".." not in key and len(key.split("/")) == 4
    assert os.listdir(tmp_path) == ["store"]
