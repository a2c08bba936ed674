"""What a consent is to: face and voice are agreed to apart, and taken back apart."""

import pytest

from proctor.domain.candidates import ConsentScope
from proctor.domain.ids import SessionId
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from tests.fakes.api import CONSENT, OFFER, FakeApi


async def agree(api: FakeApi, candidate_id: str, *scopes: str) -> dict[str, object]:
    await api.clock.advance(1_000)
    said = {**CONSENT, "scopes": list(scopes)} if scopes else CONSENT
    given: dict[str, object] = await api.post(f"/v1/candidates/{candidate_id}/consents", said)
    return given


async def connect(api: FakeApi, made: dict[str, dict[str, str]]) -> SessionId:
    session_id = SessionId(made["session"]["session_id"])
    token = api.candidate_token(made["session"]["candidate_id"], session_id)
    page = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    path = f"/v1/sessions/{session_id}/whip"
    assert (await api.client.post(path, content=OFFER, headers=page)).status_code == 201
    return session_id


async def test_a_consent_that_says_nothing_is_to_the_face(api: FakeApi) -> None:
    candidate_id = await api.new_candidate(consent=False)
    assert (await agree(api, candidate_id))["scopes"] == ["face"]
    assert (await agree(api, candidate_id, "face", "voice"))["scopes"] == ["face", "voice"]


@pytest.mark.parametrize("scopes", [[], ["mood"], ["face", "voice", "face"], "voice", [1]])
async def test_a_scope_that_does_not_exist_is_refused(api: FakeApi, scopes: object) -> None:
    candidate_id = await api.new_candidate(consent=False)
    refused = await api.client.post(
        f"/v1/candidates/{candidate_id}/consents",
        json={**CONSENT, "scopes": scopes},
        headers=api.as_(),
    )
    assert refused.status_code == 422


async def test_consent_to_the_voice_enrols_no_face(api: FakeApi) -> None:
    candidate_id = await api.new_candidate(consent=False)
    await agree(api, candidate_id, "voice")
    files = [("images", (f"{n}.jpg", b"no picture", "image/jpeg")) for n in range(3)]
    path = f"/v1/candidates/{candidate_id}/enrolments"
    refused = await api.client.post(path, files=files, headers=api.as_())
    assert (refused.status_code, refused.json()["code"]) == (403, "consent/required")


async def test_a_host_is_told_what_was_agreed_to_when_the_connection_begins(api: FakeApi) -> None:
    made = await api.new_session()
    session_id = await connect(api, made)
    assert api.placement.hosted[session_id].scopes == (ConsentScope.FACE,)
    await agree(api, made["session"]["candidate_id"], "face", "voice")
    assert session_id not in api.placement.hosted
    assert "consent_changed" in api.live.published[-1][1]
    await connect(api, made)
    assert set(api.placement.hosted[session_id].scopes) == set(ConsentScope)


async def test_a_narrower_consent_takes_the_voice_back_and_leaves_the_face(api: FakeApi) -> None:
    made = await api.new_session()
    candidate_id = made["session"]["candidate_id"]
    await agree(api, candidate_id, "face", "voice")
    session_id = await connect(api, made)
    await agree(api, candidate_id, "face")
    assert session_id not in api.placement.hosted
    await connect(api, made)
    assert api.placement.hosted[session_id].scopes == (ConsentScope.FACE,)
    await agree(api, candidate_id, "face")
    assert session_id in api.placement.hosted, "the same consent again changes nothing"


@pytest.mark.parametrize("left", [(), ("face",)])
async def test_a_consent_that_is_taken_back_while_the_host_answers_is_taken_back(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]
) -> None:
    made = await api.new_session()
    candidate_id = made["session"]["candidate_id"]
    await agree(api, candidate_id, "face", "voice")
    join = api.placement.join

    async def take_back_and_join(spec: SessionSpec, sdp: str) -> Answer:
        if left:
            await agree(api, candidate_id, *left)
        else:
            path = f"/v1/candidates/{candidate_id}/consents"
            assert (await api.client.delete(path, headers=api.as_())).status_code == 204
        return await join(spec, sdp)

    session_id = SessionId(made["session"]["session_id"])
    token = api.candidate_token(candidate_id, session_id)
    page = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    with monkeypatch.context() as patch:
        patch.setattr(api.placement, "join", take_back_and_join)
        path = f"/v1/sessions/{session_id}/whip"
        answer = await api.client.post(path, content=OFFER, headers=page)
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
    assert session_id not in api.placement.hosted
    await connect(api, made)
    assert api.placement.hosted[session_id].scopes == tuple(ConsentScope(one) for one in left)


async def test_staff_are_told_which_signals_a_session_lacks_and_candidates_are_not(
    api: FakeApi,
) -> None:
    made = await api.new_session()
    session, candidate_id = made["session"], made["session"]["candidate_id"]
    path = f"/v1/sessions/{session['session_id']}"
    asked = await api.client.get(path, headers=api.as_())
    assert {"other_voice", "several_voices"} <= set(asked.json()["signals_off"])
    token = api.candidate_token(candidate_id, session["session_id"])
    asked = await api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert asked.json()["signals_off"] is None


async def test_without_any_consent_a_session_runs_without_templates(api: FakeApi) -> None:
    made = await api.new_session()
    path = f"/v1/candidates/{made['session']['candidate_id']}/consents"
    assert (await api.client.delete(path, headers=api.as_())).status_code == 204
    session_id = await connect(api, made)
    assert api.placement.hosted[session_id].scopes == ()
