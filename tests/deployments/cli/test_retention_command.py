"""`proctor retention show`: what is kept, from the settings and a real database."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.ids import ExamId
from tests.contract.samples import ACME, exam
from tests.deployments.cli.test_commands import home, run

__all__ = ["home"]  # the fixture: a home of the test's own


@pytest.fixture
def exams(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three exams of the tenant acme, and evidence in S3."""
    home.mkdir()
    url = f"sqlite:///{home / 'proctor.db'}"
    upgrade(url)
    monkeypatch.setenv("PROCTOR_EVIDENCE_URL", "s3://key:secret@proofs/of/ours")

    async def fill() -> None:
        stores = SqlStores(url)
        await stores.exams.ensure_tenant(ACME, "Acme")
        for number, days in enumerate((7, 30, 30)):
            name = ExamId(f"exm_{number}")
            await stores.exams.add_exam(replace(exam(), exam_id=name, retention_days=days))
        await stores.close()

    asyncio.run(fill())


def test_the_schedule_follows_settings_and_exams(exams: None) -> None:
    done = run("retention", "show", "--tenant", "acme", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["exams"] == {"7": 1, "30": 2}
    evidence = told["kept"][0]
    assert evidence["where"] == "S3, bucket proofs"
    assert evidence["how_long"] == "until 7, 30 days after the session's end, by exam"
    assert "secret" not in done.output
    shown = run("retention", "show", "--tenant", "acme").stdout
    assert "2 exams: 30 days after the session's end" in shown
    assert json.loads(run("retention", "show", "--json").stdout)["exams"] == {}
