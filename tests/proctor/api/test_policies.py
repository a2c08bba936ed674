"""A tenant's own policies: stored in versions, attached once their tests pass, changed by an exam."""

from typing import Any

import httpx
import pytest
import yaml

from proctor.domain.ids import ExamId, TenantId
from proctor.domain.roles import Role
from proctor.fusion.policy import parse_policy
from tests.fakes.api import FakeApi, standard_policy
from tests.fakes.engines import policy_text

AWAY = {
    "id": "away",
    "when": {"signal": "gaze_away"},
    "severity": "medium",
    "for_ms": 3_000,
    "escalate": {"after_ms": 9_000, "severity": "high"},
}
TALK = {"id": "talk", "when": {"signal": "speech"}, "inhibited_by": ["nobody"]}
NOBODY = {"id": "nobody", "when": {"signal": "no_face"}, "severity": "medium"}


def maths(version: int = 1, **more: Any) -> str:
    text = policy_text(NOBODY, TALK, version=version, **more)
    return text.replace("id: test", "id: maths")


async def send(api: FakeApi, path: str, body: object, **headers: str) -> httpx.Response:
    return await api.client.post(path, json=body, headers={**api.as_(), **headers})


async def refused(api: FakeApi, path: str, body: object, status: int, code: str) -> dict[str, Any]:
    answer = await send(api, path, body)
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), answer.text
    return told


def exam(policy: object = "standard", **more: Any) -> dict[str, Any]:
    return {"title": "Algebra", "policy": policy, "retention_days": 30} | more


MATHS = {"id": "maths", "version": 1}


async def test_a_policy_is_stored_found_and_gets_a_next_version(api: FakeApi) -> None:
    made = await api.post("/v1/policies", {"text": maths(), "tests": ["case: 1\n"]})
    assert (made["policy_id"], made["version"]) == ("maths", 1)
    assert (made["text"], made["tests"]) == (maths(), ["case: 1\n"])
    await api.post("/v1/policies", {"text": maths(2, use_when="In May.")})
    path = "/v1/policies/maths"
    for at, version in ((path, 2), (f"{path}/versions/1", 1), (f"{path}/versions/2", 2)):
        found = (await api.client.get(at, headers=api.as_(Role.REVIEWER))).json()
        assert (found["version"], found["text"]) in ((1, maths()), (2, found["text"]))
        assert found["version"] == version
    listed = (await api.client.get("/v1/policies", headers=api.as_())).json()
    assert [(each["policy_id"], each["version"]) for each in listed["items"]] == [("maths", 2)]
    assert listed["items"][0]["use_when"] == "In May." and "text" not in listed["items"][0]
    assert [each["policy_id"] for each in listed["presets"]] == ["standard"]
    for missing in ("/v1/policies/physics", f"{path}/versions/3", f"{path}/versions/0"):
        answer = await api.client.get(missing, headers=api.as_())
        assert answer.status_code in (404, 422)


async def test_a_stored_version_never_changes(api: FakeApi) -> None:
    await api.post("/v1/policies", {"text": maths()})
    for version in (1, 3):
        body = {"text": maths(version, name="Other")}
        told = await refused(api, "/v1/policies", body, 409, "policy/version")
        assert "send the text as version 2" in told["detail"]
    physics = maths(2).replace("maths", "physics")
    told = await refused(api, "/v1/policies", {"text": physics}, 409, "policy/version")
    assert "send it as version 1" in told["detail"]
    found = (await api.client.get("/v1/policies/maths", headers=api.as_())).json()
    assert found["text"] == maths()


async def test_a_repeated_call_under_its_key_is_one(api: FakeApi) -> None:
    first, again = [
        await send(api, "/v1/policies", {"text": maths()}, **{"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()


async def test_a_wrong_policy_is_told_all_that_is_wrong(api: FakeApi) -> None:
    text = maths(0).replace("no_face", "phone")
    told = await refused(api, "/v1/policies", {"text": text}, 422, "policy/invalid")
    assert len(told["faults"]) == 2
    assert all(fault.startswith("line ") for fault in told["faults"])
    for text, code in (
        (maths(name="Stress test of attention"), "detector/prohibited"),
        (maths().replace("signal: no_face", "signal: not_live"), "detector/unmeasured"),
        ("id: [", "policy/invalid"),
        (maths(provenance={"base_sha256": "a" * 64, "overrides": ""}), "policy/invalid"),
    ):
        await refused(api, "/v1/policies", {"text": text}, 422, code)
    assert api.database.policies == {}


async def test_a_preset_s_name_is_taken(api: FakeApi) -> None:
    await refused(api, "/v1/policies", {"text": standard_policy()}, 409, "policy/reserved")


async def test_a_large_policy_with_its_tests_passes_the_door(api: FakeApi) -> None:
    tests = ["x" * 16_000] * 12
    made = await api.post("/v1/policies", {"text": maths(), "tests": tests})
    assert made["tests"] == tests
    answer = await send(api, "/v1/policies", {"text": maths(2), "tests": ["x" * 60_000] * 20})
    assert answer.status_code == 413


async def test_pages_go_on_by_id(api: FakeApi) -> None:
    for name in ("b", "a", "c"):
        await api.post("/v1/policies", {"text": maths().replace("maths", name)})
    seen: list[str] = []
    query = "?limit=2"
    for _ in range(2):
        page = (await api.client.get(f"/v1/policies{query}", headers=api.as_())).json()
        seen += [each["policy_id"] for each in page["items"]]
        query = f"?limit=2&cursor={page['next']}"
    assert seen == ["a", "b", "c"] and page["next"] is None
    answer = await api.client.get("/v1/policies?cursor=%2e%2e", headers=api.as_())
    assert answer.status_code == 400


async def test_who_may_write_policies(api: FakeApi) -> None:
    for role in (Role.PROCTOR, Role.REVIEWER, Role.ANALYST):
        headers = api.as_(role)
        answer = await api.client.post("/v1/policies", json={"text": maths()}, headers=headers)
        assert answer.status_code == 403
    assert api.database.policies == {}


async def test_an_exam_takes_a_version_whose_tests_pass(api: FakeApi) -> None:
    await api.post("/v1/policies", {"text": maths(), "tests": ["good", "bad"]})
    api.cases.failing["bad"] = "bad: rule talk: expected an alert at 3 s, got none"
    told = await refused(api, "/v1/exams", exam(MATHS), 422, "policy/tests-failed")
    assert "rule talk" in told["detail"]
    assert told["faults"] == ["bad: rule talk: expected an alert at 3 s, got none"]
    assert api.database.exams == {}
    await refused(api, "/v1/exams", exam(MATHS), 422, "policy/tests-failed")
    await api.post("/v1/policies", {"text": maths(2), "tests": ["good"]})
    made = await api.post("/v1/exams", exam(MATHS | {"version": 2}))
    assert (made["policy_id"], made["policy_version"]) == ("maths", 2)
    assert made["policy_overrides"] is None
    stored = api.database.exams[ExamId(made["exam_id"])]
    assert stored.policy_text == maths(2)
    await api.post("/v1/exams", exam(MATHS | {"version": 2}))
    assert api.cases.runs == [(maths(), ("good", "bad")), (maths(2), ("good",))]  # each once


async def test_an_exam_of_another_s_or_no_policy(api: FakeApi) -> None:
    await api.post("/v1/policies", {"text": maths()}, headers=api.as_(tenant="umbrella"))
    for policy in (MATHS, "maths", {"id": "standard", "version": 1}):
        await refused(api, "/v1/exams", exam(policy), 422, "policy/unknown")


async def test_a_retired_policy_judges_its_exams_and_no_new_one(api: FakeApi) -> None:
    await api.post("/v1/policies", {"text": maths()})
    made = await api.post("/v1/exams", exam(MATHS))
    retired = await api.post("/v1/policies/maths/retire")
    assert retired["retired_at"] is not None
    assert await api.post("/v1/policies/maths/retire") == retired
    await refused(api, "/v1/exams", exam(MATHS), 409, "policy/retired")
    await refused(api, "/v1/policies", {"text": maths(2)}, 409, "policy/retired")
    path = f"/v1/exams/{made['exam_id']}"
    assert (await api.client.get(path, headers=api.as_())).json() == made
    assert (await send(api, "/v1/policies/physics/retire", None)).status_code == 404


async def test_an_exam_changes_rates_and_makes_rules_quieter(api: FakeApi) -> None:
    faces = AWAY | {"when": {"signal": "several_faces"}}
    text = policy_text(NOBODY, TALK, faces, version=1)
    await api.post("/v1/policies", {"text": text.replace("id: test", "id: maths")})
    overrides = {
        "sampling": {"face_hz": 0.5},
        "sensing": {"gaze": {"dwell_ms": 4_000}},
        "rules": {
            "nobody": {"off": True},
            "away": {"severity": "info", "for_ms": 5_000, "escalate": None},
        },
    }
    made = await api.post("/v1/exams", exam(MATHS, overrides=overrides))
    assert yaml.safe_load(made["policy_overrides"]) == overrides
    policy = parse_policy(api.database.exams[ExamId(made["exam_id"])].policy_text)
    assert (policy.id, policy.version) == ("maths", 1)
    assert (policy.sampling.face_hz, policy.sensing.gaze.dwell_ms) == (0.5, 4_000)
    talk, away = policy.rules
    assert (talk.id, talk.inhibited_by) == ("talk", ())  # what kept it quiet is off
    assert (away.severity, away.for_ms, away.escalate) == ("info", 5_000, None)
    assert policy.provenance is not None and len(policy.provenance.base_sha256) == 64


@pytest.mark.parametrize(
    ("overrides", "code", "named"),
    [
        ({"rules": {"nothing": {"off": True}}}, "policy/override", "no such rule"),
        ({"rules": {"no_face": {"severity": "high"}}}, "policy/override", "above medium"),
        (
            {"rules": {"speech": {"escalate": {"after_ms": 9_000, "severity": "high"}}}},
            "policy/override",
            "above the policy's",
        ),
        ({"rules": {"no_face": {"for_ms": 60_000}}}, "policy/invalid", "after_ms"),
        ({"rules": {"no_face": {"for_ms": 0}}}, "policy/override", "for_ms: below 3000"),
        (
            {"rules": {"no_face": {"escalate": {"after_ms": 3_500, "severity": "high"}}}},
            "policy/override",
            "after_ms: below",
        ),
        ({"sampling": {"face_hz": 0.01}}, "policy/invalid", "stale_ms"),
        ({"sampling": {"face_hz": True}}, "policy/invalid", "face_hz"),
        ({"sampling": {"stress": 1}}, "detector/prohibited", "stress"),
        ({"sensing": {"gaze": {"dwel_ms": 1}}}, "policy/invalid", "dwel_ms"),
    ],
)
async def test_an_override_that_cannot_be(
    api: FakeApi, overrides: dict[str, Any], code: str, named: str
) -> None:
    told = await refused(api, "/v1/exams", exam(overrides=overrides), 422, code)
    assert named in told["detail"]
    assert api.database.exams == {}


async def test_an_exam_without_changes_has_the_preset_byte_for_byte(api: FakeApi) -> None:
    made = await api.post("/v1/exams", exam(overrides={}))
    assert api.database.exams[ExamId(made["exam_id"])].policy_text == standard_policy()


async def test_an_exam_speaks_a_language_of_its_policy(api: FakeApi) -> None:
    made = await api.post("/v1/exams", exam(language="de"))
    policy = parse_policy(api.database.exams[ExamId(made["exam_id"])].policy_text)
    assert policy.language == "de" and policy.rules[0].title["de"] == "Kein Gesicht"
    told = await refused(api, "/v1/exams", exam(language="tlh"), 422, "request/invalid")
    assert told["errors"][0]["field"] == "language"
    told = await refused(api, "/v1/exams", exam(language="nl"), 422, "policy/invalid")
    assert "no text in the policy's language 'nl'" in told["detail"]


async def test_tenants_have_their_own_names(api: FakeApi) -> None:
    for tenant in ("acme", "umbrella"):
        await api.post("/v1/policies", {"text": maths()}, headers=api.as_(tenant=tenant))
    assert set(api.database.policies) == {
        (TenantId("acme"), "maths"),
        (TenantId("umbrella"), "maths"),
    }
