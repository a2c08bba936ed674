"""Every route has a row and every row a route; nobody sees another tenant's, whatever the route."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from proctor.api.access import SOCKETS, TABLE, Takes
from proctor.api.app import bare_app, refuse_open_routes, route_names
from proctor.api.guard import GuardedRoute
from proctor.api.live import PREFIX
from proctor.domain.allowances import Break, BreakBy, SessionBreak
from proctor.domain.evidence import ref_of
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId
from proctor.domain.roles import Role
from tests.contract.evidence_samples import order as evidence_order
from tests.contract.evidence_samples import piece as evidence_piece
from tests.contract.samples import alert, incident, judged
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture
from tests.fakes.engines import policy_text

CLOSED = [(method, path) for (method, path), rule in TABLE.items() if rule.roles is not None]
REFUSED_OTHERWISE = frozenset(
    {
        "",
        "consent/required",
        "resource/not-found",
        "notice/changed",
        "preflight/begun",
        "session/state",  # the appeal waits for the session's end
    }
)
REQUEST_ID = "X-Request-Id"


def test_rows_and_routes_are_the_same(api: FakeApi) -> None:
    routes = route_names(api.app, "") | route_names(api.live_app, PREFIX)
    sockets = {path for method, path in routes if method == "WEBSOCKET"}
    assert routes - {("WEBSOCKET", path) for path in sockets} == set(TABLE)
    assert sockets == set(SOCKETS)


def test_an_application_with_an_unknown_or_unguarded_route_does_not_start(api: FakeApi) -> None:
    unknown = bare_app(api.services, "")
    router = APIRouter(route_class=GuardedRoute)
    router.add_api_route("/v1/secrets", lambda: {}, methods=["GET"])
    unknown.include_router(router)
    with pytest.raises(RuntimeError, match="no row"):
        refuse_open_routes(unknown, "")
    unguarded = bare_app(api.services, "")
    unguarded.add_api_route("/v1/exams", lambda: {}, methods=["GET"])
    with pytest.raises(RuntimeError, match="not guarded"):
        refuse_open_routes(unguarded, "")


async def test_a_route_that_slipped_through_is_closed(api: FakeApi) -> None:
    app = bare_app(api.services, "")
    router = APIRouter(route_class=GuardedRoute)
    router.add_api_route("/v1/secrets", lambda: {"secret": 1}, methods=["GET"])
    app.include_router(router)  # not the way of app.py, and guarded all the same
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.get("/v1/secrets", headers=api.as_())
    assert answer.status_code == 403 and "secret" not in answer.json()


def own_policy(policy_id: str) -> str:
    """A small one."""
    text = policy_text({"id": "one", "when": {"signal": "speech"}}, version=1)
    return text.replace("id: test", f"id: {policy_id}")


class House:
    """One tenant with one of everything, and a call for every route."""

    def __init__(self, api: FakeApi, tenant: str) -> None:
        self.api = api
        self.tenant = tenant
        self.ids: dict[str, str] = {"epoch": "1", "path": "style.css"}
        self.ids["preflight_id"] = f"pre_{tenant}"

    async def build(self) -> "House":
        made = (await self.api.new_session(self.tenant, ref=f"ref-{self.tenant}"))["session"]
        self.ids.update({k: made[k] for k in ("session_id", "exam_id", "candidate_id")})
        headers = self.headers(Role.CANDIDATE)
        await self.api.post(
            "/v1/policies",
            {"text": own_policy(f"maths-{self.tenant}")},
            headers=self.headers(Role.ADMIN),
        )
        self.ids |= {"policy_id": f"maths-{self.tenant}", "version": "1"}
        answer = await self.api.client.post(
            f"/v1/sessions/{self.ids['session_id']}/whip",
            content=OFFER,
            headers={**headers, "Content-Type": "application/sdp"},
        )
        assert answer.status_code == 201
        body = {"kind": "webhook", "name": f"desk-{self.tenant}", "url": "https://h.example.org/"}
        sink = await self.api.post("/v1/sinks", body, headers=self.headers(Role.ADMIN))
        self.ids["sink_id"] = sink["sink"]["sink_id"]
        raised = alert(1, self.ids["session_id"], TenantId(self.tenant), self.ids["exam_id"])
        part = judged(raised, session_id=raised.session_id, tenant_id=raised.tenant_id)
        await self.api.incidents.commit([part])
        self.ids["alert_id"] = raised.alert_id
        self.ids["break_id"] = f"brk_{self.tenant}"
        self.ids["incident_id"] = f"inc_{self.tenant}"
        found = replace(incident(self.ids["incident_id"], self.ids["session_id"]), **self.whose())
        self.api.database.incidents[found.incident_id] = found
        order = replace(
            evidence_order(found.incident_id), session_id=found.session_id, **self.whose()
        )
        piece = ref_of(order, evidence_piece())
        await self.api.evidence.take([piece], self.api.clock.now())
        await self.api.evidence.stored(piece, self.api.clock.now())
        self.ids["evidence_id"] = piece.evidence_id
        given = Break(break_id=self.ids["break_id"], start_ms=0, end_ms=None, by=BreakBy.STAFF)
        self.api.database.breaks[given.break_id] = SessionBreak(
            tenant_id=found.tenant_id, session_id=found.session_id, given=given
        )
        headers = self.headers(Role.ADMIN)
        tried = await self.api.post(
            "/v1/policies/what-if",
            {"policy": "standard", "session_ids": [self.ids["session_id"]]},
            headers=headers,
        )
        self.ids["what_if_id"] = tried["what_if_id"]
        return self

    def whose(self) -> dict[str, Any]:
        return {
            "tenant_id": TenantId(self.tenant),
            "exam_id": ExamId(self.ids["exam_id"]),
            "candidate_id": CandidateId(self.ids["candidate_id"]),
        }

    def headers(self, role: Role) -> dict[str, str]:
        if role is Role.CANDIDATE:
            token = self.api.candidate_token(
                self.ids["candidate_id"], self.ids["session_id"], self.tenant
            )
            return {"Authorization": f"Bearer {token}"}
        return self.api.as_(role, self.tenant)

    def secrets(self) -> Iterator[str]:
        yield from (self.ids["session_id"], self.ids["exam_id"], self.ids["candidate_id"])
        yield from (f"ref-{self.tenant}", self.ids["sink_id"], f"desk-{self.tenant}")
        yield from (self.ids["policy_id"], f"ref-{self.tenant}")

    async def call(self, method: str, template: str, headers: dict[str, str]) -> httpx.Response:
        """Call a route with this house's ids in the path and in the body."""
        takes = TABLE[method, template].takes
        sent: dict[str, Any] = {}
        if takes in (Takes.JSON, Takes.POLICY):
            sent["json"] = self.bodies()[template]
        elif takes in (Takes.PICTURES, Takes.CHALLENGED_PICTURES):
            sent["files"] = images(picture(1), picture(2), picture(3))
        elif takes is not Takes.NOTHING:
            sent["content"] = OFFER
            headers = {**headers, "Content-Type": takes.value}
        if template == f"{PREFIX}/alerts/stream":  # ends at once: there is no such position
            sent["params"] = {"after": 99}
        path = template.format(**self.ids)  # a new name in a path is a KeyError: say what it is
        is_live = path.startswith(PREFIX)
        client = self.api.live_client if is_live else self.api.client
        return await client.request(
            method, path.removeprefix(PREFIX) if is_live else path, headers=headers, **sent
        )

    def bodies(self) -> dict[str, object]:
        """A valid body for every route that takes one: a new route needs its line here."""
        return {
            "/v1/exams": {"title": "T", "policy": "standard", "retention_days": 1},
            "/v1/policies": {"text": own_policy("anybody-s")},
            "/v1/candidates": {"external_ref": "new"},
            "/v1/candidates/{candidate_id}/consents": CONSENT,
            "/v1/sessions": {k: self.ids[k] for k in ("exam_id", "candidate_id")},
            "/v1/candidates/{candidate_id}/accommodations": {"accommodations": ["may_speak"]},
            "/v1/sessions/{session_id}/breaks": {},
            "/v1/policies/check": {"text": own_policy("anybody-s")},
            "/v1/policies/what-if": {"policy": "standard", "exam_id": self.ids["exam_id"]},
            "/v1/sessions/{session_id}/incidents": {
                "words": "A hand with a note",
                "opened_ms": 0,
                "closed_ms": 0,
            },
            "/v1/sessions/{session_id}/decision": {"word": "reviewed", "notes": "Nothing"},
            "/v1/sessions/{session_id}/statements": {"text": "I dropped my pen."},
            "/v1/sessions/{session_id}/notice-answers": {
                "choice": "declined",
                "locale": "en",
                "text_sha256": "0" * 64,
            },
            "/v1/sessions/{session_id}/preflights/{preflight_id}/result": {"browser": "Chromium"},
            "/v1/incidents/{incident_id}/verdict": {"verdict": "dismiss", "reason": "A poster"},
            "/v1/evidence/{evidence_id}/links": {"reason": "To review the incident"},
            "/v1/join": {"ticket": "nothing"},
            "/v1/sign-in": {"ticket": "nothing"},
            "/v1/revocations": {"token_id": "tok_nobody"},
            "/v1/sinks": {"kind": "webhook", "name": "new", "url": "https://h.example.org/"},
            "/v1/sinks/{sink_id}": {"is_enabled": False},
            "/v1/sinks/{sink_id}/dead-letters/replay": {"everything": True},
        }


@pytest.fixture
async def houses(api: FakeApi) -> tuple[House, House]:
    return await House(api, "acme").build(), await House(api, "umbrella").build()


def remembered(api: FakeApi, house: House) -> str:
    """Everything that is stored of a house, as text to be compared."""
    database = api.database
    kept = [
        *(value for value in database.exams.values()),
        *(value for value in database.candidates.values()),
        *(version for versions in database.policies.values() for version in versions),
        *database.consents,
        *database.enrolments,
        *(value for value in database.sessions.values()),
        *database.sinks.values(),
        *(value for value in database.incidents.values()),
        *(value for value in database.accommodations.values()),
        *(value for value in database.breaks.values()),
        *(value for value in database.verdicts.values()),
        *(piece.ref for piece, _ in database.evidence.values()),
        *(value for values in database.decisions.values() for value in values),
        *database.statements,
        *database.additions.values(),
        *api.notices.answers,
        *api.database.preflights,
    ]
    mine = [repr(value) for value in kept if value.tenant_id == house.tenant]
    hosted = api.placement.hosted.get(SessionId(house.ids["session_id"]))
    return json.dumps([sorted(mine), repr(hosted)])


async def test_no_role_of_another_tenant_sees_or_changes_anything(
    api: FakeApi, houses: tuple[House, House]
) -> None:
    ours, theirs = houses
    before = remembered(api, ours)
    for method, template in CLOSED:
        for role in Role:
            headers = {**theirs.headers(role), REQUEST_ID: "the-same-for-all"}
            answer = await ours.call(method, template, headers)
            what = (method, template, role, answer.status_code, answer.text)
            assert not any(secret in answer.text for secret in ours.secrets()), what
            if "_id}" in template or (method, template) == ("POST", "/v1/sessions"):
                assert answer.status_code in (403, 404), what
            assert remembered(api, ours) == before, what


async def test_anothers_thing_and_no_thing_are_told_alike_to_the_byte(
    api: FakeApi, houses: tuple[House, House]
) -> None:
    ours, theirs = houses
    nowhere = House(api, "nowhere")
    nowhere.ids = {
        **ours.ids,
        "session_id": "ses_" + "0" * 20,
        "exam_id": "exa_" + "0" * 20,
        "candidate_id": "can_" + "0" * 20,
        "sink_id": "snk_" + "0" * 20,
        "alert_id": "alr_" + "0" * 20,
        "policy_id": "nothing",
        "what_if_id": "wif_" + "0" * 20,
    }
    for method, template in CLOSED:
        if "_id}" not in template:
            continue
        for role in TABLE[method, template].roles or ():
            headers = {**theirs.headers(role), REQUEST_ID: "the-same-for-all"}
            foreign = await ours.call(method, template, headers)
            unknown = await nowhere.call(method, template, headers)
            what = (method, template, role)
            assert foreign.status_code == unknown.status_code == 404, what
            assert foreign.content == unknown.content, what
            assert sorted(foreign.headers.items()) == sorted(unknown.headers.items()), what


async def test_roles_without_a_place_in_the_row_are_refused(houses: tuple[House, House]) -> None:
    house, _ = houses
    for method, template in CLOSED:
        for role in set(Role) - (TABLE[method, template].roles or set()):
            answer = await house.call(method, template, house.headers(role))
            told = (answer.status_code, answer.json()["code"])
            assert told == (403, "authz/forbidden"), (method, template, role)


async def test_without_a_token_every_closed_route_is_closed(houses: tuple[House, House]) -> None:
    house, _ = houses
    for method, template in CLOSED:
        answer = await house.call(method, template, {})
        assert (answer.status_code, answer.json()["code"]) == (401, "auth/missing"), template
        assert answer.headers["www-authenticate"] == "Bearer"
        forged = await house.call(method, template, {"Authorization": "Bearer x.y.z"})
        assert (forged.status_code, forged.json()["code"]) == (401, "auth/invalid-token"), template
        assert "invalid_token" in forged.headers["www-authenticate"]


async def test_a_candidate_reaches_only_their_own(
    api: FakeApi, houses: tuple[House, House]
) -> None:
    """Another candidate of the same tenant is as far away as another tenant."""
    house, _ = houses
    other = House(api, house.tenant)
    made = (await api.new_session(house.tenant, ref="neighbour"))["session"]
    other.ids.update({k: made[k] for k in ("session_id", "exam_id", "candidate_id")})
    headers = house.headers(Role.CANDIDATE)
    reached = 0
    for method, template in CLOSED:
        if "{" in template and Role.CANDIDATE in (TABLE[method, template].roles or ()):
            answer = await other.call(method, template, headers)
            assert answer.status_code == 404, (method, template)
            own = await house.call(method, template, headers)
            # The consent is withdrawn on the way and the exam has begun, so some are refused, but not
            # for who asks.
            refused = own.json()["code"] if own.is_error else ""
            assert refused in REFUSED_OTHERWISE, (method, template)
            reached += 1
    assert reached >= 8
