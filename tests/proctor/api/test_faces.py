"""Enrolment and verification through the door: consent first, pictures rebuilt, never a score."""

import base64
from typing import Any

import httpx
import numpy as np
import pytest

from proctor.domain.candidates import ModelRef
from proctor.domain.ids import CandidateId, SessionId, TenantId
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture
from tests.fakes.perception import Scene, Trouble, embedding_of

SHOTS = images(picture(1), picture(2), picture(3))
ACME = TenantId("acme")


async def enroll(
    api: FakeApi, candidate_id: str, files: Any = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await api.client.post(
        f"/v1/candidates/{candidate_id}/enrolments",
        files=SHOTS if files is None else files,
        headers=headers or api.as_(),
    )


async def verify(api: FakeApi, candidate_id: str, files: Any = None) -> httpx.Response:
    return await api.client.post(
        f"/v1/candidates/{candidate_id}/verifications",
        files=SHOTS if files is None else files,
        headers=api.as_(),
    )


@pytest.mark.parametrize("call", [enroll, verify])
async def test_without_consent_nothing_is_computed(api: FakeApi, call: Any) -> None:
    candidate_id = await api.new_candidate(consent=False)
    refused = await call(api, candidate_id)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent/required")
    await api.post(
        f"/v1/candidates/{candidate_id}/consents",
        {"text_version": "1", "text_sha256": "a" * 64, "locale": "de", "method": "paper"},
    )
    assert (await enroll(api, candidate_id)).status_code == 201
    asked = len(api.perception.asked)
    path = f"/v1/candidates/{candidate_id}/consents"
    assert (await api.client.delete(path, headers=api.as_())).status_code == 204
    assert (await call(api, candidate_id)).json()["code"] == "consent/required"
    assert len(api.perception.asked) == asked  # the models were not called


async def test_withdrawing_erases_the_template_and_lets_running_sessions_go(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    candidate_id, session_id = made["candidate_id"], SessionId(made["session_id"])
    await enroll(api, candidate_id)
    token = api.candidate_token(candidate_id, session_id)
    page = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    await api.client.post(f"/v1/sessions/{session_id}/whip", content=OFFER, headers=page)
    assert api.faces.templates

    path = f"/v1/candidates/{candidate_id}/consents"
    for _ in range(2):  # twice changes nothing
        assert (await api.client.delete(path, headers=page)).status_code == 204
    assert api.faces.templates == {}
    assert [enrolment.erased_at for enrolment in api.database.enrolments] == [api.clock.now()]
    assert (session_id, 1) in api.placement.left
    channel, message = api.live.published[-1]
    assert channel == f"session:{session_id}" and "reconnect" in message


async def test_a_consent_withdrawn_while_enrolling_leaves_nothing(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate_id = CandidateId(await api.new_candidate())
    put = api.faces.put

    async def put_and_withdraw(template: Any) -> None:
        await put(template)
        await api.candidates.withdraw_consent(ACME, candidate_id, api.clock.now())

    monkeypatch.setattr(api.faces, "put", put_and_withdraw)
    refused = await enroll(api, candidate_id)
    assert refused.json()["code"] == "consent/required"
    assert api.faces.templates == {}
    assert all(enrolment.erased_at for enrolment in api.database.enrolments)


async def test_a_new_enrolment_replaces_the_old_and_versions_are_never_given_twice(
    api: FakeApi,
) -> None:
    candidate_id = await api.new_candidate()
    assert (await enroll(api, candidate_id)).json()["version"] == 1
    assert (await enroll(api, candidate_id)).json()["version"] == 2
    path = f"/v1/candidates/{candidate_id}/enrolments"
    assert (await api.client.delete(path, headers=api.as_())).status_code == 204
    assert api.faces.templates == {}
    assert (await enroll(api, candidate_id)).json()["version"] == 3


async def test_a_candidate_may_enrol_once_and_not_become_somebody_else(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    token = api.candidate_token(made["candidate_id"], made["session_id"])
    headers = {"Authorization": f"Bearer {token}"}
    assert (await enroll(api, made["candidate_id"], headers=headers)).status_code == 201
    again = await enroll(api, made["candidate_id"], headers=headers)
    assert again.status_code == 409
    assert (await enroll(api, made["candidate_id"])).status_code == 201


async def test_nor_by_withdrawing_consent_and_giving_it_again(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    token = api.candidate_token(made["candidate_id"], made["session_id"])
    headers = {"Authorization": f"Bearer {token}"}
    assert (await enroll(api, made["candidate_id"], headers=headers)).status_code == 201
    consents = f"/v1/candidates/{made['candidate_id']}/consents"
    assert (await api.client.delete(consents, headers=headers)).status_code == 204
    await api.post(consents, CONSENT, headers=headers)
    again = await enroll(api, made["candidate_id"], headers=headers)
    assert (again.status_code, api.faces.templates) == (409, {})
    assert (await enroll(api, made["candidate_id"])).status_code == 201


async def test_a_consent_withdrawn_while_verifying_leaves_no_answer(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate_id = CandidateId(await api.new_candidate())
    await enroll(api, candidate_id)
    faces = api.perception.faces

    async def withdraw_and_look(asks: Any) -> Any:
        await api.candidates.withdraw_consent(ACME, candidate_id, api.clock.now())
        return await faces(asks)

    monkeypatch.setattr(api.perception, "faces", withdraw_and_look)
    refused = await verify(api, candidate_id)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent/required")


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (Scene(from_ms=0, people=()), "none"),
        (Scene(from_ms=0, people=("ana",), yaw_deg=60.0), "turned_away"),
        (Scene(from_ms=0, people=("ana",), turned_away=True), "none"),
    ],
)
async def test_pictures_that_cannot_serve_are_told_one_by_one(
    api: FakeApi, scene: Scene, reason: str
) -> None:
    candidate_id = await api.new_candidate()
    api.perception.scenes = [scene]
    refused = await enroll(api, candidate_id)
    told = refused.json()
    assert (refused.status_code, told["code"]) == (422, "face/quality")
    assert told["reasons"] == [reason, "too_few"]
    assert told["pictures"] == [[reason]] * 3
    assert api.faces.templates == {} and api.database.enrolments == []


async def test_two_pictures_or_the_same_one_again_are_not_enough(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    told = (await enroll(api, candidate_id, SHOTS[:2])).json()
    assert told["reasons"] == ["too_few"] and told["pictures"] == [[], []]
    # The same pixels in another file are the same picture.
    twice = images(picture(1, kind="PNG"), picture(1, kind="PNG"), picture(2))
    told = (await enroll(api, candidate_id, twice)).json()
    assert told["reasons"] == ["duplicate", "too_few"]
    assert told["pictures"] == [[], ["duplicate"], []]


async def test_a_set_of_two_persons_is_refused(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate_id = await api.new_candidate()
    faces, people = api.perception.faces, iter(["ana", "bob", "ana"])

    async def one_by_one(asks: Any) -> list[Any]:
        answers = []
        for ask in asks:
            api.perception.scenes = [Scene(from_ms=0, people=(next(people),))]
            answers += await faces([ask])
        return answers

    monkeypatch.setattr(api.perception, "faces", one_by_one)
    told = (await enroll(api, candidate_id)).json()
    assert told["reasons"] == ["inconsistent_set"]
    assert api.faces.templates == {}


async def test_models_that_are_away_or_talk_nonsense_are_no_fault_of_the_picture(
    api: FakeApi,
) -> None:
    candidate_id = await api.new_candidate()
    for kind in ("is_away", "invalid"):
        api.perception.troubles = [
            Trouble(group="face", kind=kind, from_ms=0, to_ms=10**9)  # type: ignore[arg-type]
        ]
        answer = await enroll(api, candidate_id)
        assert (answer.status_code, answer.json()["code"]) == (503, "perception/unavailable")


async def test_verification_needs_an_enrolment_of_the_same_model(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    missing = await verify(api, candidate_id)
    assert (missing.status_code, missing.json()["code"]) == (409, "face/not-enrolled")
    await enroll(api, candidate_id)
    whose = (ACME, CandidateId(candidate_id))
    template = api.faces.templates[whose]
    object.__setattr__(template, "model", ModelRef("fake-embedding", "2"))
    asked = len(api.perception.asked)
    told = (await verify(api, candidate_id)).json()
    assert told == {"decision": "cannot_tell", "fmr": 1e-3, "reasons": ["enrol_again"]}
    assert len(api.perception.asked) == asked


async def test_too_few_good_frames_decide_nothing_and_cost_no_try(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    await enroll(api, candidate_id)
    for _ in range(10):
        told = (await verify(api, candidate_id, SHOTS[:2])).json()
        assert told == {"decision": "cannot_tell", "fmr": 1e-3, "reasons": ["too_few"]}


async def test_the_sixth_failed_try_locks_for_half_a_minute(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    await enroll(api, candidate_id)
    api.perception.scenes = [Scene(from_ms=0, people=("bob",))]
    for _ in range(5):
        assert (await verify(api, candidate_id)).json()["decision"] == "no_match"
    locked = await verify(api, candidate_id)
    assert (locked.status_code, locked.json()["code"]) == (429, "biometric/locked")
    assert int(locked.headers["retry-after"]) >= 30
    api.perception.scenes = [Scene(from_ms=0, people=("ana",))]
    asked = len(api.perception.asked)
    assert (await verify(api, candidate_id)).status_code == 429  # the right face waits too
    assert len(api.perception.asked) == asked
    await api.clock.advance(30_000)
    assert (await verify(api, candidate_id)).json()["decision"] == "match"


async def test_a_match_forgives_the_tries_before(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    await enroll(api, candidate_id)
    for _ in range(4):
        for person in ("bob", "bob", "ana"):
            api.perception.scenes = [Scene(from_ms=0, people=(person,))]
            assert (await verify(api, candidate_id)).status_code == 200


async def test_no_score_and_no_vector_leaves(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    answers = [await enroll(api, candidate_id), await verify(api, candidate_id)]
    assert answers[1].json().keys() == {"decision", "fmr", "reasons"}
    vector = embedding_of("ana")
    raw = vector.tobytes()
    for answer in answers:
        assert f"{vector[0]:.4f}" not in answer.text
        assert base64.b64encode(raw)[:24].decode() not in answer.text
    template = api.faces.templates[ACME, CandidateId(candidate_id)]
    assert template.embeddings.shape == (3, 128) and template.embeddings.dtype == np.float32


async def test_what_the_models_see_is_rebuilt(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    await enroll(api, candidate_id, images(picture(1), picture(2), picture(3, kind="WEBP")))
    _, _, asks = api.perception.asked[0]
    assert all(ask.picture.startswith(b"\xff\xd8\xff") for ask in asks)  # type: ignore[union-attr]
    assert {ask.embed for ask in asks} == {True}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([("other", ("a.jpg", picture(), "image/jpeg"))], 422, "request/invalid"),
        ([("images", (None, "text"))], 400, "request/malformed"),
        (images(*[b"x"] * 9), 400, "request/malformed"),
        (images(b"x" * (8 * 1024 * 1024 + 1)), 413, "request/too-large"),
        (images(b""), 415, "image/unsupported"),
        (images(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "image/unsupported"),
        (images(picture()[:400]), 422, "image/invalid"),
    ],
)
async def test_forms_that_hold_something_else(
    api: FakeApi, files: Any, status: int, code: str
) -> None:
    candidate_id = await api.new_candidate()
    answer = await enroll(api, candidate_id, files)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert api.perception.asked == []


async def test_a_form_without_an_end_or_a_boundary(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    path = f"/v1/candidates/{candidate_id}/enrolments"
    for kind, body in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name="),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx"),
        ("multipart/form-data; boundary=b", b"nothing"),
    ):
        headers = {**api.as_(), "Content-Type": kind}
        answer = await api.client.post(path, content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text
    wrong = await api.client.post(path, json={"images": []}, headers=api.as_())
    assert wrong.status_code == 415


async def test_proctors_may_enrol_and_analysts_may_not(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    assert (await enroll(api, candidate_id, headers=api.as_(Role.PROCTOR))).status_code == 201
    assert (await enroll(api, candidate_id, headers=api.as_(Role.ANALYST))).status_code == 403
