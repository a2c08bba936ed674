"""Decisions, statements, added incidents and the appeal bundle, over HTTP."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.incidents import Severity
from proctor.domain.published import PublishedModel
from proctor.domain.roles import Role
from tests.contract.samples import alert, blind, judged, monitored
from tests.fakes.api import FakeApi
from tests.proctor.api.test_review import Sitting

DECISION = "/v1/sessions/{s}/decision"
STATEMENTS = "/v1/sessions/{s}/statements"
APPEAL = "/v1/sessions/{s}/appeal"


@pytest.fixture
async def sitting(api: FakeApi) -> Sitting:
    return await (await Sitting(api).begin()).connect()


async def decide(
    sitting: Sitting, seen: str | None, word: str = "reviewed", subject: str = "ada"
) -> httpx.Response:
    headers = sitting.api.as_(Role.REVIEWER, subject=subject)
    if seen is not None:
        headers["If-Match"] = seen
    path = DECISION.format(s=sitting.session_id)
    body = {"word": word, "notes": "Two lines\nof notes"}
    return await sitting.api.client.put(path, json=body, headers=headers)


def own(sitting: Sitting) -> dict[str, str]:
    token = sitting.api.candidate_token(sitting.candidate_id, sitting.session_id)
    return {"Authorization": f"Bearer {token}"}


async def test_a_decision_is_kept_beside_those_before_it(api: FakeApi, sitting: Sitting) -> None:
    empty = await sitting.ask("GET", DECISION, Role.REVIEWER)
    assert empty.json() == {"current": None, "history": []} and empty.headers["etag"] == '"0"'
    first = await decide(sitting, '"0"', "follow_up_needed")
    assert first.status_code == 200 and first.headers["etag"] == '"1"'
    second = await decide(sitting, '"1"', subject="bob")
    assert second.headers["etag"] == '"2"'
    told = [(one["word"], one["reviewer"]) for one in second.json()["history"]]
    assert told == [("follow_up_needed", "ada"), ("reviewed", "bob")]
    assert second.json()["current"]["notes"] == "Two lines\nof notes"
    assert (await sitting.ask("GET", DECISION)).json() == second.json()
    audit = [row[1:] for row in api.database.audit if row[2] == "session.decided"]
    assert audit == [
        ("ada", "session.decided", sitting.session_id, "follow_up_needed"),
        ("bob", "session.decided", sitting.session_id, "reviewed"),
    ]


async def test_who_did_not_see_the_newest_decision_overwrites_nothing(sitting: Sitting) -> None:
    await decide(sitting, '"0"')
    late = await decide(sitting, '"0"', "cannot_tell", "bob")
    assert (late.status_code, late.json()["code"]) == (412, "review/decided-meanwhile")
    for missing in (None, "*", "1", 'W/"1"', '"x"', '"01"'):
        answer = await decide(sitting, missing)
        assert (answer.status_code, answer.json()["code"]) == (428, "review/if-match"), missing
    found = (await sitting.ask("GET", DECISION)).json()
    assert [one["word"] for one in found["history"]] == ["reviewed"]


async def test_no_word_of_a_decision_finds_anybody_guilty(sitting: Sitting) -> None:
    for word in ("guilty", "cheated", "failed", ""):
        answer = await decide(sitting, '"0"', word)
        assert answer.status_code == 422, word


async def test_what_a_reviewer_saw_becomes_an_incident_of_theirs(
    api: FakeApi, sitting: Sitting
) -> None:
    await api.clock.advance(10_000)
    body = {"words": "A hand with a note", "opened_ms": 2_000, "closed_ms": 9_000}
    path = "/v1/sessions/{s}/incidents"
    made = await sitting.ask("POST", path, Role.REVIEWER, body)
    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["rule_id"], found["origin"], found["policy_version"]) == ("manual", "human", 0)
    assert (found["reason"], found["verdict"]) == ("A hand with a note", "confirmed")
    assert (found["added"]["reviewer"], found["title"]) == ("ada", "Seen by a reviewer")
    listed = (await sitting.ask("GET", path)).json()["items"]
    assert [one["rule_id"] for one in listed] == ["manual"]
    rules = (await sitting.ask("GET", "/v1/admin/rules")).json()
    assert rules == {"items": [], "added_by_people": 1}
    timeline = (await sitting.ask("GET", "/v1/sessions/{s}/timeline")).json()
    assert timeline["milestones"][-1]["kind"] == "incident_added"
    assert ("ada", "incident.added", found["incident_id"]) in [r[1:4] for r in api.database.audit]
    for wrong in ({"opened_ms": 9_001}, {"closed_ms": 10_001}, {"words": ""}, {"verdict": "x"}):
        answer = await sitting.ask("POST", path, Role.REVIEWER, body | wrong)
        assert answer.status_code == 422, wrong


async def test_nothing_is_added_to_a_session_that_has_not_begun(api: FakeApi) -> None:
    sitting = await Sitting(api).begin()
    body = {"words": "A hand", "opened_ms": 0, "closed_ms": 0}
    answer = await sitting.ask("POST", "/v1/sessions/{s}/incidents", Role.REVIEWER, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "session/state")


async def test_a_candidate_states_and_staff_states_for_them(api: FakeApi, sitting: Sitting) -> None:
    incident = sitting.have("inc_1")
    path = STATEMENTS.format(s=sitting.session_id)
    mine = await api.client.post(
        path,
        json={"text": "I dropped my pen.\nTwice.", "incident_id": "inc_1"},
        headers=own(sitting),
    )
    assert mine.status_code == 201, mine.text
    await api.clock.advance(1_000)
    theirs = await sitting.ask("POST", STATEMENTS, Role.REVIEWER, {"text": "By phone: the same"})
    assert theirs.status_code == 201
    items = (await api.client.get(path, headers=own(sitting))).json()["items"]
    assert [(one["by"], one["incident_id"]) for one in items] == [
        ("candidate", "inc_1"),
        ("staff", None),
    ]
    assert api.database.incidents[incident.incident_id] == incident  # nothing is edited
    whole = (await sitting.ask("GET", "/v1/incidents/inc_1")).json()
    assert [one["text"] for one in whole["statements"]] == ["I dropped my pen.\nTwice."]
    audit = [row for row in api.database.audit if row[2] == "statement.added"]
    assert [row[1] for row in audit] == [sitting.candidate_id, "ada"]
    assert not any("pen" in str(row) for row in audit)  # no words where nothing can be erased


async def test_statements_are_bounded_and_belong_to_their_session(
    api: FakeApi, sitting: Sitting
) -> None:
    other = await Sitting(api).begin("c-2")
    other.have("inc_of_another")
    for body, status in (
        ({"text": "x" * 4_001}, 422),
        ({"text": "a\x07b"}, 422),
        ({"text": "mine", "incident_id": "inc_of_another"}, 404),
        ({"text": "mine", "by": "candidate"}, 422),
    ):
        answer = await sitting.ask("POST", STATEMENTS, Role.REVIEWER, body)
        assert answer.status_code == status, body
    for number in range(50):
        body = {"text": f"number {number}"}
        role = Role.SERVICE if number % 2 else Role.REVIEWER
        assert (await sitting.ask("POST", STATEMENTS, role, body)).status_code == 201
    full = await sitting.ask("POST", STATEMENTS, Role.ADMIN, {"text": "one more"})
    assert full.status_code == 409
    foreign = await api.client.get(STATEMENTS.format(s=other.session_id), headers=own(sitting))
    assert foreign.status_code == 404


async def case(api: FakeApi, sitting: Sitting) -> None:
    """A session with everything that an appeal is made of, and its end."""
    found = sitting.have("inc_1", rule_id="looking_away", severity=Severity.HIGH)
    whose: dict[str, Any] = {"tenant_id": TenantId("acme"), "exam_id": ExamId(sitting.exam_id)}
    told = replace(
        alert(1, sitting.session_id),
        incident_id=found.incident_id,
        reason="Away by <b>21°</b>",
        **whose,
    )
    seen = (monitored(0, 8_000), blind(8_000, 10_000))
    parts = judged(told, session_id=sitting.session_id, tenant_id=told.tenant_id, coverage=seen)
    await api.incidents.commit([parts])
    body = {"verdict": "confirm", "reason": "It is plain to see"}
    await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
    await decide(sitting, '"0"', "follow_up_needed", "rosa")
    text = {"text": "<script>alert(1)</script> is my name"}
    await api.client.post(STATEMENTS.format(s=sitting.session_id), json=text, headers=own(sitting))
    await api.clock.advance(10_000)
    await sitting.ask("POST", "/v1/sessions/{s}/end")


async def test_the_appeal_bundle_holds_all_that_was_noted_and_what_it_rests_on(
    api: FakeApi, sitting: Sitting
) -> None:
    api.services.published["blazeface", "2"] = PublishedModel(  # type: ignore[index]
        "face detection", ("1 of 119 false persons",)
    )
    await case(api, sitting)
    found = (await sitting.ask("GET", APPEAL, Role.REVIEWER)).json()
    (incident,) = found["incidents"]
    assert incident["reason"] == "Away by <b>21°</b>"
    assert "id: looking_away" in incident["rule_text"]
    assert incident["verdicts"][0]["reason"] == "It is plain to see"
    assert incident["signals"][0]["what"] == "gaze away"
    (model,) = found["models"]
    assert model["role"] == "face detection"
    assert model["error_rates"] == ["1 of 119 false persons"]
    (video,) = [gaps for gaps in found["gaps"] if gaps["gaps"]]
    assert video["gaps"] == [
        {"start_ms": 8_000, "end_ms": 10_000, "state": "blind", "reason": "host_lost"}
    ]
    assert found["coverage"][0]["blind"] == 0.2
    assert found["decisions"][0]["reviewer"] == "rosa"
    assert found["statements"][0]["by"] == "candidate"
    assert found["policy_text"].startswith("#") or "rules:" in found["policy_text"]
    assert found["left_out"] == []


async def test_the_candidate_has_the_bundle_once_the_session_is_over_without_reviewers_names(
    api: FakeApi, sitting: Sitting
) -> None:
    path = APPEAL.format(s=sitting.session_id)
    early = await api.client.get(path, headers=own(sitting))
    assert (early.status_code, early.json()["code"]) == (409, "session/state")
    await case(api, sitting)
    answer = await api.client.get(path, headers=own(sitting))
    assert answer.status_code == 200
    for secret in ("rosa", '"ada"', "It is plain to see", "of notes"):
        assert secret not in answer.text, secret
    assert answer.json()["decisions"][0]["word"] == "follow_up_needed"
    assert answer.json()["incidents"][0]["verdicts"][0]["verdict"] == "confirmed"
    page = await api.client.get(path + "?format=html", headers=own(sitting))
    assert "rosa" not in page.text and "It is plain to see" not in page.text


async def test_the_page_to_print_escapes_every_word_and_runs_nothing(
    api: FakeApi, sitting: Sitting
) -> None:
    await case(api, sitting)
    page = await sitting.ask("GET", APPEAL + "?format=html", Role.REVIEWER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text and "&lt;script&gt;" in page.text
    assert "&lt;b&gt;21°&lt;/b&gt;" in page.text and "<b>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert "style-src 'sha256-" in policy
    assert "no error rates" in page.text.lower()  # a model that the catalogue does not know
    assert "0:00:08.0" in page.text and "20.0%" in page.text


async def test_an_empty_session_has_a_bundle_too(api: FakeApi) -> None:
    sitting = await Sitting(api).begin()
    for form in ("json", "html"):
        answer = await sitting.ask("GET", APPEAL + f"?format={form}", Role.REVIEWER)
        assert answer.status_code == 200
    assert "Nothing was noted." in answer.text
    assert SessionId(sitting.session_id) in api.database.sessions
