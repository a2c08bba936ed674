"""The feed over gRPC: a client generated from the .proto against a plain server on loopback."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel

from bench.cutter import cutter
from proctor.api.access import CALLS
from proctor.api.app import route_names
from proctor.api.grpc_feed import AioAlerts, FeedCalls
from proctor.api.proto import alerts_pb2
from proctor.api.proto.alerts_pb2 import AlertEvents, FollowRequest
from proctor.api.proto.alerts_pb2_grpc import AlertsStub, add_AlertsServicer_to_server
from proctor.api.sockets import SocketLimits
from proctor.api.views import AlertView, ProducerView, SignalView, SupportView
from proctor.domain.roles import Role
from tests.fakes.api import QUICK, FakeApi
from tests.proctor.api.served import until
from tests.proctor.api.test_live import alert_of, large_alert, raise_alerts

ROOT = Path(__file__).resolve().parents[3]
PROTO = "proctor/api/proto/alerts.proto"


@asynccontextmanager
async def grpc_server(api: FakeApi, limits: SocketLimits = QUICK) -> AsyncIterator[int]:
    server = grpc.aio.server()
    add_AlertsServicer_to_server(AioAlerts(FeedCalls(api.services, limits)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield AlertsStub(channel)


@pytest.fixture
async def stub(api: FakeApi) -> AsyncIterator[Any]:
    async with grpc_server(api) as port, client_of(port) as found:
        yield found


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def proctor(api: FakeApi, **who: Any) -> tuple[tuple[str, str], ...]:
    return bearer(api.token(Role.PROCTOR, **who))


async def backlog(call: Any) -> list[AlertEvents]:
    """Messages up to the one without alerts."""
    found = []
    async with asyncio.timeout(10):
        async for message in call:
            found.append(message)
            if not message.events:
                return found
    return found


async def to_its_end(call: Any) -> None:
    async with asyncio.timeout(10):
        async for _ in call:
            pass


def positions(messages: list[AlertEvents]) -> list[int]:
    return [event.position for message in messages for event in message.events]


def test_the_generated_code_is_that_of_the_proto(tmp_path: Path) -> None:
    outs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outs, PROTO], cwd=ROOT, check=True
    )
    for name in ("alerts_pb2.py", "alerts_pb2.pyi", "alerts_pb2_grpc.py"):
        made = (tmp_path / "proctor/api/proto" / name).read_bytes()
        assert made == (ROOT / "proctor/api/proto" / name).read_bytes(), "run `make generate`"


@pytest.mark.parametrize(
    ("message", "view"),
    [
        (alerts_pb2.Alert, AlertView),
        (alerts_pb2.Signal, SignalView),
        (alerts_pb2.Support, SupportView),
        (alerts_pb2.Producer, ProducerView),
    ],
)
def test_an_alert_has_the_fields_that_the_http_api_has(message: Any, view: type[BaseModel]) -> None:
    assert {field.name for field in message.DESCRIPTOR.fields} == set(view.model_fields)


def test_every_method_has_a_row_and_every_row_a_method(api: FakeApi) -> None:
    service = alerts_pb2.DESCRIPTOR.services_by_name["Alerts"]
    assert {f"/{service.full_name}/{method.name}" for method in service.methods} == set(CALLS)
    assert not set(CALLS) & {path for _, path in route_names(api.app, "")}


async def test_the_backlog_comes_in_messages_then_what_is_new(api: FakeApi, stub: Any) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 9)))  # pages of three
    call = stub.Follow(FollowRequest(after_position=2), metadata=proctor(api))
    heard = await backlog(call)
    assert [[event.position for event in message.events] for message in heard] == [
        [3, 4, 5],
        [6, 7, 8],
        [],
    ]
    assert heard[-1].position == 8
    await raise_alerts(api, alert_of(api, 9))
    assert positions([await anext(aiter(call))]) == [9]
    call.cancel()


async def test_an_alert_is_what_the_http_api_says(api: FakeApi, stub: Any) -> None:
    await raise_alerts(api, alert_of(api, 1))
    heard = await backlog(stub.Follow(FollowRequest(), metadata=proctor(api)))
    told = MessageToDict(
        heard[0].events[0].alert,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    pages = await api.client.get("/v1/alerts", headers=api.as_(Role.PROCTOR))
    (said,) = [item["alert"] for item in pages.json()["items"]]
    told["occurred_ms"] = int(told["occurred_ms"])  # JSON of protobuf writes 64 bits as text
    (signal,) = told["signals"]
    signal["started_ms"] = int(signal["started_ms"])
    (said_signal,) = said["signals"]
    del said_signal["ended_ms"], said_signal["support"]["frame_digest"]  # null: left out there
    assert told == said


async def test_one_alert_in_a_message_when_asked_so(api: FakeApi, stub: Any) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 4)))
    request = FollowRequest(most_per_message=1)
    heard = await backlog(stub.Follow(request, metadata=proctor(api)))
    assert [len(message.events) for message in heard] == [1, 1, 1, 0]


async def test_a_call_may_be_of_one_session_or_exam_and_is_of_one_tenant(
    api: FakeApi, stub: Any
) -> None:
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 1, session="ses_2"))
    await raise_alerts(api, alert_of(api, 1, tenant="umbrella", session="ses_9"))

    async def of(request: FollowRequest, **who: Any) -> list[str]:
        heard = await backlog(stub.Follow(request, metadata=proctor(api, **who)))
        return [event.alert.session_id for message in heard for event in message.events]

    assert await of(FollowRequest(session_id="ses_2")) == ["ses_2"]
    assert await of(FollowRequest(exam_id="exa_1")) == ["ses_1", "ses_2"]
    assert await of(FollowRequest(session_id="ses_9")) == []
    assert await of(FollowRequest(), tenant="umbrella") == ["ses_9"]


async def test_who_may_not_or_asks_for_what_cannot_be(api: FakeApi, stub: Any) -> None:
    await raise_alerts(api, alert_of(api, 1))
    made = (await api.new_session())["session"]
    candidate = api.candidate_token(made["candidate_id"], made["session_id"])
    code = grpc.StatusCode
    good = proctor(api)
    revoked = api.token(Role.PROCTOR)
    await api.client.post("/v1/sign-out", headers={"Authorization": f"Bearer {revoked}"})
    for metadata, request, status, said in (
        ((), FollowRequest(), code.UNAUTHENTICATED, "auth/missing"),
        ((("authorization", "Basic x"),), FollowRequest(), code.UNAUTHENTICATED, "auth/missing"),
        ((*good, *good), FollowRequest(), code.UNAUTHENTICATED, "auth/missing"),
        (bearer("x.y.z"), FollowRequest(), code.UNAUTHENTICATED, "auth/invalid-token"),
        (bearer(revoked), FollowRequest(), code.UNAUTHENTICATED, "auth/revoked"),
        (bearer(candidate), FollowRequest(), code.PERMISSION_DENIED, "authz/forbidden"),
        (good, FollowRequest(after_position=2), code.INVALID_ARGUMENT, "cursor/ahead"),
        (good, FollowRequest(after_position=1 << 60), code.INVALID_ARGUMENT, "cursor/invalid"),
        (good, FollowRequest(session_id="a b"), code.INVALID_ARGUMENT, "request/invalid"),
        (good, FollowRequest(exam_id="x" * 65), code.INVALID_ARGUMENT, "request/invalid"),
        (good, FollowRequest(most_per_message=101), code.INVALID_ARGUMENT, "request/invalid"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await backlog(stub.Follow(request, metadata=metadata))
        assert refused.value.code() is status, said
        assert refused.value.details().startswith(f"{said}: ")


async def test_a_deadline_ends_a_call_and_leaves_nothing_behind(api: FakeApi, stub: Any) -> None:
    for deadline_s in (0.0, 0.3):
        call = stub.Follow(FollowRequest(), metadata=proctor(api), timeout=deadline_s)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await to_its_end(call)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: api.metrics.gauges["live_streams", (("kind", "grpc"),)] == 0)
    assert not any(
        not listener.is_closed for heard in api.live._listeners.values() for listener in heard
    )


async def test_a_call_ends_with_its_token(api: FakeApi, stub: Any) -> None:
    call = stub.Follow(FollowRequest(), metadata=proctor(api))
    await backlog(call)
    await api.clock.advance(3_600_000)
    with pytest.raises(grpc.aio.AioRpcError, match="auth/expired") as ended:
        await to_its_end(call)
    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_stores_that_go_away_end_the_call_with_a_wish_to_come_back(
    api: FakeApi, stub: Any
) -> None:
    call = stub.Follow(FollowRequest(), metadata=proctor(api))
    await backlog(call)
    api.feed.down = True
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await backlog(call)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_unexpected_error_tells_nothing(
    api: FakeApi, stub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(api.feed, "read", broken)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await backlog(stub.Follow(FollowRequest(), metadata=proctor(api)))
    assert ended.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in ended.value.details() + capsys.readouterr().out


async def test_silence_is_broken_by_a_message_without_alerts(api: FakeApi, stub: Any) -> None:
    await raise_alerts(api, alert_of(api, 1))
    call = stub.Follow(FollowRequest(), metadata=proctor(api))
    await backlog(call)
    await api.clock.advance(15_000)
    async with asyncio.timeout(5):
        message = await anext(aiter(call))
    assert (list(message.events), message.position) == ([], 1)
    call.cancel()


async def test_a_long_call_ends_after_a_window_and_the_next_one_goes_on(api: FakeApi) -> None:
    await raise_alerts(api, *(alert_of(api, seq) for seq in range(1, 61)))
    found, calls = list[int](), 0
    async with (
        grpc_server(api, replace(QUICK, window_bytes=4_000)) as port,
        client_of(port) as stub,
    ):
        while len(found) < 60:
            request = FollowRequest(after_position=found[-1] if found else 0)
            found += positions(await backlog(stub.Follow(request, metadata=proctor(api))))
            calls += 1
    assert found == list(range(1, 61))
    assert calls >= 4


async def test_alerts_of_many_signals_come_in_messages_that_any_client_takes(api: FakeApi) -> None:
    """A client takes 4 MiB by default; a page of these has 6.6 MB, and no such client would ever pass."""
    large = [large_alert(api, seq) for seq in range(1, 11)]
    await raise_alerts(api, *large)
    found, calls = list[int](), 0
    async with grpc_server(api, replace(QUICK, page=100)) as port, client_of(port) as stub:
        while len(found) < len(large):
            request = FollowRequest(after_position=found[-1] if found else 0)
            messages = await backlog(stub.Follow(request, metadata=proctor(api)))
            assert [m.position for m in messages if m.events] == [
                m.events[-1].position for m in messages if m.events
            ]
            size = sum(message.ByteSize() for message in messages)
            assert size < 2 << 20, "a window, and one alert"
            found += positions(messages)
            calls += 1
    assert found == list(range(1, len(large) + 1))


async def test_f33_a_stream_cut_in_the_middle_goes_on_without_a_gap(api: FakeApi) -> None:
    """A relay resets the connection again and again while alerts are raised."""
    found, codes = list[int](), list[grpc.StatusCode]()
    async with grpc_server(api) as port, cutter(port) as (relay, relayed_port):

        async def read_all() -> None:
            while len(found) < 60:
                async with client_of(relayed_port) as stub:
                    request = FollowRequest(after_position=found[-1] if found else 0)
                    try:
                        async for message in stub.Follow(request, metadata=proctor(api)):
                            found.extend(event.position for event in message.events)
                            if len(found) >= 60:
                                return
                    except grpc.aio.AioRpcError as error:
                        codes.append(error.code())

        async def raise_and_cut() -> None:
            for seq in range(1, 61):
                await raise_alerts(api, alert_of(api, seq))
                if seq % 15 == 0:
                    await until(lambda seq=seq: len(found) >= seq - 10)  # type: ignore[misc]
                    relay.reset()

        async with asyncio.timeout(20):
            await asyncio.gather(read_all(), raise_and_cut())
    assert found == list(range(1, 61))
    assert len(codes) >= 2 and set(codes) == {grpc.StatusCode.UNAVAILABLE}
