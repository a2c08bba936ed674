"""DELETE /v1/candidates/{id}: everything goes, a receipt stays, and nobody comes back."""

import tempfile
from pathlib import Path

import pytest

from proctor.adapters.recordings.arrow import read_arrow
from proctor.adapters.seal import SealReader
from proctor.domain.errors import NotFound
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.roles import Role
from proctor.services.proof.verify import verify as run_verify
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture

ACME = TenantId("acme")


async def joined(api: FakeApi) -> tuple[str, str]:
    """A candidate with a face and a live session."""
    made = (await api.new_session())["session"]
    files = images(*(picture(seed) for seed in range(3)))
    await api.post(f"/v1/candidates/{made['candidate_id']}/enrolments", files=files)
    token = api.candidate_token(made["candidate_id"], made["session_id"])
    answer = await api.client.post(
        f"/v1/sessions/{made['session_id']}/whip",
        content=OFFER,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"},
    )
    assert answer.status_code == 201, answer.text
    return made["candidate_id"], made["session_id"]


async def erase(api: FakeApi, candidate_id: str, **kwargs: object):  # type: ignore[no-untyped-def]
    kwargs.setdefault("headers", api.as_())
    return await api.client.delete(f"/v1/candidates/{candidate_id}", **kwargs)  # type: ignore[arg-type]


async def test_a_candidate_is_erased_with_a_receipt_that_is_the_same_twice(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    first = await erase(api, candidate_id)
    assert first.status_code == 200
    receipt = first.json()
    assert receipt["receipt_id"].startswith("era_")
    assert (receipt["asked_by"], receipt["candidate_id"]) == ("ada", candidate_id)
    assert receipt["done_at"] is not None
    assert (await erase(api, candidate_id)).json() == receipt
    shown = await api.client.get(f"/v1/candidates/{candidate_id}/erasure", headers=api.as_())
    assert shown.json() == receipt


async def test_a_session_that_goes_on_is_in_the_way_unless_it_is_to_be_stopped(
    api: FakeApi,
) -> None:
    candidate_id, session_id = await joined(api)
    refused = await erase(api, candidate_id)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("erasure/session-live")
    assert await api.faces.newest_version(ACME, CandidateId(candidate_id)) == 1
    assert (await api.client.get(f"/v1/candidates/{candidate_id}", headers=api.as_())).is_success
    done = await erase(api, candidate_id, params={"stop": "true"})
    assert done.status_code == 200, done.text
    session = await api.sessions.get(ACME, SessionId(session_id))
    assert session.state == "ended"
    assert await api.faces.newest_version(ACME, CandidateId(candidate_id)) == 0
    assert api.subject_keys.keys[ACME, CandidateId(candidate_id)] is None


async def test_whoever_is_erased_cannot_come_back(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    exam_id = await api.new_exam()
    await erase(api, candidate_id)
    path = f"/v1/candidates/{candidate_id}"
    files = images(*(picture(seed) for seed in range(3)))
    body = {"exam_id": exam_id, "candidate_id": candidate_id}
    for answer in (
        await api.client.get(path, headers=api.as_()),
        await api.client.post(f"{path}/consents", json=CONSENT, headers=api.as_()),
        await api.client.post(f"{path}/enrolments", files=files, headers=api.as_()),
        await api.client.post("/v1/sessions", json=body, headers=api.as_()),
    ):
        assert answer.status_code == 404, answer.text
    listed = (await api.client.get("/v1/candidates", headers=api.as_())).json()["items"]
    assert candidate_id not in [one["candidate_id"] for one in listed]
    with pytest.raises(NotFound):
        await api.subject_keys.seal(ACME, CandidateId(candidate_id), "x", b"canary")
    await api.new_candidate(ref="c-1")  # the integrator's own name is free again, for another row


async def test_an_unknown_candidate_and_another_tenants_are_told_alike(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    others = {"headers": api.as_(tenant="other")}
    for answer in (
        await erase(api, "can_unknown"),
        await erase(api, candidate_id, **others),
        await api.client.get(f"/v1/candidates/{candidate_id}/erasure", **others),
        await api.client.get(f"/v1/candidates/{candidate_id}/erasure", headers=api.as_()),
    ):
        assert answer.status_code == 404
    assert (await erase(api, candidate_id)).status_code == 200
    assert (await erase(api, candidate_id, **others)).status_code == 404


@pytest.mark.parametrize("role", [Role.PROCTOR, Role.REVIEWER, Role.ANALYST])
async def test_only_admins_and_services_erase(api: FakeApi, role: Role) -> None:
    candidate_id = await api.new_candidate()
    assert (await erase(api, candidate_id, headers=api.as_(role))).status_code == 403


async def test_a_candidate_cannot_erase_anybody(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    token = api.candidate_token(made["candidate_id"], made["session_id"])
    headers = {"Authorization": f"Bearer {token}"}
    assert (await erase(api, made["candidate_id"], headers=headers)).status_code == 403


async def test_what_breaks_off_is_owed_and_is_done_by_the_next_call(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    api.faces.down = True
    assert (await erase(api, candidate_id)).status_code == 503
    owed = await api.client.get(f"/v1/candidates/{candidate_id}/erasure", headers=api.as_())
    assert owed.json()["done_at"] is None
    api.faces.down = False
    done = (await erase(api, candidate_id)).json()
    assert done["receipt_id"] == owed.json()["receipt_id"]
    assert done["done_at"] is not None


async def test_without_a_place_for_its_tombstone_nothing_is_begun(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    api.elsewhere.down = True
    assert (await erase(api, candidate_id)).status_code == 503
    assert (await api.client.get(f"/v1/candidates/{candidate_id}", headers=api.as_())).is_success


async def test_the_key_of_proof_is_published_for_everybody(api: FakeApi) -> None:
    answer = await api.client.get("/v1/keys/checkpoints")
    [key] = answer.json()["keys"]
    assert (key["kty"], key["crv"], key["kid"]) == ("OKP", "Ed25519", api.seal.kid)
    assert "d" not in key
    reader = SealReader.from_pem(api.seal.pem().encode())
    assert reader.as_jwk() == key
    assert reader.read("kind", api.seal.sign("kind", b"canary")) == b"canary"


async def test_a_session_is_exported_as_a_file_that_verifies_and_nothing_stays_on_the_disk(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
    _, session_id = await joined(api)
    path = f"/v1/sessions/{session_id}/export"
    answer = await api.client.post(path, headers=api.as_(Role.REVIEWER, subject="rita"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/zip"
    (tmp_path / "export.zip").write_bytes(answer.content)
    report = run_verify(
        tmp_path / "export.zip", SealReader.from_pem(api.seal.pem().encode()), read_arrow
    )
    assert (report.faults, report.session_id, report.entries) == ([], session_id, 1)
    assert ("acme", "rita", "session.exported", session_id, "evidence sealed") in api.database.audit
    for refused, status in (
        (await api.client.post(path, headers=api.as_(tenant="other")), 404),
        (await api.client.post("/v1/sessions/ses_none/export", headers=api.as_()), 404),
        (await api.client.post(path, headers=api.as_(Role.ANALYST)), 403),
        (await api.client.post(path, params={"evidence": "opened"}, headers=api.as_()), 422),
    ):
        assert refused.status_code == status, refused.text
    api.elsewhere.down = True
    made = (await api.new_session(ref="c-2"))["session"]
    assert (
        await api.client.post(f"/v1/sessions/{made['session_id']}/export", headers=api.as_())
    ).status_code == 404
    assert list((tmp_path / "disk").iterdir()) == []
