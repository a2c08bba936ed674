"""What cannot be used is refused with a problem that names it, and nothing of the inside (TRUST, 3)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from proctor.api.access import TABLE
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, FakeApi

EXAM: dict[str, Any] = {"title": "Algebra", "policy": "standard", "retention_days": 30}
LEAKS = ("Traceback", ".py", "/work", "SELECT", "sqlite", "Bearer ey")


async def send(
    api: FakeApi, content: bytes | str, kind: str = "application/json"
) -> httpx.Response:
    headers = {**api.as_(), "Content-Type": kind}
    return await api.client.post("/v1/exams", content=content, headers=headers)


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not any(leak in answer.text for leak in LEAKS)
    told: dict[str, Any] = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["type"] == f"urn:rayproctor:problem:{code}"
    assert told["title"] and told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nothing",
        b"\xff\xfe{}",
        '{"title": "x"}'.encode("utf-16"),
        b'{"title": "a", "title": "b"}',
        b'{"title": {"a": 1, "a": 2}}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"retention_days": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_what_is_no_json(api: FakeApi, content: bytes) -> None:
    began = time.perf_counter()
    problem_of(await send(api, content), 400, "request/malformed")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"retention_days": "30"}, "retention_days"),
        ({"retention_days": True}, "retention_days"),
        ({"retention_days": 30.0}, "retention_days"),
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": 10**9}, "retention_days"),
        ({"retention_days": None}, "retention_days"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": 5}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "a\r\nb"}, "title"),
        ({"title": "a\u202eb"}, "title"),
        ({"title": "\u2066a"}, "title"),
        ({"title": "a\ud800"}, "title"),
        ({"title": " a"}, "title"),
        ({"policy": "../standard"}, "policy.preset"),
        ({"policy": {"id": "maths", "version": "1"}}, "policy.own.version"),
        ({"policy": {"id": "maths", "version": 0}}, "policy.own.version"),
        ({"policy": {"id": "../maths", "version": 1}}, "policy.own.id"),
        ({"policy": ["standard"]}, "policy.own"),
        ({"language": "english"}, "language"),
        (
            {"overrides": {"rules": {"speech": {"severity": "urgent"}}}},
            "overrides.rules.speech.severity",
        ),
        ({"overrides": {"rules": {"speech": {"for_ms": 1.5}}}}, "overrides.rules.speech.for_ms"),
        (
            {"overrides": {"rules": {"speech": {"title": {"en": "x"}}}}},
            "overrides.rules.speech.title",
        ),
        ({"overrides": {"sampling": {"Face": 1}}}, "overrides.sampling.Face.[key]"),
        ({"overrides": {"closing": {}}}, "overrides.closing"),
        ({"tenant_id": "umbrella"}, "tenant_id"),
        ({"is_admin": True}, "is_admin"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(
    api: FakeApi, change: dict[str, Any], field: str
) -> None:
    told = problem_of(await send(api, json.dumps({**EXAM, **change})), 422, "request/invalid")
    assert [fault["field"] for fault in told["errors"]] == [field]
    assert api.database.exams == {}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_numbers_that_are_none(api: FakeApi, number: str) -> None:
    body = json.dumps(EXAM).replace("30", number)
    told = problem_of(await send(api, body), 422, "request/invalid")
    assert told["errors"][0]["field"] == "retention_days"


@pytest.mark.parametrize("value", ["[]", "null", "5", '"x"'])
async def test_json_that_is_no_object(api: FakeApi, value: str) -> None:
    problem_of(await send(api, value), 422, "request/invalid")


async def test_a_hostile_field_name_is_shown_as_ascii(api: FakeApi) -> None:
    body = json.dumps({**EXAM, "\u202e\x1b[31m" + "x" * 500: 1, "\ud800": 2})
    answer = await send(api, body)
    told = problem_of(answer, 422, "request/invalid")
    assert answer.text.isascii() and "\x1b" not in answer.text
    assert all(len(fault["field"]) <= 80 for fault in told["errors"])


async def test_people_write_in_many_scripts(api: FakeApi) -> None:
    for title in ("Prüfung", "امتحان", "试验 Ⅱ", "می‌خواهم", "🙂 exam"):
        made = await api.post("/v1/exams", {**EXAM, "title": title})
        assert made["title"] == title


@pytest.mark.parametrize("kind", ["text/plain", "", "application/xml", "multipart/form-data"])
async def test_another_kind_of_content(api: FakeApi, kind: str) -> None:
    problem_of(await send(api, json.dumps(EXAM), kind), 415, "request/media-type")


async def test_a_body_that_is_too_large_declared_or_not(api: FakeApi) -> None:
    problem_of(await send(api, b" " * (64 * 1024 + 1)), 413, "request/too-large")

    read = 0

    async def drip() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 1024

    headers = {**api.as_(), "Content-Type": "application/json"}
    answer = await api.client.post("/v1/exams", content=drip(), headers=headers)
    problem_of(answer, 413, "request/too-large")
    assert read < 80  # it was not read to its end, it has none

    headers["Content-Length"] = "99999999999999999999999"
    answer = await api.client.post("/v1/exams", content=b"{}", headers=headers)
    problem_of(answer, 413, "request/too-large")
    headers["Content-Length"] = "-5"
    answer = await api.client.post("/v1/exams", content=b"{}", headers=headers)
    assert answer.status_code == 413


async def test_a_body_that_drips_too_slowly(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proctor.api.bodies.DEADLINE_S", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.02)
            yield b" "

    headers = {**api.as_(), "Content-Type": "application/json"}
    answer = await api.client.post("/v1/exams", content=drip(), headers=headers)
    problem_of(answer, 408, "request/timeout")


async def test_nothing_is_read_before_the_caller_is_known(api: FakeApi) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{}"

    answer = await api.client.post(
        "/v1/exams", content=body(), headers={"Content-Type": "application/json"}
    )
    problem_of(answer, 401, "auth/missing")
    assert read == 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/exams/",
        "/v1/EXAMS",
        "/static/../pyproject.toml",
        "/static/%2e%2e/pyproject.toml",
        "/static/%2e%2e%2fpyproject.toml",
        "/static/..%5c..%5cpyproject.toml",
        "/static/candidate/../../pyproject.toml",
        "/static//etc/passwd",
        "/static/.git/config",
        "/static/README.md",
        "/static/candidate",
        "/static/",
        "/static/%00.html",
        "/static/" + "x" * 5000 + ".html",
    ],
)
async def test_addresses_that_lead_nowhere(api: FakeApi, path: str) -> None:
    answer = await api.client.get(path)
    problem_of(answer, 404, "resource/not-found")
    assert "hatchling" not in answer.text


@pytest.mark.parametrize(
    "exam_id", ["exa_0", "EXA_" + "0" * 20, "x" * 3000, "a%00b", "%2e%2e%2fetc", "a b", "ä", "'--"]
)
async def test_ids_of_no_possible_form_are_not_found(api: FakeApi, exam_id: str) -> None:
    answer = await api.client.get(f"/v1/exams/{exam_id}", headers=api.as_())
    problem_of(answer, 404, "resource/not-found")


async def test_a_method_that_an_address_does_not_know(api: FakeApi) -> None:
    answer = await api.client.put("/v1/exams", headers=api.as_())
    problem_of(answer, 405, "request/method")
    assert "GET" in answer.headers["allow"] or "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("limit=-1", 422, "request/invalid"),
        ("limit=0", 422, "request/invalid"),
        ("limit=1000000000", 422, "request/invalid"),
        ("limit=ten", 422, "request/invalid"),
        ("cursor=broken", 400, "request/bad-cursor"),
        ("cursor=exa_%27;--", 400, "request/bad-cursor"),
        ("cursor=" + "x" * 3000, 400, "request/bad-cursor"),
    ],
)
async def test_paging_that_cannot_be(api: FakeApi, query: str, status: int, code: str) -> None:
    answer = await api.client.get(f"/v1/exams?{query}", headers=api.as_())
    problem_of(answer, status, code)


async def test_a_foreign_cursor_shows_nothing_foreign(api: FakeApi) -> None:
    theirs = await api.new_exam("umbrella")
    ours = [await api.new_exam() for _ in range(3)]
    for cursor in (theirs, "exa_0"):
        page = await api.client.get(f"/v1/exams?cursor={cursor}", headers=api.as_())
        assert {item["exam_id"] for item in page.json()["items"]} <= set(ours)


async def test_a_tenant_named_in_the_query_is_nobody(api: FakeApi) -> None:
    theirs = await api.new_exam("umbrella")
    answer = await api.client.get("/v1/exams?tenant_id=umbrella&tenant=umbrella", headers=api.as_())
    assert answer.status_code == 200 and theirs not in answer.text


async def test_a_token_in_the_address_is_no_token(api: FakeApi) -> None:
    token = api.token()
    answer = await api.client.get(f"/v1/exams?token={token}&access_token={token}")
    problem_of(answer, 401, "auth/missing")
    for wrong in ("", "Basic YTpi", "Bearer", "Bearer  "):
        answer = await api.client.get("/v1/exams", headers={"Authorization": wrong})
        problem_of(answer, 401, "auth/missing")


async def test_forwarded_headers_of_a_client_are_ignored(api: FakeApi) -> None:
    lies = {"X-Forwarded-For": "10.0.0.1", "X-User-ID": "root", "X-Tenant-ID": "umbrella"}
    theirs = await api.new_exam("umbrella")
    answer = await api.client.get(f"/v1/exams/{theirs}", headers={**api.as_(), **lies})
    assert answer.status_code == 404


async def test_a_candidate_that_exists_already(api: FakeApi) -> None:
    await api.new_candidate("same")
    answer = await api.client.post(
        "/v1/candidates", json={"external_ref": "same"}, headers=api.as_()
    )
    problem_of(answer, 409, "resource/conflict")


async def test_a_policy_that_does_not_exist(api: FakeApi) -> None:
    told = problem_of(
        await send(api, json.dumps({**EXAM, "policy": "emotion"})), 422, "policy/unknown"
    )
    assert "standard" in told["detail"]


@pytest.mark.parametrize(
    "change",
    [{"text_sha256": "A" * 64}, {"text_sha256": "a" * 63}, {"locale": "e_n"}, {"method": "a b"}],
)
async def test_a_consent_that_proves_nothing(api: FakeApi, change: dict[str, str]) -> None:
    candidate_id = await api.new_candidate(consent=False)
    path = f"/v1/candidates/{candidate_id}/consents"
    answer = await api.client.post(path, json={**CONSENT, **change}, headers=api.as_())
    problem_of(answer, 422, "request/invalid")


@pytest.mark.parametrize("path", ["/v1/join", "/v1/sign-in"])
@pytest.mark.parametrize("ticket", ["x", "jt_" + "a" * 27, "st_" + "a" * 27, "lt_\u0000", "é" * 9])
async def test_tickets_that_open_nothing(api: FakeApi, path: str, ticket: str) -> None:
    problem_of(await api.client.post(path, json={"ticket": ticket}), 401, "auth/ticket")


async def test_a_ticket_opens_once_in_time_and_its_own_door_only(api: FakeApi) -> None:
    made = await api.new_session()
    ticket = {"ticket": made["join_ticket"]}
    problem_of(await api.client.post("/v1/sign-in", json=ticket), 401, "auth/ticket")
    assert (await api.client.post("/v1/join", json=ticket)).status_code == 200
    problem_of(await api.client.post("/v1/join", json=ticket), 401, "auth/ticket")
    again = await api.post(f"/v1/sessions/{made['session']['session_id']}/tickets")
    assert again["join_ticket"] in again["join_url"]
    await api.clock.advance(901_000)
    late = await api.client.post("/v1/join", json={"ticket": again["join_ticket"]})
    problem_of(late, 401, "auth/ticket")


async def test_a_ticket_dies_with_the_token_that_bought_it(api: FakeApi) -> None:
    headers = api.as_(Role.PROCTOR)
    ticket = (await api.client.post("/v1/tickets", headers=headers)).json()["ticket"]
    assert (await api.client.post("/v1/sign-out", headers=headers)).status_code == 204
    refused = await api.client.post("/v1/sign-in", json={"ticket": ticket})
    problem_of(refused, 401, "auth/revoked")


async def test_tickets_are_kept_as_digests_only(api: FakeApi) -> None:
    made = await api.new_session()
    kept = repr(api.live._values)
    assert "ticket:" in kept and made["join_ticket"] not in kept


async def test_a_session_that_ended_takes_nobody_in(api: FakeApi) -> None:
    made = await api.new_session()
    path = f"/v1/sessions/{made['session']['session_id']}"
    await api.post(f"{path}/end")
    late = await api.client.post("/v1/join", json={"ticket": made["join_ticket"]})
    problem_of(late, 409, "session/state")
    problem_of(await api.client.post(f"{path}/tickets", headers=api.as_()), 409, "session/state")


async def test_stores_that_are_away_are_told_with_a_time_to_come_back(api: FakeApi) -> None:
    api.exams.down = True
    waits = set()
    for _ in range(20):
        answer = await send(api, json.dumps(EXAM))
        problem_of(answer, 503, "state-store/unavailable")
        waits.add(int(answer.headers["retry-after"]))
    assert min(waits) >= 2 and len(waits) > 1  # they do not all come back at once
    api.exams.down, api.live.down = False, True
    problem_of(await send(api, json.dumps(EXAM)), 503, "state-store/unavailable")


async def test_an_unexpected_error_says_nothing_of_the_inside(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(api.exams, "get_exam", broken)
    answer = await api.client.get("/v1/exams/exa_1", headers=api.as_())
    problem_of(answer, 500, "internal/error")
    logged = capsys.readouterr().out
    assert "secret of the inside" not in answer.text + logged
    assert "RuntimeError" in logged and answer.json()["request_id"] in logged
    assert api.metrics.counted("http_unexpected_errors_total") == 1


async def test_request_ids_are_taken_when_they_are_sane(api: FakeApi) -> None:
    answer = await api.client.get("/healthz", headers={"X-Request-Id": "my-request-1"})
    assert answer.headers["x-request-id"] == "my-request-1"
    for strange in ("short", "x" * 65, "a b c d e f", "<script>alert"):
        answer = await api.client.get("/healthz", headers={"X-Request-Id": strange})
        assert answer.headers["x-request-id"].startswith("req_")


async def test_more_calls_than_are_allowed(api: FakeApi) -> None:
    made = await api.new_session()
    session_id = made["session"]["session_id"]
    token = api.candidate_token(made["session"]["candidate_id"], session_id)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    path = f"/v1/sessions/{session_id}/whip"
    codes = [
        (await api.client.post(path, content="junk", headers=headers)).status_code
        for _ in range(40)
    ]
    assert codes == [422] * 30 + [429] * 10
    refused = await api.client.post(path, content="junk", headers=headers)
    problem_of(refused, 429, "rate/limited")
    assert int(refused.headers["retry-after"]) == 60
    other = await api.new_session("umbrella", ref="other")
    theirs = api.candidate_token(
        other["session"]["candidate_id"], other["session"]["session_id"], "umbrella"
    )
    answer = await api.client.post(
        f"/v1/sessions/{other['session']['session_id']}/whip",
        content="junk",
        headers={"Authorization": f"Bearer {theirs}", "Content-Type": "application/sdp"},
    )
    assert answer.status_code == 422  # another tenant does not feel it
    await api.clock.advance(61_000)
    assert (await api.client.post(path, content="junk", headers=headers)).status_code == 422


async def test_tickets_are_not_guessed_without_end(api: FakeApi) -> None:
    limit = TABLE["POST", "/v1/join"].limit
    assert limit is not None
    key = f"rate:{limit.name}:address:127.0.0.1"
    await api.live.put(key, str(limit.per_caller - 1), None)
    answer = await api.client.post("/v1/join", json={"ticket": "x"})
    problem_of(answer, 401, "auth/ticket")
    answer = await api.client.post("/v1/join", json={"ticket": "x"})
    problem_of(answer, 429, "rate/limited")


async def test_a_role_that_was_refused_is_logged(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.client.post("/v1/exams", json=EXAM, headers=api.as_(Role.ANALYST))
    assert "refused by role" in capsys.readouterr().out
