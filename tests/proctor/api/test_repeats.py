"""A creating call repeated under its key answers as the first time, and makes nothing twice."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
from fastapi import Response

from proctor.api.repeats import Repeats, StillRunning
from proctor.domain.ids import TenantId
from proctor.domain.roles import Principal, Role
from tests.fakes.api import FakeApi, images, picture

EXAM = {"title": "Algebra", "policy": "standard", "retention_days": 30}


async def create(api: FakeApi, body: Any = EXAM, key: str = "k-1", **who: Any) -> httpx.Response:
    headers = {**api.as_(**who), "Idempotency-Key": key}
    return await api.client.post("/v1/exams", json=body, headers=headers)


async def test_the_same_call_again_makes_nothing_new(api: FakeApi) -> None:
    first = await create(api)
    again = await create(api)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() and again.headers["idempotent-replayed"] == "true"
    assert len(api.database.exams) == 1


async def test_the_same_key_with_another_body_is_a_mistake(api: FakeApi) -> None:
    await create(api)
    other = await create(api, {**EXAM, "title": "Biology"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency/mismatch")


async def test_another_key_caller_or_tenant_is_another_call(api: FakeApi) -> None:
    made = [
        await create(api),
        await create(api, key="k-2"),
        await create(api, subject="bea"),
        await create(api, tenant="umbrella"),
    ]
    assert len({answer.json()["exam_id"] for answer in made}) == 4


async def test_a_key_is_forgotten_after_a_day(api: FakeApi) -> None:
    first = await create(api)
    await api.clock.advance(24 * 3600 * 1000)
    assert (await create(api)).json()["exam_id"] != first.json()["exam_id"]


async def test_a_refused_call_may_be_corrected_under_its_key(api: FakeApi) -> None:
    assert (await create(api, {**EXAM, "policy": "unknown"})).status_code == 422
    assert (await create(api)).status_code == 201
    api.exams.down = True
    assert (await create(api, key="k-2")).status_code == 503
    api.exams.down = False
    assert (await create(api, key="k-2")).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
async def test_a_key_that_is_none(api: FakeApi, key: str) -> None:
    answer = await create(api, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency/bad-key")


async def test_the_ticket_in_a_kept_answer_is_sealed(api: FakeApi) -> None:
    made = await api.new_session()
    body = {key: made["session"][key] for key in ("exam_id", "candidate_id")}
    headers = {**api.as_(), "Idempotency-Key": "k"}
    first = await api.client.post("/v1/sessions", json=body, headers=headers)
    again = await api.client.post("/v1/sessions", json=body, headers=headers)
    assert again.json() == first.json()
    assert first.json()["join_ticket"] not in repr(api.live._values)


async def test_pictures_are_the_same_in_whatever_form_they_come(api: FakeApi) -> None:
    candidate_id = await api.new_candidate()
    path = f"/v1/candidates/{candidate_id}/enrolments"
    headers = {**api.as_(), "Idempotency-Key": "k"}
    shots = images(picture(1), picture(2), picture(3))
    first = await api.client.post(path, files=shots, headers=headers)
    again = await api.client.post(path, files=shots, headers=headers)  # another boundary
    assert (first.json()["version"], again.json()["version"]) == (1, 1)
    other = await api.client.post(path, files=shots[::-1], headers=headers)
    assert other.status_code == 409


async def test_a_call_that_is_still_running_is_not_run_twice(api: FakeApi) -> None:
    repeats = Repeats(api.live, api.services.keys)
    caller = Principal(
        subject="ada",
        tenant_id=TenantId("acme"),
        role=Role.ADMIN,
        token_id="tok",
        expires_at=api.clock.now(),
    )
    go, calls = asyncio.Event(), 0

    async def slow() -> Response:
        nonlocal calls
        calls += 1
        await go.wait()
        return Response("made", 201)

    def ask() -> Awaitable[Response]:
        return repeats.answer(caller, "POST /x", "k", "digest", slow)

    first = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    with pytest.raises(StillRunning):
        await ask()
    go.set()
    assert (await first).body == b"made"
    assert (await ask()).body == b"made" and calls == 1
