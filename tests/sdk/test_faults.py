"""A server that refuses, breaks off and talks nonsense: what is repeated, what is not, what is said."""

import json
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from proctor_client import (
    AnswerNotUnderstood,
    ConnectionFailed,
    NotAvailable,
    Problem,
    Retries,
    ServerFault,
    TooMany,
)
from proctor_client.errors import problem_class
from proctor_client.plans import retry_after_s
from tests.sdk.both import HASTY, Both, Kind
from tests.sdk.faulty import RESET, Faulty, faulty, http

EXAM = {
    "exam_id": "exm_1",
    "title": "Algebra",
    "policy_id": "standard",
    "policy_version": 1,
    "retention_days": 30,
    "created_at": "2026-01-01T00:00:00Z",
}
OK = http(200, json.dumps({**EXAM, "of_a_later_version": {"a": 1}}).encode())
DOWN = {"code": "store/unavailable", "status": 503, "detail": "A store is away."}
PROBLEM = ("Content-Type: application/problem+json",)

Make = Callable[..., Both]


@pytest.fixture(params=["threads", "coroutines"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    kind: Kind = request.param
    made: list[Both] = []

    def make(server: Faulty, retries: Retries = HASTY) -> Both:
        made.append(Both(kind, server.url, "a-token", retries))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def get(c: Any) -> Any:
    return c.exams.get("exm_1")


@pytest.mark.parametrize(
    "fault",
    [
        http(429, b"{}", ["Retry-After: 0"]),
        http(503, json.dumps(DOWN).encode(), [*PROBLEM, "Retry-After: 0"]),
        http(502, b"<html>bad gateway</html>"),
        RESET,
        http(200, b'{"exam_id":', length=500),
        http(200, b'{"exam_id":', length=500) + RESET,
        b"",
    ],
    ids=["429", "503", "502", "reset", "cut", "cut-by-reset", "hung-up"],
)
async def test_a_reading_call_is_repeated_until_it_is_answered(client: Make, fault: bytes) -> None:
    async with faulty(fault, fault, OK) as server:
        found = await client(server).call(get)
    assert found.title == "Algebra" and len(server.asked) == 3
    assert server.asked[0].headers["authorization"] == "bearer a-token"


async def test_a_creating_call_is_repeated_under_one_key(client: Make) -> None:
    async with faulty(RESET, http(503), OK) as server:
        await client(server).call(lambda c: c.exams.create("Algebra", retention_days=30))
    assert len({asked.key for asked in server.asked}) == 1 and server.asked[0].key
    assert len({asked.body for asked in server.asked}) == 1 and len(server.asked) == 3
    async with faulty(OK) as server:
        for _ in range(2):
            await client(server).call(lambda c: c.exams.create("Algebra", retention_days=30))
    assert len({asked.key for asked in server.asked}) == 2


async def test_what_may_have_happened_is_not_repeated(client: Make) -> None:
    async with faulty(RESET) as server:
        with pytest.raises(ConnectionFailed, match="may have worked"):
            await client(server).call(lambda c: c.join("a-ticket"))
        with pytest.raises(ConnectionFailed):
            await client(server).call(lambda c: c.sessions.join_ticket("ses_1"))
    assert len(server.asked) == 2


async def test_patience_ends_and_the_last_word_is_the_servers(client: Make) -> None:
    answer = http(503, json.dumps(DOWN).encode(), [*PROBLEM, "Retry-After: 0"])
    async with faulty(answer) as server:
        with pytest.raises(NotAvailable, match="A store is away") as told:
            await client(server).call(get)
    assert len(server.asked) == HASTY.attempts
    assert (told.value.code, told.value.retry_after_s) == ("store/unavailable", 0.0)


async def test_a_wait_that_is_too_long_is_the_callers_to_decide(client: Make) -> None:
    async with faulty(http(429, b"{}", ["Retry-After: 3600"])) as server:
        with pytest.raises(TooMany) as told:
            await client(server).call(get)
    assert len(server.asked) == 1 and told.value.retry_after_s == 3600.0


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 501])
async def test_what_no_repetition_helps_is_asked_once(client: Make, status: int) -> None:
    async with faulty(http(status, b"{}")) as server:
        with pytest.raises(problem_class(status)):
            await client(server).call(get)
    assert len(server.asked) == 1


async def test_a_key_whose_first_call_still_runs_is_asked_again(client: Make) -> None:
    running = json.dumps({"code": "idempotency/running", "detail": "Still running."}).encode()
    async with faulty(http(409, running, PROBLEM), OK) as server:
        await client(server).call(lambda c: c.exams.create("Algebra", retention_days=30))
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"{not json"),
        http(200, b"[]"),
        http(200, b'{"exam_id": "exm_1"}'),
        http(200, b"\xff\xfe"),
        http(302, b"", ["Location: https://elsewhere.example/"]),
    ],
    ids=["garbage", "another-shape", "fields-missing", "no-text", "sent-elsewhere"],
)
async def test_nonsense_is_named_and_nothing_of_it_shown(client: Make, answer: bytes) -> None:
    async with faulty(answer) as server:
        with pytest.raises(AnswerNotUnderstood, match="Check that the address"):
            await client(server).call(get)
    assert len(server.asked) == 1


async def test_a_proxys_own_page_is_a_problem_too(client: Make) -> None:
    async with faulty(http(500, b"<html>oops</html>")) as server:
        with pytest.raises(ServerFault) as told:
            await client(server).call(get)
    assert (told.value.status, told.value.code) == (500, "http") and "html" not in str(told.value)


async def test_nobody_listens(client: Make) -> None:
    async with faulty(OK) as server:
        pass
    with pytest.raises(ConnectionFailed, match="ConnectError"):
        await client(server, Retries(attempts=1)).call(get)


def test_retry_after_is_read_in_both_forms() -> None:
    date = {"date": "Wed, 01 Jan 2026 00:00:00 GMT"}
    assert retry_after_s({"retry-after": "7"}) == 7.0
    assert retry_after_s({"retry-after": "Wed, 01 Jan 2026 00:00:09 GMT", **date}) == 9.0
    assert retry_after_s({"retry-after": "Tue, 31 Dec 2025 00:00:00 GMT", **date}) == 0.0
    for nonsense in ("", "soon", "-1", "1e9", "٣", "Wed, 01 Jan 2026 00:00:09 GMT"):
        assert retry_after_s({"retry-after": nonsense}) is None


def test_waits_grow_to_a_bound_and_never_come_before_what_was_asked() -> None:
    retries = Retries(attempts=9, first_wait_s=1.0, longest_wait_s=10.0)
    cut = ConnectionFailed("cut")
    assert [retries.wait_s(tried, cut, 1.0) for tried in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 10]
    assert retries.wait_s(1, cut, 0.0) == 0.5 and retries.wait_s(10_000, cut, 1.0) == 10
    asked = TooMany(429, "rate", "Wait.", "", 3.0)
    assert retries.wait_s(1, asked, 0.0) == 3.0
    assert retries.wait_s(1, asked, 1.0) == 4.0
    with pytest.raises(ValueError, match="attempts"):
        Retries(attempts=0)


def test_a_problem_survives_a_process_boundary() -> None:
    problem = TooMany(429, "rate", "Wait.", "req_1", 3.0, {"errors": []})
    again = pickle.loads(pickle.dumps(problem))
    assert (type(again), str(again), again.retry_after_s) == (TooMany, str(problem), 3.0)
    assert "req_1" in str(again) and isinstance(again, Problem)
