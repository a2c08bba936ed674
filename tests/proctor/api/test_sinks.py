"""/v1/sinks: a secret is seen once, a hostile administrator gets nowhere, dead letters come back."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from proctor.adapters.sinks.registry import Broker, SinkRegistry
from proctor.domain.deliveries import DeliveryState, Outcome, Planned
from proctor.domain.ids import AlertId, SinkId
from proctor.domain.roles import Role
from proctor.domain.sinks import Health
from proctor.services.sink_secrets import shown, unseal
from proctor.services.sinks import MOST_SINKS
from tests.contract.samples import ACME, alert, judged
from tests.contract.sink_samples import delivered, failed
from tests.fakes.api import FakeApi
from tests.fakes.resolver import FakeResolver
from tests.fakes.sinks import FakeAlertSink, answer
from tests.proctor.alerting.ssrf_corpus import REFUSED_URLS

HOOK: dict[str, Any] = {
    "kind": "webhook",
    "name": "Desk",
    "url": "https://hooks.example.org/in?token=inner",
}


async def made(api: FakeApi, **more: object) -> dict[str, Any]:
    answered: dict[str, Any] = await api.post("/v1/sinks", {**HOOK, **more})
    return answered


async def refused(api: FakeApi, body: object, path: str = "/v1/sinks", method: str = "POST") -> str:
    said = await api.client.request(method, path, json=body, headers=api.as_())
    assert said.status_code in (409, 422), said.text
    return f"{said.status_code} {said.json()['code']}"


async def raise_alerts(api: FakeApi, count: int) -> list[AlertId]:
    alerts = [alert(seq) for seq in range(1, count + 1)]
    await api.incidents.commit([judged(*alerts)])
    await api.feed.publish_pending(100)
    return [one.alert_id for one in alerts]


async def plan(api: FakeApi, sink_id: str) -> None:
    items = await api.feed.read(ACME, 0, 100)
    now = api.clock.now()
    planned = [Planned(item=item, state=DeliveryState.PENDING, due_at=now) for item in items]
    assert await api.deliveries.plan(SinkId(sink_id), 0, planned, now)


async def test_a_secret_is_seen_once(api: FakeApi) -> None:
    answered = await made(api)
    secret, sink_id = answered["secret"], answered["sink"]["sink_id"]
    assert secret.startswith("whsec_")
    sealed = await api.sinks.sealed_secrets(ACME, SinkId(sink_id))
    [kept] = unseal(api.services.keys, ACME, SinkId(sink_id), sealed)
    assert shown(kept) == secret
    assert secret.encode() not in sealed and kept.key not in sealed
    for path in ("/v1/sinks", f"/v1/sinks/{sink_id}"):
        told = await api.client.get(path, headers=api.as_())
        assert told.status_code == 200
        assert secret not in told.text and "whsec" not in told.text
    assert (await api.client.get("/v1/sinks", headers=api.as_())).headers[
        "cache-control"
    ] == "no-store"


async def test_an_idempotency_key_keeps_no_secret(api: FakeApi) -> None:
    headers = {**api.as_(), "Idempotency-Key": "once"}
    first = await api.client.post("/v1/sinks", json=HOOK, headers=headers)
    assert first.status_code == 201
    again = await api.client.post("/v1/sinks", json=HOOK, headers=headers)
    assert again.status_code == 409
    assert "whsec" not in again.text


async def test_a_new_secret_signs_next_to_the_old_one_for_a_day(api: FakeApi) -> None:
    answered = await made(api)
    sink_id = answered["sink"]["sink_id"]
    new = (await api.post(f"/v1/sinks/{sink_id}/secrets"))["secret"]
    assert new != answered["secret"]
    sealed = await api.sinks.sealed_secrets(ACME, SinkId(sink_id))
    kept = unseal(api.services.keys, ACME, SinkId(sink_id), sealed)
    assert [shown(one) for one in kept] == [new, answered["secret"]]
    assert kept[1].ends_at == api.clock.now() + timedelta(hours=24)
    await api.post(f"/v1/sinks/{sink_id}/secrets")
    assert (
        await refused(api, None, f"/v1/sinks/{sink_id}/secrets") == "409 webhook/too-many-secrets"
    )
    await api.clock.advance(24 * 3_600_000)
    answer_again = await api.client.post(f"/v1/sinks/{sink_id}/secrets", headers=api.as_())
    assert answer_again.status_code == 201


async def test_a_url_that_leads_inside_is_refused(api: FakeApi) -> None:
    """B36: with the real check behind the door; the names of the corpus resolve to this machine."""
    names = FakeResolver({"hooks.example.org": [["127.0.0.1"]]})
    api.services.sinks._maker = SinkRegistry(clock=api.clock, resolver=lambda: names)
    for number, url in enumerate(REFUSED_URLS):
        said = await api.client.post(
            "/v1/sinks", json={**HOOK, "url": url}, headers=api.as_(subject=f"s{number // 50}")
        )
        is_sized = 0 < len(url) <= 2048
        code = "webhook/url-refused" if is_sized else "request/invalid"
        assert (said.status_code, said.json()["code"]) == (422, code), url
        assert not url or url not in said.json()["detail"]
    assert api.database.sinks == {}


async def test_a_sink_cannot_be_turned_inside_later(api: FakeApi) -> None:
    sink_id = (await made(api))["sink"]["sink_id"]
    api.maker.refused.add("https://10.0.0.1/")
    path = f"/v1/sinks/{sink_id}"
    assert await refused(api, {"url": "https://10.0.0.1/"}, path, "PATCH") == (
        "422 webhook/url-refused"
    )
    assert api.database.sinks[SinkId(sink_id)].target == HOOK["url"]


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "smtp"},
        {"url": None},
        {"cluster": "main"},
        {"name": ""},
        {"name": "a\u202eb"},
        {"batching": {"most": 0}},
        {"batching": {"most": 101}},
        {"batching": {"wait_ms": 60_001}},
        {"filter": {"severity_at_least": "severe"}},
        {"filter": {"emotion": "angry"}},
        {"fallback_after_s": 3601},
        {"fallback_for": "../x"},
        {"secret": "whsec_mine"},
        {"cursor": 0},
    ],
)
async def test_what_cannot_be_meant_is_refused(api: FakeApi, more: dict[str, object]) -> None:
    assert await refused(api, {**HOOK, **more}) == "422 request/invalid"


async def test_everything_said_is_kept(api: FakeApi) -> None:
    whole = {
        "filter": {
            "exam_ids": ["exa_1"],
            "session_ids": [],
            "rule_ids": ["no_face"],
            "categories": ["conduct"],
            "transitions": ["opened", "escalated"],
            "severity_at_least": "medium",
        },
        "batching": {"most": 20, "wait_ms": 500},
        "fallback_for": "live",
        "fallback_after_s": 60,
        "is_enabled": False,
    }
    told = (await made(api, **whole))["sink"]
    assert {name: told[name] for name in whole} == whole
    assert (told["url"], told["cluster"], told["position"]) == (HOOK["url"], None, 0)
    changed = await api.client.patch(
        f"/v1/sinks/{told['sink_id']}",
        json={"is_enabled": True, "fallback_for": "", "name": "New"},
        headers=api.as_(),
    )
    now = changed.json()
    assert (now["is_enabled"], now["fallback_for"], now["name"]) == (True, None, "New")
    assert now["filter"] == whole["filter"]


async def test_a_new_sink_begins_at_the_head(api: FakeApi) -> None:
    await raise_alerts(api, 3)
    assert (await made(api))["sink"]["position"] == 3


async def test_stand_ins_never_wait_for_each_other(api: FakeApi) -> None:
    first = (await made(api, name="first"))["sink"]["sink_id"]
    second = (await made(api, name="second", fallback_for=first))["sink"]["sink_id"]
    for target, other in ((first, second), (first, first), (second, second), (first, "snk_none")):
        code = await refused(api, {"fallback_for": other}, f"/v1/sinks/{target}", "PATCH")
        assert code == "422 sinks/bad-fallback"
    assert await refused(api, {**HOOK, "fallback_for": second}) == "422 sinks/bad-fallback"
    third = (await made(api, name="third"))["sink"]["sink_id"]
    code = await refused(api, {"fallback_for": third}, f"/v1/sinks/{first}", "PATCH")
    assert code == "422 sinks/bad-fallback"


async def test_another_tenants_sink_is_no_primary(api: FakeApi) -> None:
    theirs = await api.post("/v1/sinks", HOOK, headers=api.as_(tenant="umbrella"))
    other = theirs["sink"]["sink_id"]
    assert await refused(api, {**HOOK, "fallback_for": other}) == "422 sinks/bad-fallback"


async def test_names_are_unique_and_there_is_a_most(api: FakeApi) -> None:
    for number in range(MOST_SINKS):
        await made(api, name=f"n{number}")
    assert await refused(api, {**HOOK, "name": "one more"}) == "409 sinks/full"
    listed = await api.client.get("/v1/sinks?limit=15", headers=api.as_())
    following = listed.json()["next"]
    rest = await api.client.get(f"/v1/sinks?cursor={following}", headers=api.as_())
    assert len(listed.json()["items"]) + len(rest.json()["items"]) == MOST_SINKS
    gone = await api.client.delete(f"/v1/sinks/{following}", headers=api.as_())
    assert gone.status_code == 204
    await made(api, name="one more")


async def test_kafka_is_by_the_operators_name_and_never_by_address(api: FakeApi) -> None:
    broker = Broker("kafka:9092", "alerts.{tenant}", {"sasl.password": "hidden"})
    only_theirs = Broker("kafka:9092", "theirs", tenants=frozenset({"umbrella"}))
    api.services.sinks._maker = SinkRegistry(
        clock=api.clock, brokers={"main": broker, "theirs": only_theirs}
    )
    assert "hidden" not in repr(broker)
    body = {"kind": "kafka", "name": "stream", "cluster": "main"}
    answered = await api.post("/v1/sinks", body)
    assert (answered["secret"], answered["sink"]["cluster"]) == (None, "main")
    told = set()
    for cluster in ("theirs", "nothing"):
        said = await api.client.post(
            "/v1/sinks", json={**body, "name": cluster, "cluster": cluster}, headers=api.as_()
        )
        told.add((said.status_code, said.json()["code"], said.json()["detail"]))
    assert len(told) == 1
    assert await refused(api, {**body, "cluster": "evil:9092"}) == "422 request/invalid"
    path = f"/v1/sinks/{answered['sink']['sink_id']}/secrets"
    assert await refused(api, None, path) == "422 sinks/no-secret"


async def test_a_test_tells_what_the_other_end_said(api: FakeApi) -> None:
    sink_id = (await made(api))["sink"]["sink_id"]
    receiver = FakeAlertSink(lambda item: answer(item, Outcome.RETRY, 500))
    api.maker.sinks[SinkId(sink_id)] = receiver
    said = await api.post(f"/v1/sinks/{sink_id}/test")
    assert said == {"outcome": "retry", "code": "webhook/server-error", "status": 500}
    assert receiver.closed == 1
    assert await api.feed.head(ACME) == 0  # the made-up alert is stored nowhere
    for _ in range(5):
        await api.post(f"/v1/sinks/{sink_id}/test")
    more = await api.client.post(f"/v1/sinks/{sink_id}/test", headers=api.as_())
    assert more.status_code == 429


async def test_dead_letters_are_seen_and_sent_again(api: FakeApi) -> None:
    sink_id = (await made(api))["sink"]["sink_id"]
    names = await raise_alerts(api, 5)
    await plan(api, sink_id)
    tries = [failed(name, next_s=None) for name in names]
    await api.deliveries.record(SinkId(sink_id), tries, Health())
    path = f"/v1/sinks/{sink_id}/dead-letters"
    page = (await api.client.get(f"{path}?limit=3", headers=api.as_())).json()
    assert [one["position"] for one in page["items"]] == [1, 2, 3]
    assert page["items"][0]["code"] == "webhook/server-error"
    rest = (await api.client.get(f"{path}?after={page['next']}", headers=api.as_())).json()
    assert ([one["position"] for one in rest["items"]], rest["next"]) == ([4, 5], None)
    now = (await api.client.get(f"/v1/sinks/{sink_id}", headers=api.as_())).json()
    assert (now["backlog"]["dead"], now["backlog"]["pending"]) == (5, 0)
    for body, count in (
        ({"alert_ids": [names[0], "alr_none"]}, 1),
        ({"from_position": 2, "to_position": 3}, 2),
        ({"everything": True}, 2),
        ({"everything": True}, 0),
    ):
        assert await api.post(f"{path}/replay", body) == {"replayed": count}
    for body in ({}, {"everything": True, "alert_ids": ["a"]}, {"alert_ids": []}):
        assert await refused(api, body, f"{path}/replay") == "422 request/invalid"


async def test_the_log_of_an_alert_tells_every_sink_and_try(api: FakeApi) -> None:
    sinks = [(await made(api, name=name))["sink"]["sink_id"] for name in ("a", "b")]
    [name] = await raise_alerts(api, 1)
    for sink_id in sinks:
        await plan(api, sink_id)
    await api.deliveries.record(SinkId(sinks[0]), [failed(name)], Health())
    await api.deliveries.record(SinkId(sinks[0]), [delivered(name, 2, 6)], Health())
    told = (await api.client.get(f"/v1/alerts/{name}/deliveries", headers=api.as_())).json()
    states = {one["sink_id"]: one["state"] for one in told["items"]}
    assert states == {sinks[0]: "delivered", sinks[1]: "pending"}
    tries = next(one["tries"] for one in told["items"] if one["sink_id"] == sinks[0])
    assert [(one["number"], one["outcome"], one["status"]) for one in tries] == [
        (1, "retry", 500),
        (2, "delivered", 204),
    ]


def roles(*wanted: Role) -> Iterable[Role]:
    return set(Role) - set(wanted)


@pytest.mark.parametrize("role", sorted(roles(Role.ADMIN, Role.SERVICE, Role.CANDIDATE)))
async def test_only_owners_see_where_alerts_go(api: FakeApi, role: Role) -> None:
    sink_id = (await made(api))["sink"]["sink_id"]
    for path in ("/v1/sinks", f"/v1/sinks/{sink_id}", f"/v1/sinks/{sink_id}/dead-letters"):
        assert (await api.client.get(path, headers=api.as_(role))).status_code == 403
