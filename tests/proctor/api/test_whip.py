"""WHIP: what may be offered, what a refused offer leaves behind, and what a resumed one does."""

from typing import Any

import httpx
import pytest

from proctor.domain.errors import InvalidInput, PerceptionUnavailable
from proctor.domain.ids import SessionId
from tests.fakes.api import OFFER, FakeApi


class Page:
    """A candidate's page with its token."""

    def __init__(self, api: FakeApi, made: dict[str, Any]) -> None:
        self.api = api
        self.session_id = SessionId(made["session"]["session_id"])
        self.token = api.candidate_token(made["session"]["candidate_id"], self.session_id)
        self.path = f"/v1/sessions/{self.session_id}/whip"

    async def send(
        self,
        method: str,
        path: str = "",
        content: str = "",
        kind: str = "application/sdp",
        **more: str,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, **more}
        return await self.api.client.request(
            method, self.path + path, content=content, headers=headers
        )

    async def state(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.api.client.get(f"/v1/sessions/{self.session_id}", headers=headers)
        shown: dict[str, Any] = answer.json()
        return shown


@pytest.fixture
async def page(api: FakeApi) -> Page:
    return Page(api, await api.new_session())


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ("", "webrtc/bad-sdp"),
        ("junk", "webrtc/bad-sdp"),
        ("v=0\r\n", "webrtc/bad-sdp"),
        (OFFER.replace("a=fingerprint", "a=nothing"), "webrtc/bad-sdp"),
        (OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 500, "webrtc/bad-sdp"),
        (OFFER.replace("m=video", "m=audio"), "webrtc/no-video"),
    ],
)
async def test_junk_makes_no_connection_and_begins_nothing(
    page: Page, offer: str, code: str
) -> None:
    answer = await page.send("POST", content=offer)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert page.api.placement.hosted == {}
    assert (await page.state())["epoch"] == 0


async def test_a_megabyte_and_another_kind_of_content(page: Page) -> None:
    assert (await page.send("POST", content=OFFER + "a" * 2**20)).status_code == 413
    assert (await page.send("POST", content=OFFER, kind="application/json")).status_code == 415
    answer = await page.send("PATCH", "/1", "a=x", kind="application/sdp")
    assert answer.status_code == 415
    bad = await page.api.client.post(
        page.path,
        content=b"v=0\r\n\xff",
        headers={"Authorization": f"Bearer {page.token}", "Content-Type": "application/sdp"},
    )
    assert (bad.status_code, bad.json()["code"]) == (400, "request/malformed")


@pytest.mark.parametrize(
    "refusal",
    [
        InvalidInput("no", "webrtc/bad-sdp"),
        PerceptionUnavailable("no"),
    ],
)
async def test_an_offer_that_the_host_refuses_has_not_begun_the_session(
    page: Page, refusal: Any
) -> None:
    page.api.placement.refuses = refusal
    assert (await page.send("POST", content=OFFER)).status_code == refusal.status
    state = await page.state()
    assert (state["state"], state["started_at"]) == ("created", None)
    page.api.placement.refuses = None
    await page.api.clock.advance(7_000)
    answer = await page.send("POST", content=OFFER)
    assert answer.headers["location"].endswith("/2")  # an epoch is never given twice
    begun = page.api.placement.hosted[page.session_id].started_at
    assert begun == page.api.clock.now()  # time 0 is the first offer that was accepted


async def test_no_room_is_told_with_a_time_to_come_back(page: Page) -> None:
    page.api.placement.is_full = True
    answer = await page.send("POST", content=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (503, "sessions/no-capacity")
    assert int(answer.headers["retry-after"]) >= 5
    assert (await page.state())["state"] == "created"


async def test_a_refused_resume_leaves_the_session_live(page: Page) -> None:
    await page.send("POST", content=OFFER)
    begun = (await page.state())["started_at"]
    await page.api.clock.advance(5_000)
    page.api.placement.is_full = True
    assert (await page.send("POST", content=OFFER)).status_code == 503
    state = await page.state()
    assert (state["state"], state["started_at"], state["epoch"]) == ("live", begun, 2)


async def test_an_unexpected_failure_of_the_host_is_undone_too(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the host died")

    monkeypatch.setattr(page.api.placement, "join", broken)
    assert (await page.send("POST", content=OFFER)).status_code == 500
    assert (await page.state())["state"] == "created"


async def test_nothing_comes_after_the_end(page: Page) -> None:
    await page.send("POST", content=OFFER)
    await page.api.post(f"/v1/sessions/{page.session_id}/end")
    answer = await page.send("POST", content=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "session/state")


async def test_an_end_while_the_host_answers_wins(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = page.api.placement.join

    async def join_and_end(spec: Any, sdp: str) -> Any:
        answer = await join(spec, sdp)
        await page.api.sessions.end(spec.tenant_id, spec.session_id, page.api.clock.now())
        return answer

    monkeypatch.setattr(page.api.placement, "join", join_and_end)
    answer = await page.send("POST", content=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "session/state")
    assert page.api.placement.hosted == {}


async def test_candidates_of_another_connection_are_not_found(page: Page) -> None:
    await page.send("POST", content=OFFER)
    kind = "application/trickle-ice-sdpfrag"
    assert (await page.send("PATCH", "/2", "a=x", kind)).status_code == 404
    assert (await page.send("PATCH", "/0", "a=x", kind)).status_code == 422
    assert (await page.send("PATCH", "/one", "a=x", kind)).status_code == 422
    stale = await page.send("PATCH", "/1", "a=x", kind, **{"If-Match": '"7"'})
    assert stale.status_code == 412
    fresh = await page.send("PATCH", "/1", "a=x", kind, **{"If-Match": '"1"'})
    assert fresh.status_code == 204


async def test_goodbye_may_be_said_twice(page: Page) -> None:
    await page.send("POST", content=OFFER)
    for _ in range(2):
        assert (await page.send("DELETE", "/1")).status_code == 200
    assert (await page.state())["state"] == "live"


async def test_turn_credentials_end_soon(page: Page) -> None:
    answer = await page.send("POST", content=OFFER)
    link = next(one for one in answer.headers.get_list("link") if "turn:" in one)
    ends = int(link.split('username="')[1].split(":")[0])
    assert ends == int(page.api.clock.now().timestamp()) + 600
    assert 'credential-type="password"' in link and "s3" not in link
