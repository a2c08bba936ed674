"""From an exam to an ended session, as an integrator, a candidate's page and a proctor walk it."""

from datetime import timedelta

import httpx

from proctor.domain.coverage import CoverageInterval, CoverageState, Modality
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import Footer, RecordingKey
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture
from tests.fakes.perception import Scene
from tests.fakes.placement import ANSWER_SDP


async def test_a_candidate_is_enrolled_verified_and_joins(api: FakeApi) -> None:
    exam = await api.post(
        "/v1/exams", {"title": "Algebra", "policy": "standard", "retention_days": 30}
    )
    assert exam["policy_id"] == "standard" and "policy_text" not in exam
    assert "object_seen" in exam["signals_off"], "no detector is served here"
    for path in ("/v1/exams", f"/v1/exams/{exam['exam_id']}"):
        shown = (await api.client.get(path, headers=api.as_())).json()
        assert exam in (shown, *shown.get("items", []))
    candidate_id = await api.new_candidate(consent=False)
    consent = await api.post(f"/v1/candidates/{candidate_id}/consents", CONSENT)
    assert consent["withdrawn_at"] is None

    shots = images(picture(1), picture(2), picture(3, kind="PNG"), picture(4, kind="WEBP"))
    enrolled = await api.post(f"/v1/candidates/{candidate_id}/enrolments", files=shots)
    assert (enrolled["version"], enrolled["pictures"]) == (1, 4)
    assert enrolled["model"] == {"model": "fake-embedding", "version": "3"}

    verified = await api.post(f"/v1/candidates/{candidate_id}/verifications", files=shots)
    assert verified == {"decision": "match", "fmr": 1e-3, "reasons": []}
    api.perception.scenes = [Scene(from_ms=0, people=("bob",))]
    verified = await api.post(f"/v1/candidates/{candidate_id}/verifications", files=shots)
    assert verified["decision"] == "no_match"

    made = await api.post(
        "/v1/sessions", {"exam_id": exam["exam_id"], "candidate_id": candidate_id}
    )
    session_id = made["session"]["session_id"]
    assert made["session"]["state"] == "created" and made["expires_in_s"] == 900
    assert made["join_url"] == f"http://test/candidate#ticket={made['join_ticket']}"

    joined = await api.post("/v1/join", {"ticket": made["join_ticket"]}, headers={})
    assert joined["session_id"] == session_id
    assert joined["whip_url"] == f"http://test/v1/sessions/{session_id}/whip"
    assert joined["media"] == {"width": 320, "height": 240, "fps": 5, "max_kbps": 250}
    assert joined["exam"] == {"title": "Algebra", "retention_days": 30}
    stun, turn = joined["ice_servers"]
    assert stun == {"urls": ["stun:stun.example:3478"]}
    assert turn["username"].endswith(f":{session_id}")

    page = {"Authorization": f"Bearer {joined['token']}", "Content-Type": "application/sdp"}
    whip = f"/v1/sessions/{session_id}/whip"
    answer = await api.client.post(whip, content=OFFER, headers=page)
    assert (answer.status_code, answer.text) == (201, ANSWER_SDP)
    assert answer.headers["location"] == f"{whip}/1"
    assert answer.headers["content-type"] == "application/sdp"
    assert '<stun:stun.example:3478>; rel="ice-server"' in answer.headers["link"]
    spec = api.placement.hosted[SessionId(session_id)]
    assert (spec.epoch, spec.candidate_id) == (1, candidate_id)

    page["Content-Type"] = "application/trickle-ice-sdpfrag"
    fragment = "a=ice-ufrag:x\r\na=candidate:1 1 UDP 1 127.0.0.1 9 typ host\r\n"
    patched = await api.client.patch(f"{whip}/1", content=fragment, headers=page)
    assert patched.status_code == 204
    assert api.placement.fragments == [(session_id, 1, fragment)]

    page["Content-Type"] = "application/sdp"
    resumed = await api.client.post(whip, content=OFFER, headers=page)
    assert resumed.headers["location"] == f"{whip}/2"
    gone = await api.client.delete(f"{whip}/2", headers=page)
    assert gone.status_code == 200
    assert api.placement.left == [(session_id, 2)]

    shown = (await api.client.get(f"/v1/sessions/{session_id}", headers=api.as_())).json()
    assert (shown["state"], shown["epoch"]) == ("live", 2)


async def test_coverage_of_a_live_session_is_open_and_ends_with_it(api: FakeApi) -> None:
    made = await api.new_session()
    session_id = SessionId(made["session"]["session_id"])
    await _offer(api, made)
    api.database.coverage[session_id] = tuple(
        CoverageInterval(modality=modality, state=CoverageState.MONITORED, reason=None, start_ms=0)
        for modality in Modality
    )
    shown = (await api.client.get(f"/v1/sessions/{session_id}", headers=api.as_())).json()
    assert [part["end_ms"] for part in shown["coverage"]] == [None, None]

    await api.clock.advance(60_000)
    first = await api.client.post(f"/v1/sessions/{session_id}/end", headers=api.as_(Role.PROCTOR))
    assert first.json()["state"] == "ended"
    assert [spec.session_id for spec, _ in api.judges.ended] == [session_id]
    assert (session_id, 1) in api.placement.left


async def test_staff_see_the_hash_that_closed_an_ended_session(api: FakeApi) -> None:
    made = await api.new_session()
    session = made["session"]
    path = f"/v1/sessions/{session['session_id']}"

    async def shown() -> object:
        answer = await api.client.get(path, headers=api.as_())
        assert answer.status_code == 200
        return answer.json()["alert_log_sha256"]

    key = RecordingKey(
        tenant_id=TenantId("acme"),
        exam_id=ExamId(session["exam_id"]),
        session_id=SessionId(session["session_id"]),
    )
    await api.recordings.close_with(
        Footer(
            key=key,
            take="t",
            entries=3,
            alerts=1,
            alert_log_sha256="a" * 64,
            ended_at=api.clock.now(),
            retention_days=30,
        )
    )
    assert await shown() is None
    await api.post(f"{path}/end")
    assert await shown() == "a" * 64
    token = api.candidate_token(session["candidate_id"], session["session_id"])
    theirs = await api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert theirs.json()["alert_log_sha256"] is None
    api.recordings.down = True
    assert await shown() is None


async def test_ending_twice_answers_the_same(api: FakeApi) -> None:
    made = await api.new_session()
    session_id = SessionId(made["session"]["session_id"])
    await _offer(api, made)
    await api.clock.advance(5_000)
    path = f"/v1/sessions/{session_id}/end"

    async def judge_and_end(*_: object) -> None:
        api.database.coverage[session_id] = _monitored_until(5_000)

    api.judges.end = judge_and_end  # type: ignore[method-assign]
    first = await api.client.post(path, headers=api.as_())
    await api.clock.advance(5_000)
    second = await api.client.post(path, headers=api.as_())
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert len(first.json()["coverage"]) == 2


async def test_an_end_that_failed_half_way_is_finished_by_the_next_call(api: FakeApi) -> None:
    made = await api.new_session()
    session_id = made["session"]["session_id"]
    await _offer(api, made)
    api.judges.down = True
    failed = await api.client.post(f"/v1/sessions/{session_id}/end", headers=api.as_())
    assert failed.status_code == 503 and int(failed.headers["retry-after"]) >= 2
    api.judges.down = False
    await api.post(f"/v1/sessions/{session_id}/end")
    assert len(api.judges.ended) == 1


async def test_an_end_that_nobody_calls_for_again_is_finished_all_the_same(api: FakeApi) -> None:
    for ref in ("c-1", "c-2"):
        made = await api.new_session(ref=ref)
        await _offer(api, made)
        api.judges.down = True
        path = f"/v1/sessions/{made['session']['session_id']}/end"
        assert (await api.client.post(path, headers=api.as_())).status_code == 503
        api.judges.down = False
    sessions = api.services.sessions
    assert await sessions.settle_ended() == 0 and api.judges.ended == []  # too soon

    await api.clock.advance(20_000)
    api.judges.down = True
    assert await sessions.settle_ended() == 2
    api.judges.down = False
    assert await sessions.settle_ended() == 2  # these shards have not committed the end yet
    assert len(api.judges.ended) == 2
    for spec, ended_at in api.judges.ended:
        length_ms = (ended_at - spec.started_at) // timedelta(milliseconds=1)
        api.database.coverage[spec.session_id] = _monitored_until(length_ms)
    assert await sessions.settle_ended() == 0
    del api.database.coverage[spec.session_id]
    assert await sessions.settle_ended() == 0 and len(api.judges.ended) == 2  # it is settled


async def test_a_session_that_never_began_just_ends(api: FakeApi) -> None:
    made = await api.new_session()
    ended = await api.post(f"/v1/sessions/{made['session']['session_id']}/end")
    assert (ended["state"], ended["started_at"], ended["coverage"]) == ("ended", None, [])
    assert api.judges.ended == [] and api.placement.left == []


async def test_lists_go_by_pages(api: FakeApi) -> None:
    made = sorted([await api.new_candidate(f"c-{n}") for n in range(5)])
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await api.client.get("/v1/candidates", params=query, headers=api.as_())).json()
        seen += [item["candidate_id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == made and cursor is None


async def test_sessions_are_found_by_exam_and_state(api: FakeApi) -> None:
    one = (await api.new_session(ref="c-1"))["session"]
    two = (await api.new_session(ref="c-2"))["session"]
    await api.post(f"/v1/sessions/{two['session_id']}/end")

    async def found(**query: str) -> list[str]:
        page = await api.client.get("/v1/sessions", params=query, headers=api.as_(Role.REVIEWER))
        return [item["session_id"] for item in page.json()["items"]]

    assert set(await found()) == {one["session_id"], two["session_id"]}
    assert await found(exam_id=one["exam_id"]) == [one["session_id"]]
    assert await found(state="ended") == [two["session_id"]]
    assert await found(state="live") == []


async def test_staff_signs_in_by_a_link(api: FakeApi) -> None:
    made = await api.post("/v1/tickets", headers=api.as_(Role.PROCTOR, subject="pia"))
    signed = await api.post("/v1/sign-in", {"ticket": made["ticket"]}, headers={})
    assert signed["role"] == "proctor"
    headers = {"Authorization": f"Bearer {signed['token']}"}
    assert (await api.client.get("/v1/alerts", headers=headers)).status_code == 200
    # A token cannot prolong itself by way of tickets.
    who = api.services.tokens.check(signed["token"])
    assert (who.expires_at - api.clock.now()).total_seconds() <= 3600


async def test_signing_out_and_revocation_end_a_token_at_once(api: FakeApi) -> None:
    headers = api.as_(Role.PROCTOR)
    assert (await api.client.post("/v1/sign-out", headers=headers)).status_code == 204
    refused = await api.client.get("/v1/alerts", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "auth/revoked")

    token = api.token(Role.PROCTOR)
    revoked = {"token_id": api.services.tokens.check(token).token_id}
    assert (await api.client.post("/v1/revocations", json=revoked, headers=api.as_())).is_success
    answer = await api.client.get("/v1/alerts", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def _monitored_until(end_ms: int) -> tuple[CoverageInterval, ...]:
    return tuple(
        CoverageInterval(
            modality=modality,
            state=CoverageState.MONITORED,
            reason=None,
            start_ms=0,
            end_ms=end_ms,
        )
        for modality in Modality
    )


async def _offer(api: FakeApi, made: dict[str, dict[str, str]]) -> httpx.Response:
    session = made["session"]
    token = api.candidate_token(session["candidate_id"], session["session_id"])
    answer = await api.client.post(
        f"/v1/sessions/{session['session_id']}/whip",
        content=OFFER,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"},
    )
    assert answer.status_code == 201, answer.text
    return answer
