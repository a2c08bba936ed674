"""The webhook against a real HTTPS receiver on loopback that misbehaves as TRUST F29 and B37 say."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from bench.receiver import Certificates, Receiver, make_certificates, receiving, reply
from proctor.adapters.clock import SystemClock
from proctor.adapters.sinks.registry import SinkRegistry
from proctor.adapters.sinks.webhook import MOST_BODY_BYTES, WebhookSink, trusted
from proctor.alerting.addresses import Allowed, parse_destination
from proctor.alerting.envelope import cloud_event
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent
from proctor.domain.errors import InvalidInput
from proctor.domain.sinks import SinkSecret
from proctor.ports import Clock
from proctor.services.sink_secrets import new_secret, shown
from tests.contract.samples import alert, signal
from tests.contract.sink_samples import sink
from tests.fakes.clock import FakeClock
from tests.fakes.resolver import FakeResolver
from tests.proctor.alerting.ssrf_corpus import REFUSED_ADDRESSES, THIS_MACHINE

ITEM = FeedItem(position=7, alert=alert())
SECRET = new_secret()
NAME = "hooks.example.org"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), ("127.0.0.1", NAME))


@asynccontextmanager
async def webhook(
    receiver: Receiver,
    certificates: Certificates,
    *,
    host: str = "127.0.0.1",
    resolver: FakeResolver | None = None,
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
    secrets: tuple[SinkSecret, ...] = (SECRET,),
    deadline_s: float = 5.0,
    path: str = "/alerts?room=1",
) -> AsyncIterator[WebhookSink]:
    """A receiver that listens and a webhook that may reach it."""
    async with receiving(receiver, certificates.tls):
        allowed = [Allowed.parse(f"127.0.0.1/32:{receiver.port}")]
        made = WebhookSink(
            parse_destination(f"https://{host}:{receiver.port}{path}", allowed),
            secrets,
            clock=clock or FakeClock(),
            resolver=resolver or FakeResolver(),
            tls=tls or trusted(certificates.ca),
            allowed=allowed,
            deadline_s=deadline_s,
        )
        yield made
        await made.close()


async def answered(certificates: Certificates, *answers: bytes | str, **options: float) -> Sent:
    """What becomes of one alert."""
    receiver = Receiver(answers=list(answers))
    async with webhook(receiver, certificates, **options) as hook:  # type: ignore[arg-type]
        [sent] = await hook.send([ITEM])
    assert sent.alert_id == ITEM.alert.alert_id
    return sent


async def test_an_alert_arrives_as_a_signed_cloud_event(certificates: Certificates) -> None:
    receiver = Receiver()
    async with webhook(receiver, certificates, clock=SystemClock()) as hook:
        [sent] = await hook.send([ITEM])
    assert (sent.outcome, sent.code, sent.status) == (Outcome.DELIVERED, "", 204)
    [got] = receiver.got
    assert got.path == "/alerts?room=1"
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["webhook-id"] == ITEM.alert.alert_id
    assert Webhook(shown(SECRET)).verify(got.body, got.headers) == cloud_event(ITEM)


async def test_every_try_has_its_own_time_and_the_same_id_and_body(
    certificates: Certificates,
) -> None:
    receiver, clock = Receiver(answers=[reply(500)]), FakeClock()
    async with webhook(receiver, certificates, clock=clock) as hook:
        await hook.send([ITEM])
        await clock.advance(5_000)
        await hook.send([ITEM])
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    times = [int(got.headers["webhook-timestamp"]) for got in receiver.got]
    assert times[1] - times[0] == 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert receiver.connects == 1  # the connection was kept


async def test_a_batch_is_one_request_with_an_id_of_its_own(certificates: Certificates) -> None:
    items = [FeedItem(position=n, alert=alert(n)) for n in (1, 2, 3)]
    receiver = Receiver()
    async with webhook(receiver, certificates) as hook:
        sent = await hook.send(items)
        await hook.send(items)
        await hook.send(items[:2])
    assert [one.alert_id for one in sent] == [item.alert.alert_id for item in items]
    ids = [got.headers["webhook-id"] for got in receiver.got]
    assert ids[0] == ids[1] != ids[2]
    assert receiver.got[0].headers["content-type"] == "application/cloudevents-batch+json"
    assert [event["id"] for event in json.loads(receiver.got[0].body)] == [
        item.alert.alert_id for item in items
    ]


async def test_an_ended_secret_signs_no_more(certificates: Certificates) -> None:
    clock = FakeClock()
    old = SinkSecret(key=b"o" * 32, ends_at=clock.now() + timedelta(hours=24))
    receiver = Receiver()
    async with webhook(receiver, certificates, clock=clock, secrets=(SECRET, old)) as hook:
        await hook.send([ITEM])
        await clock.advance(24 * 3600 * 1000)
        await hook.send([ITEM])
    counts = [len(got.headers["webhook-signature"].split(" ")) for got in receiver.got]
    assert counts == [2, 1]


async def test_an_alert_larger_than_20_kb_leaves_its_newest_signals_out(
    certificates: Certificates,
) -> None:
    large = replace(alert(), signals=tuple(signal(n) for n in range(200)))
    receiver = Receiver()
    async with webhook(receiver, certificates) as hook:
        await hook.send([FeedItem(position=1, alert=large)])
    [got] = receiver.got
    event = json.loads(got.body)
    assert len(got.body) <= 20_000
    kept = event["data"]["signals"]
    assert 0 < len(kept) == 200 - event["signalsleftout"]
    assert kept[0]["started_ms"] == 0


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (200, Outcome.DELIVERED, ""),
        (202, Outcome.DELIVERED, ""),
        (301, Outcome.RETRY, "webhook/redirect"),
        (307, Outcome.RETRY, "webhook/redirect"),
        (400, Outcome.RETRY, "webhook/client-error"),
        (401, Outcome.RETRY, "webhook/client-error"),
        (410, Outcome.GONE, "webhook/gone"),
        (429, Outcome.RETRY, "webhook/status-429"),
        (500, Outcome.RETRY, "webhook/server-error"),
        (503, Outcome.RETRY, "webhook/status-503"),
    ],
)
async def test_what_a_status_means(
    certificates: Certificates, status: int, outcome: Outcome, code: str
) -> None:
    sent = await answered(certificates, reply(status))
    assert (sent.outcome, sent.code, sent.status) == (outcome, code, status)


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("-5", None),
        ("soon", None),
        ("9" * 40, None),
        ("1e9", None),
        ("٣", None),
        (format_datetime(FakeClock().now() + timedelta(seconds=90), usegmt=True), 90.0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", None),
    ],
)
async def test_how_long_a_receiver_wants_to_be_left_alone(
    certificates: Certificates, said: str, wait_s: float | None
) -> None:
    answer = f"HTTP/1.1 429 Slow\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()
    assert (await answered(certificates, answer)).retry_after_s == wait_s


async def test_a_redirect_is_not_followed(certificates: Certificates) -> None:
    trap = Receiver()
    async with receiving(trap, None):
        for target in (f"http://127.0.0.1:{trap.port}/", "https://169.254.169.254/latest/"):
            sent = await answered(certificates, reply(302, f"Location: {target}"))
            assert sent.code == "webhook/redirect"
    assert trap.connects == 0


async def test_a_receiver_that_hangs_up_or_talks_nonsense(certificates: Certificates) -> None:
    assert (await answered(certificates, "reset")).code == "webhook/connection-lost"
    assert (await answered(certificates, b"220 smtp ready\r\n\r\n")).code == "webhook/not-http"
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000
    assert (await answered(certificates, endless)).code == "webhook/not-http"


@pytest.mark.parametrize("behaviour", ["silence", "drip"])
async def test_a_receiver_that_never_answers_is_given_up(
    certificates: Certificates, behaviour: str
) -> None:
    sent = await answered(certificates, behaviour, deadline_s=0.4)
    assert (sent.outcome, sent.code) == (Outcome.RETRY, "webhook/timeout")


async def test_of_ten_gigabytes_a_little_is_read(certificates: Certificates) -> None:
    receiver = Receiver(answers=["flood"])
    async with webhook(receiver, certificates) as hook:
        [sent] = await hook.send([ITEM])
        [again] = await hook.send([ITEM])
    assert (sent.outcome, again.outcome) == (Outcome.DELIVERED, Outcome.DELIVERED)
    assert receiver.connects == 2  # the flooded connection was dropped
    assert receiver.sent_bytes < 16 * 1024 * 1024  # what fits into buffers on the way


async def test_a_gzip_bomb_stays_packed(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object, **__: object) -> None:
        raise AssertionError("something was inflated")

    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < MOST_BODY_BYTES
    monkeypatch.setattr("zlib.decompressobj", burst)
    monkeypatch.setattr("zlib.decompress", burst)
    sent = await answered(certificates, reply(200, "Content-Encoding: gzip", body=bomb))
    assert sent.outcome is Outcome.DELIVERED


async def test_an_answer_counts_although_its_body_never_ends(certificates: Certificates) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    sent = await answered(certificates, head, deadline_s=0.4)
    assert sent.outcome is Outcome.DELIVERED


async def test_nobody_listens(certificates: Certificates) -> None:
    receiver = Receiver()
    async with receiving(receiver, certificates.tls):
        pass  # its port is free again
    allowed = [Allowed.parse(f"127.0.0.1/32:{receiver.port}")]
    hook = WebhookSink(
        parse_destination(f"https://127.0.0.1:{receiver.port}/", allowed),
        (SECRET,),
        clock=FakeClock(),
        resolver=FakeResolver(),
        tls=trusted(certificates.ca),
        allowed=allowed,
        deadline_s=5.0,
    )
    [sent] = await hook.send([ITEM])
    assert sent.code == "webhook/unreachable"
    await hook.close()
    await hook.close()


async def test_the_certificate_must_be_of_a_trusted_authority_and_of_the_name(
    certificates: Certificates, tmp_path: Path
) -> None:
    receiver = Receiver()
    async with webhook(receiver, certificates, tls=trusted(None)) as hook:
        assert (await hook.send([ITEM]))[0].code == "webhook/tls"
    other = make_certificates(tmp_path, ("other.example.org",))
    resolver = FakeResolver({NAME: [["127.0.0.1"]]})
    async with webhook(receiver, other, host=NAME, resolver=resolver) as hook:
        assert (await hook.send([ITEM]))[0].code == "webhook/tls"
    assert receiver.got == []
    async with webhook(receiver, certificates, host=NAME, resolver=resolver) as hook:
        assert (await hook.send([ITEM]))[0].outcome is Outcome.DELIVERED
    assert receiver.got[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_an_authority_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "empty.pem", tmp_path / "absent.pem"):
        with pytest.raises(InvalidInput, match="PROCTOR_WEBHOOK_CA"):
            trusted(path)


async def test_a_name_that_turns_private_is_refused_at_the_connection(
    certificates: Certificates,
) -> None:
    """DNS rebinding: the first answer is allowed, the second is not; nothing is sent there."""
    receiver = Receiver(usual=reply(200, "Connection: close"))
    resolver = FakeResolver({NAME: [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "10.0.0.1"]]})
    async with webhook(receiver, certificates, host=NAME, resolver=resolver) as hook:
        sent = [(await hook.send([ITEM]))[0] for _ in range(3)]
    assert [one.code for one in sent] == ["", "webhook/address-refused", "webhook/address-refused"]
    assert resolver.asked == [NAME] * 3  # once per connection
    assert receiver.connects == 1


async def test_a_host_that_lost_one_of_its_addresses_is_reached_by_the_next(
    certificates: Certificates,
) -> None:
    receiver, resolver = Receiver(), FakeResolver({NAME: [["127.0.0.2", "127.0.0.1"]]})
    async with receiving(receiver, certificates.tls):
        allowed = [Allowed.parse(f"127.0.0.0/30:{receiver.port}")]
        hook = WebhookSink(
            parse_destination(f"https://{NAME}:{receiver.port}/", allowed),
            (SECRET,),
            clock=FakeClock(),
            resolver=resolver,
            tls=trusted(certificates.ca),
            allowed=allowed,
            deadline_s=5.0,
        )
        [sent] = await hook.send([ITEM])  # nobody listens at 127.0.0.2
        await hook.close()
    assert sent.outcome is Outcome.DELIVERED
    assert resolver.asked == [NAME]


async def test_a_name_server_that_is_away_costs_the_try_and_no_more(
    certificates: Certificates,
) -> None:
    receiver, resolver = Receiver(), FakeResolver({NAME: [["127.0.0.1"]]})
    resolver.is_down = True
    async with webhook(receiver, certificates, host=NAME, resolver=resolver) as hook:
        assert (await hook.send([ITEM]))[0].code == "webhook/timeout"
        resolver.is_down = False
        assert (await hook.send([ITEM]))[0].outcome is Outcome.DELIVERED


async def test_the_environments_proxy_is_not_asked(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Receiver()
    async with receiving(proxy, None):
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await answered(certificates)).outcome is Outcome.DELIVERED
    assert proxy.connects == 0


@asynccontextmanager
async def trap() -> AsyncIterator[Receiver]:
    """A plain listener on every loopback address that this machine has, at one port."""
    receiver = Receiver()
    async with receiving(receiver, None):
        try:
            six = await asyncio.start_server(receiver.serve, "::1", receiver.port)
        except OSError:  # no IPv6 here
            yield receiver
            return
        async with six:
            yield receiver


async def test_no_form_of_this_machines_address_leads_to_a_connection() -> None:
    async with trap() as receiver:
        # The port is open for another address: what refuses is the address.
        registry = SinkRegistry(clock=FakeClock(), allow=[f"203.0.113.9/32:{receiver.port}"])
        for form in THIS_MACHINE:
            url = form.replace("PORT", str(receiver.port))
            with pytest.raises(InvalidInput) as caught:
                await registry.check(sink().kind, url, sink().tenant_id)
            assert caught.value.code == "webhook/url-refused"
            with pytest.raises(InvalidInput):
                registry.open(sink(target=url), (SECRET,))
        probe = await asyncio.open_connection("127.0.0.1", receiver.port)  # it does listen
        probe[1].close()
        await asyncio.sleep(0)
        assert receiver.connects <= 1
    assert receiver.got == []


async def test_no_refused_address_is_connected_to_whatever_the_name() -> None:
    async with trap() as receiver:
        allowed = [Allowed.parse(f"203.0.113.9/32:{receiver.port}")]
        to, tls = parse_destination(f"https://{NAME}:{receiver.port}/", allowed), trusted(None)
        for address in (*REFUSED_ADDRESSES, "8.8.8.8"):  # the port is no public one
            if address == "203.0.113.9":
                continue
            hook = WebhookSink(
                to,
                (SECRET,),
                clock=FakeClock(),
                resolver=FakeResolver({NAME: [[address]]}),
                tls=tls,
                allowed=allowed,
                deadline_s=2.0,
            )
            [sent] = await hook.send([ITEM])
            assert sent.code == "webhook/address-refused", address
            await hook.close()
    assert receiver.connects == 0


async def test_an_internal_name_and_an_unknown_one_are_told_alike() -> None:
    names = FakeResolver({"payroll.corp-example.org": [["10.0.0.7"]]})
    registry = SinkRegistry(clock=FakeClock(), resolver=lambda: names)
    told = set()
    for host in ("payroll.corp-example.org", "nothing.corp-example.org"):
        with pytest.raises(InvalidInput) as caught:
            await registry.check(sink().kind, f"https://{host}/", sink().tenant_id)
        told.add(caught.value.detail)
    names.is_down = True
    with pytest.raises(InvalidInput) as caught:
        await registry.check(sink().kind, "https://hooks.example.org/", sink().tenant_id)
    assert told == {caught.value.detail}
