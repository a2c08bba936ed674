"""Who is allowed what, verdicts and the order of review, over HTTP; and what a proctor is not told."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from proctor.domain.allowances import Accommodation, BreakBy
from proctor.domain.ids import CandidateId, ExamId, IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident, Severity
from proctor.domain.priority import Contribution, Priority, Withheld
from proctor.domain.roles import Role
from proctor.domain.signals import SignalKind
from tests.contract.samples import incident
from tests.fakes.api import OFFER, FakeApi


class Sitting:
    """A live session and its ids."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.session_id = self.exam_id = self.candidate_id = ""

    async def begin(self, ref: str = "c-1") -> "Sitting":
        made = (await self.api.new_session(ref=ref))["session"]
        self.session_id, self.exam_id = made["session_id"], made["exam_id"]
        self.candidate_id = made["candidate_id"]
        return self

    async def connect(self) -> "Sitting":
        token = self.api.candidate_token(self.candidate_id, self.session_id)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        path = f"/v1/sessions/{self.session_id}/whip"
        answer = await self.api.client.post(path, content=OFFER, headers=headers)
        assert answer.status_code == 201
        return self

    async def ask(
        self, method: str, path: str, role: Role = Role.ADMIN, body: object = None
    ) -> httpx.Response:
        path = path.format(s=self.session_id, e=self.exam_id, c=self.candidate_id)
        sent: dict[str, Any] = {} if body is None else {"json": body}
        return await self.api.client.request(method, path, headers=self.api.as_(role), **sent)

    async def allow(self, *what: str, **more: object) -> httpx.Response:
        body = {"accommodations": list(what), **more}
        return await self.ask("PUT", "/v1/candidates/{c}/accommodations", body=body)

    def have(self, name: str, **changes: Any) -> Incident:
        found = replace(
            incident(name, self.session_id),
            tenant_id=TenantId("acme"),
            exam_id=ExamId(self.exam_id),
            candidate_id=CandidateId(self.candidate_id),
            **changes,
        )
        self.api.database.incidents[IncidentId(name)] = found
        return found

    def ranked(self, value: float | None, **changes: Any) -> None:
        one = Contribution(kind=SignalKind.SPEECH, source="sound", log_odds=1.5, since_ms=2_000)
        priority = Priority(
            at_ms=9_000,
            value=value,
            withheld=Withheld.COVERAGE if value is None else None,
            base_log_odds=-2.9,
            log_odds=-1.4,
            contributions=(one,),
        )
        self.api.database.priorities[SessionId(self.session_id)] = (
            TenantId("acme"),
            replace(priority, **changes),
        )


@pytest.fixture
async def sitting(api: FakeApi) -> Sitting:
    return await Sitting(api).begin()


async def test_what_is_allowed_rides_with_the_session_and_a_change_reaches_its_shard(
    api: FakeApi, sitting: Sitting
) -> None:
    given = await sitting.allow("may_speak", "may_look_away", "may_speak")
    assert given.json() == {"exam_id": None, "accommodations": ["may_look_away", "may_speak"]}
    assert api.judges.refreshed == []  # it has not begun: nobody judges it
    await sitting.connect()
    spec = api.placement.hosted[SessionId(sitting.session_id)]
    assert spec.allowances.accommodations == (
        *(Accommodation.MAY_LOOK_AWAY, Accommodation.MAY_SPEAK),
    )
    await sitting.allow("reader_present", exam_id=sitting.exam_id)
    assert api.judges.refreshed == [sitting.session_id]
    listed = await sitting.ask("GET", "/v1/candidates/{c}/accommodations", Role.REVIEWER)
    assert listed.json()["items"] == [
        {"exam_id": None, "accommodations": ["may_look_away", "may_speak"]},
        {"exam_id": sitting.exam_id, "accommodations": ["reader_present"]},
    ]
    assert [row[1:4] for row in api.database.audit] == [
        ("ada", "accommodations.set", sitting.candidate_id)
    ] * 2


async def test_every_accommodation_can_be_said_and_nothing_else(sitting: Sitting) -> None:
    assert (await sitting.allow(*Accommodation)).status_code == 200
    for wrong in (["may_cheat"], ["may_speak"] * 7, [1], "may_speak", None):
        body = {"accommodations": wrong}
        answer = await sitting.ask("PUT", "/v1/candidates/{c}/accommodations", body=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")
    unknown = await sitting.allow("may_speak", exam_id="exa_unknown")
    assert unknown.status_code == 404
    with_why = await sitting.allow("may_speak", why="a diagnosis")
    assert with_why.status_code == 422  # there is no place for a reason


async def test_a_shard_that_cannot_be_told_is_said_and_the_call_may_be_repeated(
    api: FakeApi, sitting: Sitting
) -> None:
    await sitting.connect()
    api.judges.down = True
    assert (await sitting.allow("may_speak")).status_code == 503
    api.judges.down = False
    assert (await sitting.allow("may_speak")).status_code == 200
    assert api.judges.refreshed == [sitting.session_id]


async def test_a_break_begins_now_and_is_ended(api: FakeApi, sitting: Sitting) -> None:
    early = await sitting.ask("POST", "/v1/sessions/{s}/breaks", Role.PROCTOR, {})
    assert (early.status_code, early.json()["code"]) == (409, "session/state")
    await sitting.connect()
    await api.clock.advance(60_000)
    begun = await sitting.ask("POST", "/v1/sessions/{s}/breaks", Role.PROCTOR, {})
    assert begun.status_code == 201
    shown = begun.json()
    assert shown == {
        "break_id": shown["break_id"],
        "start_ms": 60_000,
        "end_ms": None,
        "by": BreakBy.STAFF,
    }
    await api.clock.advance(30_000)
    path = f"/v1/sessions/{{s}}/breaks/{shown['break_id']}"
    ended = await sitting.ask("DELETE", path, Role.PROCTOR)
    assert ended.json()["end_ms"] == 90_000
    await api.clock.advance(30_000)
    assert (await sitting.ask("DELETE", path, Role.PROCTOR)).json() == ended.json()
    listed = await sitting.ask("GET", "/v1/sessions/{s}/breaks", Role.PROCTOR)
    assert listed.json()["items"] == [ended.json()]
    assert api.judges.refreshed == [sitting.session_id] * 3
    assert (await sitting.ask("DELETE", "/v1/sessions/{s}/breaks/brk_none")).status_code == 404


async def test_a_break_may_be_planned_and_called_off(api: FakeApi, sitting: Sitting) -> None:
    body = {"start_ms": 3_600_000, "end_ms": 4_200_000}
    planned = (await sitting.ask("POST", "/v1/sessions/{s}/breaks", body=body)).json()
    assert planned["by"] == BreakBy.SCHEDULE
    path = f"/v1/sessions/{{s}}/breaks/{planned['break_id']}"
    assert (await sitting.ask("DELETE", path)).json()["end_ms"] == 3_600_000
    await sitting.connect()
    await api.clock.advance(60_000)
    for wrong in ({"start_ms": 59_999}, {"end_ms": 60_000}, {"end_ms": 1 << 39}, {"start_ms": -1}):
        answer = await sitting.ask("POST", "/v1/sessions/{s}/breaks", body=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), wrong
    await sitting.ask("POST", "/v1/sessions/{s}/end")
    over = await sitting.ask("POST", "/v1/sessions/{s}/breaks", body={})
    assert (over.status_code, over.json()["code"]) == (409, "session/state")


async def test_a_session_has_no_endless_list_of_breaks(sitting: Sitting) -> None:
    for number in range(50):
        body = {"start_ms": number * 1_000, "end_ms": number * 1_000 + 500}
        assert (await sitting.ask("POST", "/v1/sessions/{s}/breaks", body=body)).status_code == 201
    answer = await sitting.ask("POST", "/v1/sessions/{s}/breaks", body={"start_ms": 60_000})
    assert answer.status_code == 409


async def test_a_proctor_learns_of_no_accommodation(sitting: Sitting) -> None:
    """TRUST P17: neither that there is one, nor what it covers."""
    look = "accommodation:may_look_away"
    sitting.have("inc_covered", suppressed_by=look, is_told=False)
    sitting.have("inc_late", suppressed_by=look, is_told=True, opened_ms=2_000)
    sitting.have("inc_break", suppressed_by="break", is_told=False, opened_ms=3_000)
    sitting.have("inc_plain", opened_ms=4_000)
    await sitting.allow("may_look_away")

    async def seen(role: Role) -> list[tuple[str, str | None]]:
        answer = await sitting.ask("GET", "/v1/sessions/{s}/incidents", role)
        return [(each["incident_id"], each["suppressed_by"]) for each in answer.json()["items"]]

    everything = [("inc_covered", look), ("inc_late", look)]
    plain = [("inc_break", "break"), ("inc_plain", None)]
    for role in (Role.REVIEWER, Role.ADMIN, Role.SERVICE):
        assert await seen(role) == everything + plain
    for role in (Role.PROCTOR, Role.ANALYST):
        assert await seen(role) == [("inc_late", None), *plain]
        for path in (
            *("/v1/sessions/{s}", "/v1/sessions/{s}/incidents", "/v1/sessions/{s}/breaks"),
            *("/v1/exams/{e}/priorities", "/v1/candidates/{c}"),
        ):
            assert "look_away" not in (await sitting.ask("GET", path, role)).text
        refused = await sitting.ask("GET", "/v1/candidates/{c}/accommodations", role)
        assert refused.status_code == 403


async def test_an_escalation_that_is_held_back_is_shown_to_those_who_may_know(
    sitting: Sitting,
) -> None:
    worse = {"suppressed_by": "accommodation:may_speak", "severity": Severity.MEDIUM}
    sitting.have("inc_worse", **worse, told_severity=Severity.LOW)

    async def seen(role: Role) -> list[str]:
        answer = await sitting.ask("GET", "/v1/sessions/{s}/incidents", role)
        return [each["severity"] for each in answer.json()["items"]]

    assert await seen(Role.REVIEWER) == ["medium"]
    assert await seen(Role.PROCTOR) == ["low"]


async def test_a_priority_is_shown_with_its_reasons_to_those_who_review(sitting: Sitting) -> None:
    unknown = await sitting.ask("GET", "/v1/sessions/{s}", Role.REVIEWER)
    assert unknown.json()["priority"] is None
    sitting.ranked(0.2, peak=0.4, peak_ms=1_000)
    in_full = (await sitting.ask("GET", "/v1/sessions/{s}", Role.REVIEWER)).json()["priority"]
    assert (in_full["value"], in_full["peak"], in_full["base_log_odds"]) == (0.2, 0.4, -2.9)
    assert in_full["contributions"] == [
        {"kind": "speech", "source": "sound", "log_odds": 1.5, "since_ms": 2_000}
    ]
    short = (await sitting.ask("GET", "/v1/sessions/{s}", Role.PROCTOR)).json()["priority"]
    assert (short["value"], short["contributions"], short["log_odds"]) == (0.2, None, None)
    token = sitting.api.candidate_token(sitting.candidate_id, sitting.session_id)
    own = await sitting.api.client.get(
        f"/v1/sessions/{sitting.session_id}", headers={"Authorization": f"Bearer {token}"}
    )
    assert own.json()["priority"] is None
    sitting.ranked(None)
    withheld = (await sitting.ask("GET", "/v1/sessions/{s}", Role.PROCTOR)).json()["priority"]
    assert (withheld["value"], withheld["withheld"]) == (None, "coverage")


async def test_an_exam_s_sessions_come_in_the_order_of_review_page_by_page(
    api: FakeApi, sitting: Sitting
) -> None:
    others = []
    for ref, value in (("b", 0.9), ("c", None), ("d", 0.5)):
        body = {
            "exam_id": sitting.exam_id,
            "candidate_id": await api.new_candidate(ref),
        }
        other = Sitting(api)
        other.session_id = (await api.post("/v1/sessions", body))["session"]["session_id"]
        other.ranked(value)
        others.append(other.session_id)
    expected = [others[0], others[2], *sorted([sitting.session_id, others[1]])]
    found, path = [], "/v1/exams/{e}/priorities?limit=1"
    cursor = ""
    while True:
        answer = (await sitting.ask("GET", path + cursor, Role.PROCTOR)).json()
        found += [each["session"]["session_id"] for each in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert found == expected
    for wrong in ("ses_1", "pri_1z2", "x"):
        broken = await sitting.ask("GET", f"/v1/exams/{{e}}/priorities?cursor={wrong}")
        assert (broken.status_code, broken.json()["code"]) == (400, "request/bad-cursor")


async def test_a_reviewer_s_verdict_is_kept_and_told(api: FakeApi, sitting: Sitting) -> None:
    sitting.have("inc_1")
    api.judges.judging.add(SessionId(sitting.session_id))
    body = {"verdict": "dismiss", "reason": "A poster on the wall"}
    given = await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
    assert given.status_code == 201
    shown = given.json()
    assert (shown["verdict"], shown["reviewer"]) == ("dismissed", "ada")
    assert shown["told_at"] is not None
    body["verdict"] = "confirm"
    await api.clock.advance(1_000)
    await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.ADMIN, body)
    listed = await sitting.ask("GET", "/v1/incidents/inc_1/verdicts", Role.REVIEWER)
    assert [each["verdict"] for each in listed.json()["items"]] == ["dismissed", "confirmed"]
    (now,) = (await sitting.ask("GET", "/v1/sessions/{s}/incidents")).json()["items"]
    assert (now["verdict"], now["evidence"]) == ("confirmed", {"status": "none"})
    assert len(api.judges.notes) == 2


async def test_a_verdict_has_no_other_consequence(api: FakeApi, sitting: Sitting) -> None:
    """TRUST P8: nothing ends, nobody is marked."""
    await sitting.connect()
    sitting.have("inc_1")
    before = (await sitting.ask("GET", "/v1/sessions/{s}")).json()
    hosted = repr(api.placement.hosted)
    body = {"verdict": "confirm", "reason": "Seen it"}
    given = await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
    assert (given.status_code, given.json()["told_at"]) == (201, None)  # no shard: it is owed
    assert (await sitting.ask("GET", "/v1/sessions/{s}")).json() == before
    assert repr(api.placement.hosted) == hosted and api.judges.ended == []


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "confirm"},
        {"verdict": "confirm", "reason": ""},
        {"verdict": "confirm", "reason": "x" * 1001},
        {"verdict": "confirm", "reason": "a\u202eb"},
        {"verdict": "guilty", "reason": "x"},
        {"verdict": "unreviewed", "reason": "x"},
        {"verdict": "confirm", "reason": "x", "reviewer": "somebody else"},
    ],
)
async def test_a_verdict_without_a_word_of_why_is_refused(
    sitting: Sitting, body: dict[str, str]
) -> None:
    sitting.have("inc_1")
    answer = await sitting.ask("POST", "/v1/incidents/inc_1/verdict", Role.REVIEWER, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")


async def test_the_same_call_again_is_the_same_verdict(sitting: Sitting) -> None:
    sitting.have("inc_1")
    headers = {**sitting.api.as_(Role.REVIEWER), "Idempotency-Key": "once"}
    body = {"verdict": "confirm", "reason": "Seen it"}
    path = "/v1/incidents/inc_1/verdict"
    answers = [await sitting.api.client.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(sitting.api.database.verdicts) == 1
