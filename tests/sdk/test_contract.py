"""What the client offers, against the real application on a real socket; both clients alike."""

import asyncio
from datetime import UTC

import pytest

import proctor_client
from proctor.domain.roles import Role
from proctor_client import Conflicted, Invalid, NotAuthenticated, NotFound, NotPermitted
from tests.fakes.api import CONSENT, FakeApi, picture
from tests.proctor.api.test_live import alert_of, raise_alerts
from tests.sdk.both import Both


async def test_an_exam_is_made_and_found_again(both: Both) -> None:
    made = await both.call(lambda c: c.exams.create("Algebra", retention_days=30))
    assert (made.title, made.policy_id, made.retention_days) == ("Algebra", "standard", 30)
    assert made.created_at.tzinfo is not None and made.created_at.astimezone(UTC)
    assert await both.call(lambda c: c.exams.get(made.exam_id)) == made


async def test_lists_come_page_by_page_and_hold_everything_once(both: Both) -> None:
    for n in range(7):
        await both.call(lambda c, n=n: c.candidates.create(f"c-{n}"))
    for size in (1, 3, 7, 200):
        found = await both.items(lambda c, size=size: c.candidates.list(page_size=size))
        assert sorted(one.external_ref for one in found) == [f"c-{n}" for n in range(7)]
    pages = await both.items(lambda c: c.candidates.list(page_size=3).pages())
    assert [len(page.items) for page in pages] == [3, 3, 1]
    rest = await both.items(lambda c: c.candidates.list(page_size=3).pages(pages[0].next))
    assert rest == pages[1:]


async def test_a_session_is_made_listed_and_ended(api: FakeApi, both: Both) -> None:
    exam_id, candidate_id = await api.new_exam(), await api.new_candidate()
    made = await both.call(lambda c: c.sessions.create(exam_id, candidate_id))
    session_id = made.session.session_id
    assert made.join_url.endswith(made.join_ticket) and made.join_ticket not in repr(made)
    [listed] = await both.items(lambda c: c.sessions.list(exam_id=exam_id))
    assert listed.session_id == session_id
    assert await both.items(lambda c: c.sessions.list(exam_id="exm_other")) == []
    ended = await both.call(lambda c: c.sessions.end(session_id))
    assert ended.state == "ended"
    again = await both.call(lambda c: c.sessions.end(session_id))
    assert again.ended_at == ended.ended_at
    assert await both.items(lambda c: c.sessions.list(state="ended")) != []
    assert await both.call(lambda c: c.sessions.incidents(session_id)) == []
    [ranked] = await both.items(lambda c: c.exams.priorities(exam_id))
    assert (ranked.session.session_id, ranked.priority) == (session_id, None)


async def test_one_key_makes_one_thing(both: Both) -> None:
    first = await both.call(lambda c: c.candidates.create("c-1", idempotency_key="k-1"))
    second = await both.call(lambda c: c.candidates.create("c-1", idempotency_key="k-1"))
    assert first == second
    with pytest.raises(Conflicted) as told:
        await both.call(lambda c: c.candidates.create("c-2", idempotency_key="k-1"))
    assert told.value.code == "idempotency/mismatch"
    assert len(await both.items(lambda c: c.candidates.list())) == 1


async def test_consent_enrolment_verification(both: Both) -> None:
    made = await both.call(lambda c: c.candidates.create("c-1"))
    consent = await both.call(lambda c: c.candidates.give_consent(made.candidate_id, **CONSENT))
    assert consent.scopes == ["face"] and consent.withdrawn_at is None
    files = [(f"{n}.jpg", picture(n), "image/jpeg") for n in range(3)]
    enrolled = await both.call(lambda c: c.candidates.enroll(made.candidate_id, files))
    assert (enrolled.version, enrolled.pictures) == (1, 3)
    verified = await both.call(lambda c: c.candidates.verify(made.candidate_id, files))
    assert verified.decision in ("match", "no_match", "cannot_tell")
    assert await both.call(lambda c: c.candidates.withdraw_consent(made.candidate_id)) is None
    assert await both.call(lambda c: c.candidates.get(made.candidate_id)) == made


async def test_the_feed_is_read_to_its_end(api: FakeApi, both: Both) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 8)))
    found = await both.items(lambda c: c.alerts.list(page_size=3))
    assert [item.position for item in found] == list(range(1, 8))
    first = found[0].alert
    assert (first.rule_id, first.signals[0].support.numbers) == ("looking_away", {"yaw_deg": 21.5})
    rest = await both.items(lambda c: c.alerts.list(after=5))
    assert rest == found[5:]


async def test_a_joined_candidate_signs_in_with_the_ticket_alone(api: FakeApi, both: Both) -> None:
    made = await api.new_session()
    nobody = both.as_(None)
    joined = await nobody.call(lambda c: c.join(made["join_ticket"]))
    assert joined.session_id == made["session"]["session_id"]
    assert joined.token not in repr(joined) and joined.media.width > 0
    with pytest.raises(NotAuthenticated):
        await nobody.call(lambda c: c.join(made["join_ticket"]))
    await nobody.close()


async def test_a_refusal_is_an_error_of_its_own_kind_that_says_what_to_do(
    api: FakeApi, both: Both
) -> None:
    with pytest.raises(NotFound, match="Check the id") as missing:
        await both.call(lambda c: c.exams.get("exm_none"))
    assert missing.value.status == 404 and missing.value.request_id.startswith("req_")
    with pytest.raises(Invalid) as invalid:
        await both.call(lambda c: c.exams.create("", retention_days=0))
    assert {fault["field"] for fault in invalid.value.faults} == {"title", "retention_days"}
    proctor = both.as_(api.token(Role.ANALYST))
    with pytest.raises(NotPermitted):
        await proctor.call(lambda c: c.candidates.create("c-1"))
    await proctor.close()
    stranger = both.as_("not.a.token")
    with pytest.raises(NotAuthenticated, match="new token"):
        await stranger.call(lambda c: c.exams.get("exm_none"))
    await stranger.close()


async def test_a_token_may_be_made_anew_for_each_call(api: FakeApi, both: Both) -> None:
    made: list[str] = []

    def token() -> str:
        made.append(api.token())
        return made[-1]

    fresh = both.as_(token)
    await fresh.items(lambda c: c.exams.list())
    await fresh.items(lambda c: c.exams.list())
    assert len(made) == 2
    await fresh.close()


async def test_an_id_is_never_more_than_one_part_of_a_path(both: Both) -> None:
    with pytest.raises(NotFound):
        await both.call(lambda c: c.exams.get("a/../../candidates?limit=1"))
    with pytest.raises(ValueError, match="id"):
        await both.call(lambda c: c.exams.get(".."))


async def test_a_client_is_made_from_the_environment(
    both: Both, monkeypatch: pytest.MonkeyPatch, api: FakeApi
) -> None:
    kind = type(both.client)
    monkeypatch.delenv("PROCTOR_URL", raising=False)
    with pytest.raises(proctor_client.ClientError, match="PROCTOR_URL"):
        kind.from_env()
    monkeypatch.setenv("PROCTOR_URL", both.url)
    monkeypatch.setenv("PROCTOR_TOKEN", api.token())
    if both.kind == "threads":
        with kind.from_env() as client:
            assert await asyncio.to_thread(lambda: list(client.exams.list())) == []
    else:
        async with kind.from_env() as client:
            assert [exam async for exam in client.exams.list()] == []
