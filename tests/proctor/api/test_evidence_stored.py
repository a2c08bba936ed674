"""The whole way over a folder and over S3: handed over, sealed, stored, linked to, sought in, over."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.evidence.objects import ObjectEvidence
from proctor.adapters.evidence.spool import FolderSpool
from proctor.domain.errors import NotFound
from proctor.domain.evidence import PieceKind
from proctor.domain.incidents import EvidenceStatus
from proctor.ports import EvidenceObjects
from proctor.services.evidence.ending import EndEvidence
from proctor.services.evidence.keeper import SpoolingKeeper
from tests.contract.evidence_samples import CANARY, piece
from tests.contract.test_recordings import make_bucket, s3, use_s3
from tests.fakes.api import FakeApi
from tests.fakes.evidence import FakeEvidenceEnds
from tests.fakes.metrics import FakeMetrics
from tests.proctor.api.test_evidence import Case

__all__ = ["s3"]
LARGE = (CANARY + bytes(range(200))) * 53_000  # 12 MB: three parts in S3


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.service)])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EvidenceObjects:
    if request.param == "folder":
        return ObjectEvidence((tmp_path / "evidence").as_uri())
    endpoint = request.getfixturevalue("s3")
    bucket = f"w{abs(hash(request.node.name))}"
    await make_bucket(endpoint, bucket)
    use_s3(monkeypatch, endpoint)
    return ObjectEvidence(f"s3+http://{bucket}/evidence")


@pytest.fixture
async def case(store: EvidenceObjects, tmp_path: Path) -> AsyncIterator[Case]:
    api = FakeApi(tmp_path, store=store)
    yield await Case(api).build()
    await api.close()


def spooled(folder: Path) -> list[bytes]:
    with contextlib.suppress(FileNotFoundError):  # it went up meanwhile
        return [path.read_bytes() for path in (folder / "spool").rglob("evd_*")]
    return [b"something"]


async def hand_over(case: Case, store: EvidenceObjects, folder: Path) -> None:
    """As a session host does; until all of it lies in the store."""
    spool = FolderSpool(folder / "spool")
    keeper = SpoolingKeeper(
        keys=case.api.subject_keys,
        spool=spool,
        objects=store,
        ledger=case.api.evidence,
        clock=case.api.clock,
        metrics=FakeMetrics(),
        most_bytes=100_000_000,
    )
    digest = hashlib.sha256(LARGE).hexdigest()
    clip = replace(piece(PieceKind.CLIP, at_ms=50), content=LARGE, sha256=digest)
    case.api.database.evidence.clear()
    await keeper.keep(case.order, [piece(), clip])
    assert spooled(folder) and not any(CANARY in sealed for sealed in spooled(folder))
    await keeper.step()
    for _ in range(500):
        if not spooled(folder):
            break
        await asyncio.sleep(0.02)
    spool.close()
    pieces = {one.ref.kind: one for one, _ in case.api.database.evidence.values()}
    case.ref = pieces[PieceKind.CLIP].ref


async def test_a_clip_goes_all_the_way_and_its_link_ends(
    case: Case, store: EvidenceObjects, tmp_path: Path
) -> None:
    await hand_over(case, store, tmp_path)
    listed = (await case.listed()).json()
    assert listed["status"] == EvidenceStatus.STORED
    assert CANARY not in await store.get(case.ref.object_key)
    url = await case.link()
    whole = await case.api.client.get(url)
    assert (whole.status_code, whole.content) == (200, LARGE)
    last = await case.api.client.get(url, headers={"Range": "bytes=-1000"})
    assert (last.status_code, last.content) == (206, LARGE[-1000:])
    middle = await case.api.client.get(url, headers={"Range": "bytes=6000000-6000099"})
    assert middle.content == LARGE[6_000_000:6_000_100]
    assert middle.headers["content-range"] == f"bytes 6000000-6000099/{len(LARGE)}"
    assert len(case.views()) == 3
    await case.api.clock.advance(300_000)
    assert (await case.api.client.get(url)).status_code == 403


async def test_it_is_gone_when_its_exams_days_are_over(
    case: Case, store: EvidenceObjects, tmp_path: Path
) -> None:
    await hand_over(case, store, tmp_path)
    api, ref = case.api, case.ref
    end = EndEvidence(FakeEvidenceEnds(api.database), store, api.clock)
    await api.sessions.end(ref.tenant_id, ref.session_id, api.clock.now())
    await api.clock.advance(timedelta(days=30) // timedelta(milliseconds=1) - 1)
    assert await end.erase_due() == 0
    assert await store.get(ref.object_key)
    await api.clock.advance(1)
    assert await end.erase_due() == 1
    with pytest.raises(NotFound):
        await store.get(ref.object_key)
    assert (await case.ask()).status_code == 404
