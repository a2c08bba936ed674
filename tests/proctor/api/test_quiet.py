"""Nothing that must stay inside is logged: no token, ticket, name, picture, offer or vector."""

import base64
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from proctor.adapters.logging import configure
from proctor.domain.roles import Role
from tests.fakes.api import CONSENT, OFFER, FakeApi, images, picture
from tests.fakes.perception import embedding_of


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The product's own logging, at its most talkative, into memory."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("debug", "test", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_canary_reaches_the_log(api: FakeApi, log: io.StringIO) -> None:
    canaries = ["CanaryTitle", "canary-name", "CanaryOffer", api.token(Role.ADMIN)]
    admin = {"Authorization": f"Bearer {canaries[-1]}"}

    async def post(path: str, **kwargs: object) -> dict[str, str]:
        answer = await api.client.post(path, headers=admin, **kwargs)  # type: ignore[arg-type]
        made: dict[str, str] = answer.json()
        return made

    exam = await post(
        "/v1/exams", json={"title": "CanaryTitle", "policy": "standard", "retention_days": 1}
    )
    candidate = await post("/v1/candidates", json={"external_ref": "canary-name"})
    await post("/v1/candidates", json={"external_ref": "canary-name"})  # refused: it exists
    await post("/v1/candidates", json={"external_ref": "canary-name\u202e"})
    await post("/v1/candidates", json={"canary-name": 1})
    path = f"/v1/candidates/{candidate['candidate_id']}"
    await post(f"{path}/consents", json=CONSENT)
    shots = images(picture(1), picture(2), picture(3))
    await post(f"{path}/enrolments", files=shots)
    await post(f"{path}/verifications", files=shots)
    made = await post(
        "/v1/sessions",
        json={"exam_id": exam["exam_id"], "candidate_id": candidate["candidate_id"]},
    )
    canaries.append(made["join_ticket"])
    joined = await post("/v1/join", json={"ticket": made["join_ticket"]})
    await post("/v1/join", json={"ticket": made["join_ticket"]})
    canaries.append(joined["token"])
    page = {"Authorization": f"Bearer {joined['token']}", "Content-Type": "application/sdp"}
    whip = f"/v1/sessions/{joined['session_id']}/whip"
    await api.client.post(whip, content=OFFER + "a=CanaryOffer\r\n", headers=page)
    await api.client.get(f"/v1/alerts?token={canaries[3]}")
    ticket = await api.live_ticket(joined["token"])
    canaries.append(ticket)
    async with api.socket("/session") as socket:
        await socket.hello(ticket)
        await socket.say({"type": "canary-name"})
        await socket.hear()
    await api.client.delete(f"{path}/consents", headers=admin)

    vector = embedding_of("ana")
    # seven digits, cut and not rounded: five may stand in a port or a time by chance
    canaries += [f"{abs(value):.10f}"[2:9] for value in vector[:8] if abs(value) > 0.01]
    canaries.append(base64.b64encode(vector.tobytes())[:16].decode())
    text = log.getvalue()
    assert [canary for canary in canaries if canary in text] == []

    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 12
    assert all(line["request_id"] and line["route"] and line["status"] for line in requests)
    offered = [line for line in requests if line["route"].endswith("/whip")]
    assert [line["session_id"] for line in offered] == [joined["session_id"]]
    # Nothing of one request is still bound in the next.
    assert "session_id" not in next(line for line in requests if line["route"] == "/v1/alerts")


async def test_metrics_name_routes_and_nobody(api: FakeApi) -> None:
    await api.new_session()
    await api.client.get("/v1/exams/exa_00000000000000000000", headers=api.as_())
    await api.client.get("/v1/somewhere/else")
    routes = {
        dict(labels)["route"]
        for (name, labels) in api.metrics.counts
        if name == "http_requests_total"
    }
    assert routes >= {"/v1/exams/{exam_id}", "/v1/sessions", "unknown"}
    assert not any("exa_" in route or "somewhere" in route for route in routes)
    answer = await api.client.get("/metrics")
    assert answer.text == "proctor_up 1\n" and answer.headers["content-type"].startswith(
        "text/plain"
    )
