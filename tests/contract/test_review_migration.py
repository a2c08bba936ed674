"""What stood in payloads and intervals before is asked of columns afterwards, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from sqlalchemy import insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from proctor.adapters.sql.database import Database
from proctor.adapters.sql.migrate import downgrade, upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.adapters.sql.tables import candidates, coverage, exams, sessions, tenants
from proctor.domain.coverage import CoverageState
from proctor.domain.desk import QueueFilter
from proctor.domain.ids import IncidentId
from proctor.domain.incidents import Evidence, EvidenceStatus, Incident
from tests.contract.samples import ACME, NOON, exam, incident
from tests.contract.servers import Postgres

OLD_COLUMNS = (
    "incident_id, tenant_id, exam_id, session_id, candidate_id, rule_id, category, severity, "
    "opened_ms, closed_ms, verdict, payload"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the migration before."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/old.db"
    else:
        cluster: Postgres = request.getfixturevalue("postgres")

        async def fresh() -> None:
            engine = create_async_engine(cluster.url, isolation_level="AUTOCOMMIT")
            async with engine.connect() as connection:
                await connection.execute(text("DROP DATABASE IF EXISTS old_review"))
                await connection.execute(text("CREATE DATABASE old_review"))
            await engine.dispose()

        asyncio.run(fresh())
        url = make_url(cluster.url).set(database="old_review").render_as_string(False)
    upgrade(url, "0006")
    return url


async def test_incidents_and_coverage_of_before_are_found_by_the_desk(old_url: str) -> None:
    stored = replace(
        incident(opened_ms=1_500),
        evidence=Evidence(status=EvidenceStatus.LOST),
        suppressed_by="break",
    )
    columns = {name: getattr(stored, name) for name in OLD_COLUMNS.split(", ")[:-1]}
    row = {name: str(value) if value is not None else None for name, value in columns.items()}
    row |= {"opened_ms": 1_500, "closed_ms": None}
    row["payload"] = TypeAdapter(Incident).dump_json(stored).decode()
    database = Database(old_url)
    known = exam()
    async with database.writing() as connection:
        await connection.execute(insert(tenants).values(tenant_id=ACME, name="Acme"))
        await connection.execute(
            insert(exams).values(**{n: getattr(known, n) for n in known.__dataclass_fields__})
        )
        whose = {"tenant_id": ACME, "candidate_id": "cnd_1"}
        await connection.execute(
            insert(candidates).values(**whose, external_ref="r", created_at=NOON)
        )
        await connection.execute(
            insert(sessions).values(
                **whose,
                session_id="ses_1",
                exam_id="exm_1",
                state="live",
                epoch=1,
                created_at=NOON,
                started_at=NOON + timedelta(seconds=10),
            )
        )
        spots = ", ".join(f":{name}" for name in OLD_COLUMNS.split(", "))
        await connection.execute(
            text(f"INSERT INTO incidents ({OLD_COLUMNS}) VALUES ({spots})"), row
        )
        covered = {"tenant_id": ACME, "session_id": "ses_1", "modality": "video"}
        for ordinal, (state, reason, start, end) in enumerate(
            [
                ("monitored", None, 0, 100),
                ("blind", "covered", 100, 130),
                ("monitored", None, 130, None),
            ]
        ):
            await connection.execute(
                insert(coverage).values(
                    **covered,
                    ordinal=ordinal,
                    state=state,
                    reason=reason,
                    start_ms=start,
                    end_ms=end,
                )
            )
    await database.close()
    await asyncio.to_thread(upgrade, old_url)
    stores = SqlStores(old_url)
    await stores.open()
    line = await stores.desk.line(ACME, IncidentId("inc_1"))
    assert (line.policy_id, line.policy_version) == ("standard", 3)
    assert (line.evidence, line.suppressed_by) == (EvidenceStatus.LOST, "break")
    seconds = abs((line.opened_at - NOON - timedelta(seconds=11.5)).total_seconds())
    assert seconds < 0.002  # SQLite reckons in milliseconds
    (card,) = await stores.desk.queue(ACME, QueueFilter(), None, 9)
    told = {(each.state, each.closed_ms, each.open_since_ms) for each in card.coverage}
    assert told == {(CoverageState.MONITORED, 100, 130), (CoverageState.BLIND, 30, None)}
    await stores.close()
    await asyncio.to_thread(downgrade, old_url, "0006")
    database = Database(old_url)
    async with database.reading() as connection:
        left = await connection.scalar(text("SELECT count(*) FROM incidents"))
    await database.close()
    assert left == 1
