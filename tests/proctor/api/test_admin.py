"""Figures for administrators, and policies that are looked at and tried."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proctor.domain.errors import InvalidInput
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.incidents import Verdict
from proctor.domain.roles import Role
from proctor.services.what_if import Rejudged
from tests.contract.samples import alert, blind, judged, monitored
from tests.fakes.api import FakeApi, standard_policy
from tests.proctor.api.test_review import Sitting

ACME = TenantId("acme")


@pytest.fixture
async def sitting(api: FakeApi) -> Sitting:
    return await (await Sitting(api).begin()).connect()


async def overview(sitting: Sitting) -> Any:
    answer = await sitting.ask("GET", "/v1/admin/overview")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_not_known_is_null_with_a_reason(sitting: Sitting) -> None:
    found = await overview(sitting)
    for name in ("alerts_per_session_hour", "hosts", "recording_bytes"):
        assert found[name]["value"] is None and found[name]["reason"], name
    assert found["precision"]["precision"] is None and found["precision"]["reason"]
    assert found["sessions"] == {"created": 0, "live": 1, "ended": 0}
    assert (found["alerts"], found["outbox"], found["dead_letters"]) == (0, 0, 0)
    assert found["storage_bytes"] == {"value": 0, "reason": None}
    assert found["retention"] == [{"retention_days": 30, "exams": 1}]


async def test_a_tenant_at_a_glance(api: FakeApi, sitting: Sitting) -> None:
    sitting.have("inc_1", verdict=Verdict.CONFIRMED)
    sitting.have("inc_2")
    told = replace(alert(1, sitting.session_id), tenant_id=ACME, exam_id=ExamId(sitting.exam_id))
    seen = (monitored(0, 3_600_000), blind(3_600_000, None))
    await api.incidents.commit(
        [judged(told, session_id=sitting.session_id, tenant_id=ACME, coverage=seen)]
    )
    assert (await overview(sitting))["outbox"] == 1
    await api.feed.publish_pending(9)
    await api.clock.advance(2 * 3_600_000)
    found = await overview(sitting)
    assert (found["session_hours"], found["alerts"], found["outbox"]) == (2.0, 1, 0)
    assert found["alerts_per_session_hour"] == {"value": 0.5, "reason": None}
    assert found["live_coverage"] == {"monitored": 0, "degraded": 0, "blind": 1}
    assert {(one["state"], one["ms"], one["share"]) for one in found["coverage"]} == {
        ("monitored", 3_600_000, 0.5),
        ("blind", 3_600_000, 0.5),
    }
    assert [(one["model"], one["alerts"]) for one in found["models"]] == [("blazeface", 1)]
    assert found["models_window"] == 1
    (rule,) = found["rules"]
    assert (rule["rule_id"], rule["looked_at"], rule["unreviewed"]) == ("looking_away", 1, 1)
    assert rule["precision"] == 1.0 and 0 < rule["low"] < 1 and rule["hint"] is None


async def test_a_rule_that_people_dismiss_is_pointed_at(api: FakeApi, sitting: Sitting) -> None:
    for number in range(40):
        verdict = Verdict.CONFIRMED if number < 3 else Verdict.DISMISSED
        sitting.have(f"inc_{number}", rule_id="speech", verdict=verdict)
    sitting.have("inc_a", rule_id="no_face", verdict=Verdict.CONFIRMED)
    sitting.have("inc_b", rule_id="looking_away")
    found = (await sitting.ask("GET", "/v1/admin/rules", Role.ANALYST)).json()["items"]
    assert [rule["rule_id"] for rule in found] == ["speech", "no_face", "looking_away"]
    assert found[0]["hint"].startswith("of 40 looked at, 3 confirmed")
    assert found[0]["high"] < 0.5 and found[2]["precision"] is None
    other = await api.client.get("/v1/admin/rules", headers=api.as_(tenant="umbrella"))
    assert other.json()["items"] == []


async def test_every_fault_of_a_policy_is_told_with_its_line(sitting: Sitting) -> None:
    text = standard_policy()
    good = (await sitting.ask("POST", "/v1/policies/check", Role.REVIEWER, {"text": text})).json()
    assert good["is_valid"] and good["policy_id"] == "standard" and "no_face" in good["rules"]
    bad = text.replace("severity: high", "severity: grave").replace("version: 1", "version: 0")
    answer = await sitting.ask("POST", "/v1/policies/check", Role.REVIEWER, {"text": bad})
    found = answer.json()
    assert answer.status_code == 200 and not found["is_valid"] and found["policy_id"] is None
    lines = bad.splitlines()
    assert len(found["faults"]) > 1
    for fault in found["faults"]:
        said = lines[fault["line"] - 1]
        assert "grave" in said or "version: 0" in said, fault
    none = await sitting.ask("POST", "/v1/policies/check", Role.REVIEWER, {"text": "- ["})
    assert not none.json()["is_valid"]


def rejudged(session_id: str, before: int, after: int) -> Rejudged:
    return Rejudged(
        session_id=SessionId(session_id),
        rank_before=before,
        rank_after=after,
        before={"speech": 3, "no_face": 1},
        after={"speech": 1, "no_face": 1},
        is_whole=True,
    )


async def try_it(sitting: Sitting, body: dict[str, object]) -> tuple[str, Any]:
    answer = await sitting.ask("POST", "/v1/policies/what-if", Role.REVIEWER, body)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"], answer.json()


async def settled(sitting: Sitting, path: str) -> Any:
    for _ in range(100):
        found = (await sitting.ask("GET", path, Role.REVIEWER)).json()
        if found["state"] != "running":
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def test_a_policy_is_tried_beside_the_door_and_ranks_anew(
    api: FakeApi, sitting: Sitting
) -> None:
    other = await Sitting(api).begin("c-2")
    third = await Sitting(api).begin("c-3")
    one, two = sitting.session_id, other.session_id
    api.again.answers = {one: rejudged(one, 500_000, 100_000), two: rejudged(two, 200_000, 300_000)}
    api.again.may_go.clear()
    sessions = [one, two, third.session_id, one]
    path, begun = await try_it(sitting, {"policy": "standard", "session_ids": sessions})
    assert (begun["state"], begun["done"], begun["total"]) == ("running", 0, 3)
    api.again.may_go.set()
    found = await settled(sitting, path)
    assert (found["state"], found["done"]) == ("done", 3)
    assert [(s["session_id"], s["place_before"], s["place_after"]) for s in found["sessions"]] == [
        (two, 2, 1),
        (one, 1, 2),
    ]
    assert found["sessions"][0]["rules"] == {"speech": [3, 1]}
    assert found["sessions"][1]["priority_before"] == 0.5
    assert [each["session_id"] for each in found["skipped"]] == [third.session_id]
    assert api.again.asked == [((one, two, third.session_id), standard_policy())]
    foreign = await api.client.get(path, headers=api.as_(tenant="umbrella"))
    assert foreign.status_code == 404


async def test_what_cannot_be_tried_is_told(api: FakeApi, sitting: Sitting) -> None:
    one = sitting.session_id
    wrong: list[tuple[dict[str, object], int, str]] = [
        ({"text": "id: x", "session_ids": [one]}, 422, "policy/invalid"),
        ({"policy": "unknown", "session_ids": [one]}, 422, "policy/unknown"),
        ({"policy": "standard", "session_ids": ["ses_unknown"]}, 404, "resource/not-found"),
        ({"policy": "standard", "exam_id": "exa_unknown"}, 404, "resource/not-found"),
        ({"policy": "standard"}, 422, "request/invalid"),
        ({"policy": "standard", "text": "x", "session_ids": [one]}, 422, "request/invalid"),
    ]
    for body, status, code in wrong:
        answer = await sitting.ask("POST", "/v1/policies/what-if", Role.REVIEWER, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    for error, said in ((InvalidInput("It is torn."), "It is torn."), (OSError("/secret"), "Some")):
        api.again.answers[one] = error
        path, _ = await try_it(sitting, {"policy": "standard", "session_ids": [one]})
        found = await settled(sitting, path)
        assert found["state"] == "failed" and found["detail"].startswith(said)
        assert "secret" not in found["detail"]


async def test_tries_wait_for_one_another_and_not_for_ever(api: FakeApi, sitting: Sitting) -> None:
    api.again.may_go.clear()
    body: dict[str, object] = {"policy": "standard", "session_ids": [sitting.session_id]}
    paths = [(await try_it(sitting, body))[0] for _ in range(4)]
    full = await sitting.ask("POST", "/v1/policies/what-if", Role.REVIEWER, body)
    assert full.status_code == 503 and int(full.headers["retry-after"]) >= 20
    assert len(api.again.asked) <= 1  # one at a time
    api.again.may_go.set()
    assert {(await settled(sitting, path))["state"] for path in paths} == {"done"}
    await api.services.what_ifs.close()


async def test_an_exam_is_tried_where_it_was_recorded(api: FakeApi, sitting: Sitting) -> None:
    path, begun = await try_it(sitting, {"policy": "standard", "exam_id": sitting.exam_id})
    assert (begun["total"], begun["left_out"]) == (0, 0)  # nothing of it is recorded
    assert (await settled(sitting, path))["state"] == "done"
