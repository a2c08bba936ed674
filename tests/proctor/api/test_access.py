"""Every route has a row and every row a route; nobody sees another tenant's, whatever the route."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from proctor.api.access import SOCKETS, TABLE, Takes
from proctor.api.app import bare_app, refuse_open_routes, route_names
from proctor.api.guard import GuardedRoute
from proctor.api.live import PREFIX
from proctor.domain.ids import SessionId
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture

CLOSED = [(method, path) for (method, path), rule in TABLE.items() if rule.roles is not None]
SEALED_ID = "X-Request-Id"


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
    app.include_router(router)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.get("/v1/secrets", headers=api.as_())
    assert answer.status_code == 403 and "secret" not in answer.json()


class House:
    """One tenant with one of everything, and a call for every route."""

    def __init__(self, api: FakeApi, tenant: str) -> None:
        self.api = api
        self.tenant = tenant
        self.ids: dict[str, str] = {"epoch": "1", "path": "style.css"}

    async def build(self) -> "House":
        made = (await self.api.new_session(self.tenant, ref=f"ref-{self.tenant}"))["session"]
        self.ids.update({k: made[k] for k in ("session_id", "exam_id", "candidate_id")})
        headers = self.headers(Role.CANDIDATE)
        answer = await self.api.client.post(
            f"/v1/sessions/{self.ids['session_id']}/whip",
            content=OFFER,
            headers={**headers, "Content-Type": "application/sdp"},
        )
        assert answer.status_code == 201
        return self

    def headers(self, role: Role) -> dict[str, str]:
        if role is Role.CANDIDATE:
            token = self.api.candidate_token(
                self.ids["candidate_id"], self.ids["session_id"], self.tenant
            )
            return {"Authorization": f"Bearer {token}"}
        return self.api.as_(role, self.tenant)

    def secrets(self) -> Iterator[str]:
        yield from (self.ids["session_id"], self.ids["exam_id"], self.ids["candidate_id"])
        yield f"ref-{self.tenant}"

    async def call(self, method: str, template: str, headers: dict[str, str]) -> httpx.Response:
        """Call a route with this house's ids in the path and in the body."""
        takes = TABLE[method, template].takes
        sent: dict[str, Any] = {}
        if takes is Takes.JSON:
            sent["json"] = self.bodies()[template]
        elif takes is Takes.PICTURES:
            sent["files"] = images(picture(1), picture(2), picture(3))
        elif takes is not Takes.NOTHING:
            sent["content"] = OFFER
            headers = {**headers, "Content-Type": takes.value}
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
            "/v1/candidates": {"external_ref": "new"},
            "/v1/candidates/{candidate_id}/consents": CONSENT,
            "/v1/sessions": {k: self.ids[k] for k in ("exam_id", "candidate_id")},
            "/v1/join": {"ticket": "nothing"},
            "/v1/sign-in": {"ticket": "nothing"},
            "/v1/revocations": {"token_id": "tok_nobody"},
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
        *database.consents,
        *database.enrolments,
        *(value for value in database.sessions.values()),
    ]
    mine = [repr(value) for value in kept if value.tenant_id == house.tenant]
    hosted = api.placement.hosted.get(SessionId(house.ids["session_id"]))
    return json.dumps([sorted(mine), repr(hosted)])


@pytest.mark.parametrize(("method", "template"), CLOSED)
async def test_no_role_of_another_tenant_sees_or_changes_anything(
    api: FakeApi, houses: tuple[House, House], method: str, template: str
) -> None:
    ours, theirs = houses
    before = remembered(api, ours)
    for role in Role:
        headers = {**theirs.headers(role), SEALED_ID: "the-same-for-all"}
        answer = await ours.call(method, template, headers)
        assert not any(secret in answer.text for secret in ours.secrets()), (role, answer.text)
        if "_id}" in template or (method, template) == ("POST", "/v1/sessions"):
            assert answer.status_code in (403, 404), (role, answer.status_code)
    assert remembered(api, ours) == before


@pytest.mark.parametrize(
    ("method", "template"), [(m, p) for m, p in CLOSED if "_id}" in p and m != "PATCH"]
)
async def test_anothers_thing_and_no_thing_are_told_alike_to_the_byte(
    api: FakeApi, houses: tuple[House, House], method: str, template: str
) -> None:
    ours, theirs = houses
    allowed = TABLE[method, template].roles or frozenset()
    nowhere = House(api, "nowhere")
    nowhere.ids = {
        **ours.ids,
        "session_id": "ses_" + "0" * 20,
        "exam_id": "exa_" + "0" * 20,
        "candidate_id": "can_" + "0" * 20,
    }
    for role in allowed:
        headers = {**theirs.headers(role), SEALED_ID: "the-same-for-all"}
        foreign = await ours.call(method, template, headers)
        unknown = await nowhere.call(method, template, headers)
        assert foreign.status_code == unknown.status_code == 404, role
        assert foreign.content == unknown.content
        assert sorted(foreign.headers.items()) == sorted(unknown.headers.items())


@pytest.mark.parametrize(("method", "template"), CLOSED)
async def test_roles_without_a_place_in_the_row_are_refused(
    houses: tuple[House, House], method: str, template: str
) -> None:
    house, _ = houses
    for role in set(Role) - (TABLE[method, template].roles or set()):
        answer = await house.call(method, template, house.headers(role))
        assert (answer.status_code, answer.json()["code"]) == (403, "authz/forbidden"), role


@pytest.mark.parametrize(("method", "template"), CLOSED)
async def test_without_a_token_every_closed_route_is_closed(
    houses: tuple[House, House], method: str, template: str
) -> None:
    house, _ = houses
    answer = await house.call(method, template, {})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth/missing")
    assert answer.headers["www-authenticate"] == "Bearer"
    forged = await house.call(method, template, {"Authorization": "Bearer x.y.z"})
    assert (forged.status_code, forged.json()["code"]) == (401, "auth/invalid-token")
    assert "invalid_token" in forged.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("method", "template"),
    [(m, p) for m, p in CLOSED if "{" in p and Role.CANDIDATE in (TABLE[m, p].roles or ())],
)
async def test_a_candidate_reaches_only_their_own(
    api: FakeApi, houses: tuple[House, House], method: str, template: str
) -> None:
    """Another candidate of the same tenant is as far away as another tenant."""
    house, _ = houses
    other = House(api, house.tenant)
    made = (await api.new_session(house.tenant, ref="neighbour"))["session"]
    other.ids.update({k: made[k] for k in ("session_id", "exam_id", "candidate_id")})
    answer = await other.call(method, template, house.headers(Role.CANDIDATE))
    assert answer.status_code == 404
    own = await house.call(method, template, house.headers(Role.CANDIDATE))
    assert own.status_code not in (401, 403, 404), own.text
