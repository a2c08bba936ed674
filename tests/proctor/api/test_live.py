"""The WebSockets: who may open one, nothing missed and nothing twice, and how each ends."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from proctor.api.live import create_live_app
from proctor.domain.alerts import Alert, Transition
from proctor.domain.ids import (
    AlertId,
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    SignalId,
    TenantId,
)
from proctor.domain.incidents import Category, Severity
from proctor.domain.observations import Producer
from proctor.domain.roles import Role
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.ports import Judged
from tests.fakes.api import OFFER, QUICK, FakeApi, FakeSocket


def alert_of(api: FakeApi, seq: int, tenant: str = "acme", session: str = "ses_1") -> Alert:
    producer = Producer("detector", "1", "d" * 64)
    signal = Signal(
        signal_id=SignalId(f"sig_{seq}"),
        kind=SignalKind.GAZE_AWAY,
        started_ms=1_000,
        ended_ms=None,
        probability=0.9,
        support=Support(observations=4, numbers=(("yaw_deg", 21.5),), producers=(producer,)),
    )
    return Alert(
        alert_id=AlertId(f"alr_{tenant}_{session}_{seq}"),
        seq=seq,
        tenant_id=TenantId(tenant),
        exam_id=ExamId("exa_1"),
        session_id=SessionId(session),
        candidate_id=CandidateId("can_1"),
        incident_id=IncidentId(f"inc_{seq}"),
        transition=Transition.OPENED,
        rule_id="looking_away",
        policy_id="standard",
        policy_version=1,
        category=Category.CONDUCT,
        severity=Severity.MEDIUM,
        title="Looking away",
        reason="Away for 2.0 s",
        occurred_ms=1_000,
        raised_at=api.clock.now(),
        signals=(signal,),
        producers=(producer,),
        frame_digest="f" * 64,
    )


def large_alert(api: FakeApi, seq: int) -> Alert:
    """An alert of 3000 signals, over half a megabyte."""
    alert = alert_of(api, seq)
    [signal] = alert.signals
    signals = (replace(signal, signal_id=SignalId(f"sig_{n}")) for n in range(3_000))
    return replace(alert, signals=tuple(signals))


async def raise_alerts(api: FakeApi, *alerts: Alert, tell: bool = True) -> None:
    for alert in alerts:
        part = Judged(
            tenant_id=alert.tenant_id,
            session_id=alert.session_id,
            alerts=(alert,),
            incidents=(),
            coverage=None,
        )
        await api.incidents.commit([part])
    await api.feed.publish_pending(100)
    if tell:
        for tenant in {alert.tenant_id for alert in alerts}:
            await api.live.publish(f"alerts:{tenant}", str(await api.feed.head(tenant)))


async def open_feed(api: FakeApi, socket: FakeSocket, after: int = 0, **who: Any) -> None:
    await socket.hello(await api.live_ticket(api.token(Role.PROCTOR, **who)), after=after)


async def test_the_backlog_comes_by_pages_then_what_is_new(api: FakeApi) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 9)))  # pages of three
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket, after=2)
        heard = await socket.hear_until("caught_up")
        assert [one["position"] for one in heard] == [3, 4, 5, 6, 7, 8, 8]
        await raise_alerts(api, alert_of(api, 9), alert_of(api, 10))
        assert [(await socket.hear())["position"] for _ in range(2)] == [9, 10]
    by_page = await api.client.get("/v1/alerts?after=2", headers=api.as_(Role.PROCTOR))
    assert [item["alert"] for item in by_page.json()["items"]][:6] == [
        one["alert"] for one in heard[:-1]
    ]
    assert by_page.json()["next"] == 10


async def test_an_alert_has_all_that_explains_it_and_no_tenant(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1))
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        alert = (await socket.hear())["alert"]
    assert alert["signals"][0]["support"]["numbers"] == {"yaw_deg": 21.5}
    assert alert["producers"] == [{"model": "detector", "version": "1", "digest": "d" * 64}]
    assert alert["frame_digest"] == "f" * 64 and alert["raised_at"].startswith("2026-01-01T12")
    assert "tenant_id" not in alert


async def test_a_lost_notification_is_made_up_for(api: FakeApi) -> None:
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await socket.hear_until("caught_up")
        await raise_alerts(api, alert_of(api, 1), tell=False)
        assert (await socket.hear())["position"] == 1


async def test_what_is_published_while_the_backlog_is_read_is_not_missed(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(QUICK, look_s=60.0)  # only the notification can wake the socket
    api.live_app = create_live_app(api.services, slow)
    read, is_first = api.feed.read, True

    async def read_and_raise(*args: Any) -> Any:
        nonlocal is_first
        found = await read(*args)
        if is_first:
            is_first = False
            await raise_alerts(api, alert_of(api, 1))
        return found

    monkeypatch.setattr(api.feed, "read", read_and_raise)
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        heard = await socket.hear_until("alert")
        assert heard[-1]["position"] == 1


async def test_tenants_never_hear_each_other(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, tenant="umbrella", session="ses_9"))
    async with api.socket("/alerts") as ours, api.socket("/alerts") as theirs:
        await open_feed(api, ours)
        await open_feed(api, theirs, tenant="umbrella")
        await ours.hear_until("caught_up")
        heard = await theirs.hear_until("caught_up")
        assert [one["alert"]["alert_id"] for one in heard[:-1]] == ["alr_umbrella_ses_9_1"]
        await raise_alerts(api, alert_of(api, 2))
        assert (await ours.hear())["alert"]["seq"] == 2
        await asyncio.sleep(0.05)
        assert theirs.is_silent()


async def test_a_feed_may_be_of_one_session_or_exam(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, session="ses_2"))
    ticket = await api.live_ticket(api.token(Role.PROCTOR))
    async with api.socket("/alerts") as socket:
        await socket.hello(ticket, session_id="ses_2")
        heard = await socket.hear_until("caught_up")
        assert [one["alert"]["session_id"] for one in heard[:-1]] == ["ses_2"]


async def test_a_cursor_of_another_database_is_told(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1))
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket, after=2)
        assert await socket.hear() == {"type": "error", "code": "cursor/ahead"}
        assert (await socket.hear())["code"] == 1008
    answer = await api.client.get("/v1/alerts?after=2", headers=api.as_())
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor/ahead")


async def test_silence_is_broken_by_pings(api: FakeApi) -> None:
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await socket.hear_until("caught_up")
        await api.clock.advance(14_999)
        await asyncio.sleep(0.05)
        assert socket.is_silent()
        await api.clock.advance(1)
        assert await socket.hear() == {"type": "ping"}


async def test_a_socket_ends_with_its_token(api: FakeApi) -> None:
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await socket.hear_until("caught_up")
        await api.clock.advance(3_600_000)
        heard = await socket.hear_until("closed")
        assert heard[-1]["code"] == 4401


async def test_a_revoked_token_ends_its_socket(api: FakeApi) -> None:
    token = api.token(Role.PROCTOR)
    async with api.socket("/alerts") as socket:
        await socket.hello(await api.live_ticket(token))
        await socket.hear_until("caught_up")
        headers = {"Authorization": f"Bearer {token}"}
        await api.client.post("/v1/sign-out", headers=headers)
        assert (await socket.hear())["code"] == 4401


async def test_the_code_that_a_client_closes_with_is_no_label_of_ours(api: FakeApi) -> None:
    for code in (1000, 3456, 4999):
        async with api.socket("/alerts") as socket:
            await open_feed(api, socket)
            await socket.hear_until("caught_up")
            await socket._up.put({"type": "websocket.disconnect", "code": code})
            await socket._task
    assert api.metrics.counted("live_sockets_closed_total", kind="alerts", code="client") == 3


async def test_a_client_that_does_not_read_is_let_go(api: FakeApi) -> None:
    await raise_alerts(api, alert_of(api, 1))
    socket = api.socket("/alerts")
    async with socket:
        socket.is_stuck = True
        await open_feed(api, socket)
        async with asyncio.timeout(3):
            await socket._task
    closed = api.metrics.counted("live_sockets_closed_total", kind="alerts", code="1013")
    assert closed == 1
    assert not any(
        not listener.is_closed for heard in api.live._listeners.values() for listener in heard
    )


@pytest.mark.parametrize("path", ["/alerts", "/session"])
@pytest.mark.parametrize(
    "origin",
    [None, "https://evil.example", "null", "http://test.evil", "ftp://test", "http://[", "//[x]"],
)
async def test_a_foreign_origin_gets_no_handshake(
    api: FakeApi, path: str, origin: str | None
) -> None:
    async with api.socket(path, origin=origin) as socket:
        assert not socket.is_accepted


async def test_an_allowed_origin_and_a_secret_in_the_address(api: FakeApi) -> None:
    async with api.socket("/alerts", origin="https://desk.example") as socket:
        assert socket.is_accepted
    async with api.socket("/alerts", query="ticket=lt_x") as socket:
        assert not socket.is_accepted


async def test_who_opens_with_something_else(api: FakeApi) -> None:
    ticket = await api.live_ticket(api.token(Role.PROCTOR))
    for first, code in (
        ({"type": "hello", "ticket": "lt_" + "a" * 27}, 4401),
        ({"type": "hello", "ticket": api.token()}, 1008),
        ({"type": "hello"}, 1008),
        ({"type": "hello", "ticket": ticket, "after": -1}, 1008),
        ({"type": "hello", "ticket": ticket, "after": "0"}, 1008),
        ({"type": "hello", "ticket": ticket, "tenant_id": "umbrella"}, 1008),
        ({"type": "event", "name": "page_hidden"}, 1008),
        ("[]", 1007),
        ("nothing", 1007),
        (b"\x00", 1003),
        ("x" * 2_000_000, 1009),
    ):
        async with api.socket("/alerts") as socket:
            await socket.say(first)  # type: ignore[arg-type]
            assert (await socket.hear())["code"] == code, first
    async with api.socket("/alerts") as socket:
        assert (await socket.hear())["code"] == 4401  # says nothing


async def test_a_ticket_opens_one_socket_soon(api: FakeApi) -> None:
    ticket = await api.live_ticket(api.token(Role.PROCTOR))
    async with api.socket("/alerts") as first, api.socket("/alerts") as second:
        await first.hello(ticket)
        await first.hear_until("caught_up")
        await second.hello(ticket)
        assert (await second.hear())["code"] == 4401
    late = await api.live_ticket(api.token(Role.PROCTOR))
    await api.clock.advance(30_000)
    async with api.socket("/alerts") as socket:
        await socket.hello(late)
        assert (await socket.hear())["code"] == 4401


async def test_each_socket_is_for_its_roles(api: FakeApi) -> None:
    made = (await api.new_session())["session"]
    candidate = api.candidate_token(made["candidate_id"], made["session_id"])
    for path, token in (("/alerts", candidate), ("/session", api.token(Role.PROCTOR))):
        async with api.socket(path) as socket:
            await socket.hello(await api.live_ticket(token))
            assert (await socket.hear())["code"] == 4403


async def test_a_proctor_has_nothing_to_say_and_may_not_flood(api: FakeApi) -> None:
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await socket.hear_until("caught_up")
        await socket.say({"type": "pong"})
        await socket.say({"type": "nonsense"})
        assert await socket.hear() == {"type": "error", "code": "message/unknown-type"}
        for _ in range(1000):
            await socket.say({"type": "pong"})
        assert (await socket.hear())["code"] == 1008


async def test_stores_that_go_away_end_the_socket_with_a_wish_to_come_back(api: FakeApi) -> None:
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        await socket.hear_until("caught_up")
        api.feed.down = True
        assert (await socket.hear())["code"] == 1013


async def test_an_unexpected_error_closes_and_tells_nothing(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(api.feed, "read", broken)
    async with api.socket("/alerts") as socket:
        await open_feed(api, socket)
        assert (await socket.hear())["code"] == 1011
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged and "secret" not in logged


# The candidate's page


async def joined(api: FakeApi) -> tuple[SessionId, str]:
    """A session with a connection, and the page's token."""
    made = (await api.new_session())["session"]
    token = api.candidate_token(made["candidate_id"], made["session_id"])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    path = f"/v1/sessions/{made['session_id']}/whip"
    assert (await api.client.post(path, content=OFFER, headers=headers)).status_code == 201
    return SessionId(made["session_id"]), token


def status(state: str) -> str:
    part = {"state": state, "reason": None if state == "monitored" else "no_media"}
    return json.dumps({"type": "status", "video": part, "audio": part})


async def test_the_page_hears_its_status_then_every_message(api: FakeApi) -> None:
    session_id, token = await joined(api)
    await api.live.put(f"status:{session_id}", status("blind"), None)
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        assert (await socket.hear())["video"] == {"state": "blind", "reason": "no_media"}
        await api.live.put(f"status:{session_id}", status("monitored"), None)
        await api.live.publish(f"session:{session_id}", status("monitored"))
        assert (await socket.hear())["video"]["state"] == "monitored"
        await asyncio.sleep(0.05)
        assert socket.is_silent()  # the same is not said twice
        wish = {"type": "send", "width": 160, "height": 120, "fps": 2, "max_kbps": 80}
        await api.live.publish(f"session:{session_id}", json.dumps(wish))
        assert await socket.hear() == wish
        await api.live.publish(f"session:{session_id}", "nonsense")
        await api.live.publish(f"session:{session_id}", json.dumps({"type": "secret"}))
        await api.live.publish("session:ses_other", json.dumps({"type": "ended"}))
        await api.live.publish(f"session:{session_id}", json.dumps({"type": "ended"}))
        assert await socket.hear() == {"type": "ended"}
        assert (await socket.hear())["code"] == 1000


async def test_a_status_whose_message_was_lost_is_looked_up(api: FakeApi) -> None:
    session_id, token = await joined(api)
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        await asyncio.sleep(0.05)
        await api.live.put(f"status:{session_id}", status("monitored"), None)
        assert (await socket.hear())["type"] == "status"


async def test_a_page_that_comes_later_is_told_what_it_is_to_send(api: FakeApi) -> None:
    session_id, token = await joined(api)
    wish = {"type": "send", "width": 320, "height": 240, "fps": 3, "max_kbps": 150}
    await api.live.put(f"send:{session_id}", json.dumps(wish), None)
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        assert await socket.hear() == wish
        more = wish | {"fps": 5}
        await api.live.put(f"send:{session_id}", json.dumps(more), None)
        await api.live.publish(f"session:{session_id}", json.dumps(more))
        assert await socket.hear() == more
        await asyncio.sleep(0.05)
        assert socket.is_silent()


async def test_a_page_of_an_ended_session_is_told_so(api: FakeApi) -> None:
    session_id, token = await joined(api)
    await api.post(f"/v1/sessions/{session_id}/end")
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        assert await socket.hear() == {"type": "ended"}
        assert (await socket.hear())["code"] == 1000


async def test_events_of_the_page_reach_the_host(api: FakeApi) -> None:
    session_id, token = await joined(api)
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        await socket.say({"type": "event", "name": "page_hidden"})
        for wrong, code in (
            ({"type": "event", "name": "cheating"}, "event/unknown"),
            ({"type": "event", "name": ["page_hidden"]}, "event/unknown"),
            ({"type": "event", "name": "page_hidden", "session": "x"}, "message/unknown-type"),
            ({"type": "status"}, "message/unknown-type"),
        ):
            await socket.say(wrong)
            assert await socket.hear() == {"type": "error", "code": code}
        assert api.placement.events == [(session_id, "page_hidden")]
        api.placement.hosted.clear()  # nobody hosts it just now: the page is not bothered
        await socket.say({"type": "event", "name": "page_shown"})
        await socket.say({"type": "nonsense"})
        assert (await socket.hear())["code"] == "message/unknown-type"


async def test_a_page_that_falls_far_behind_is_let_go(api: FakeApi) -> None:
    session_id, token = await joined(api)
    async with api.socket("/session") as socket:
        await socket.hello(await api.live_ticket(token))
        await asyncio.sleep(0.05)
        socket.is_stuck = True
        for _ in range(QUICK.waiting + 5):
            await api.live.publish(f"session:{session_id}", status("blind"))
        async with asyncio.timeout(3):
            await socket._task
    assert api.metrics.counted("live_sockets_closed_total", kind="session", code="1013") == 1
