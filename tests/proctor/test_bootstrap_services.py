"""The composition root puts real keys, policies and settings behind the API."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from proctor.adapters.seal import make_proof_key
from proctor.adapters.tokens import make_keys
from proctor.api.app import create_app
from proctor.bootstrap import build_services, open_tokens
from proctor.bootstrap_stores import Stores
from proctor.domain.candidates import ModelRef
from proctor.domain.errors import InvalidInput, PolicyRefused
from proctor.domain.ids import TenantId
from proctor.domain.roles import Role
from proctor.services.policies import PolicyChoice
from proctor.settings import Settings
from tests.fakes.api import CALIBRATION
from tests.fakes.casework import FakeCaseStore
from tests.fakes.clock import FakeClock
from tests.fakes.deliveries import FakeDeliveryStore, FakeSinkStore
from tests.fakes.desk import FakeFigureStore, FakeReviewDesk
from tests.fakes.evidence import FakeAuditLog, FakeEvidenceEnds, FakeEvidenceLedger
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.facts import STANDARD_POLICY
from tests.fakes.judges import FakeJudges
from tests.fakes.live_state import FakeCheckpoints, FakeLiveState
from tests.fakes.notices import FakeNoticeStore
from tests.fakes.perception import EMBEDDING, FakePerception
from tests.fakes.placement import FakePlacement
from tests.fakes.policies import FakePolicyStore
from tests.fakes.proof import FakeChainStore, FakeErasureStore
from tests.fakes.recordings import FakeAlertArchive
from tests.fakes.stores import (
    FakeAlertFeed,
    FakeAllowanceStore,
    FakeCandidateStore,
    FakeDatabase,
    FakeExamStore,
    FakeIncidentStore,
    FakePriorityStore,
    FakeSessionStore,
    FakeVerdictStore,
)
from tests.fakes.subject_keys import FakeSubjectKeys


def stores() -> Stores:
    database = FakeDatabase()
    return Stores(
        exams=FakeExamStore(database),
        policies=FakePolicyStore(database),
        candidates=FakeCandidateStore(database),
        sessions=FakeSessionStore(database),
        incidents=FakeIncidentStore(database),
        feed=FakeAlertFeed(database),
        archive=FakeAlertArchive(database),
        allowances=FakeAllowanceStore(database),
        verdicts=FakeVerdictStore(database),
        priorities=FakePriorityStore(database),
        desk=FakeReviewDesk(database),
        cases=FakeCaseStore(database),
        figures=FakeFigureStore(database),
        live=FakeLiveState(),
        checkpoints=FakeCheckpoints(),
        faces=FakeFaceIndex(),
        sinks=FakeSinkStore(database),
        deliveries=FakeDeliveryStore(database),
        evidence=FakeEvidenceLedger(database),
        evidence_ends=FakeEvidenceEnds(database),
        audit=FakeAuditLog(database),
        chain=FakeChainStore(database),
        erasures=FakeErasureStore(database),
        keys=FakeSubjectKeys(),
        notices=FakeNoticeStore(database),
    )


def settings(home: Path) -> Settings:
    return Settings(home=home, public_url="https://exams.example", _env_file=None)  # type: ignore[call-arg]


def build(known: Settings, embedding: ModelRef = EMBEDDING):  # type: ignore[no-untyped-def]
    make_proof_key(known.home / "proof-key.pem")
    return build_services(
        known,
        stores(),
        perception=FakePerception(FakeClock()),
        placement=FakePlacement(),
        judges=FakeJudges(),
        calibrations={EMBEDDING: CALIBRATION},
        embedding=embedding,
    )


async def test_the_door_opens_with_a_token_of_the_launchers_key(tmp_path: Path) -> None:
    known = settings(tmp_path)
    make_keys(tmp_path / "tokens")
    app = create_app(build(known))
    issuer, _ = open_tokens(known)
    token = issuer.mint("ada", TenantId("acme"), Role.ADMIN, timedelta(hours=1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        exam = {"title": "Algebra", "policy": "standard", "retention_days": 30}
        made = (await client.post("/v1/exams", json=exam)).json()
        candidate = (await client.post("/v1/candidates", json={"external_ref": "c"})).json()
        session = await client.post(
            "/v1/sessions",
            json={"exam_id": made["exam_id"], "candidate_id": candidate["candidate_id"]},
        )
        assert session.json()["join_url"].startswith("https://exams.example/candidate#ticket=")
        # noted in SQL, looked for in the store of recordings
        unrecorded = session.json()["session"]["session_id"]
        assert (await client.get(f"/v1/sessions/{unrecorded}/observations")).status_code == 404
        assert (await client.get("/console")).status_code == 200
        metrics = await client.get("/metrics")
        assert 'proctor_http_requests_total{method="POST",route="/v1/exams"' in metrics.text


def test_without_a_key_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="proctor up"):
        build(settings(tmp_path))


def test_an_embedding_model_without_calibration_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path / "tokens")
    with pytest.raises(InvalidInput, match="no calibration"):
        build(settings(tmp_path), ModelRef("other", "1"))


async def test_a_policy_is_attached_only_when_the_cases_it_brings_come_out_as_they_must(
    tmp_path: Path,
) -> None:
    make_keys(tmp_path / "tokens")
    policies = build(settings(tmp_path)).policies
    text = STANDARD_POLICY.replace("id: standard", "id: ours", 1)
    case = (
        "cases: [{name: an absence, rules: [no_face], seen: "
        "[{from_s: 0, to_s: 5, faces: 1}, {from_s: 5, to_s: 15, faces: 0}], incidents: "
        "[{rule: no_face, opened_s: %d}]}]"
    )
    acme = TenantId("acme")
    await policies.create(acme, text, [case % 9])
    with pytest.raises(PolicyRefused, match=r"an absence: rule no_face: expected at 9 s"):
        await policies.attach(acme, PolicyChoice(policy_id="ours", version=1))
    await policies.create(acme, text.replace("version: 1", "version: 2", 1), [case % 5])
    policy, _ = await policies.attach(acme, PolicyChoice(policy_id="ours", version=2))
    assert (policy.id, policy.version) == ("ours", 2)
