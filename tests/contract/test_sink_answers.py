"""`AlertSink`: what the fake, the webhook and Kafka all do."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.mock_kafka import MockKafka
from bench.receiver import Receiver, make_certificates, receiving, reply
from proctor.adapters.sinks.registry import Broker, SinkRegistry
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, SinkKind
from proctor.ports import AlertSink
from proctor.services.sink_secrets import new_secret
from tests.contract.samples import alert
from tests.contract.sink_samples import sink
from tests.fakes.clock import FakeClock
from tests.fakes.sinks import FakeAlertSink

BATCH = [
    FeedItem(position=1, alert=alert(1)),
    FeedItem(position=2, alert=alert(1, "ses_2")),
    FeedItem(position=3, alert=alert(2)),
]


NOT_ENOUGH_REPLICAS = 19
TOPIC = "alerts"
POSSIBLE = {
    "fake": (Outcome.DELIVERED, Outcome.RETRY, Outcome.GONE),
    "webhook": (Outcome.DELIVERED, Outcome.RETRY, Outcome.GONE),
    "kafka": (
        Outcome.DELIVERED,
        Outcome.RETRY,
    ),  # a broker never says that nobody is there any more
}


@dataclass
class Ends:
    """A sink, and a switch at its other end."""

    kind: str
    sink: AlertSink
    answer: Callable[[Outcome], None]


@asynccontextmanager
async def fake_ends(_: Path) -> AsyncIterator[Ends]:
    made = FakeAlertSink()

    def answer(outcome: Outcome) -> None:
        made.decide = lambda _: outcome

    yield Ends("fake", made, answer)


@asynccontextmanager
async def webhook_ends(folder: Path) -> AsyncIterator[Ends]:
    certificates = make_certificates(folder)
    async with receiving(Receiver(), certificates.tls) as receiver:

        def answer(outcome: Outcome) -> None:
            status = {Outcome.DELIVERED: 204, Outcome.RETRY: 500, Outcome.GONE: 410}[outcome]
            receiver.usual = reply(status)

        registry = SinkRegistry(
            clock=FakeClock(), allow=[f"127.0.0.1/32:{receiver.port}"], ca=certificates.ca
        )
        target = f"https://127.0.0.1:{receiver.port}/"
        made = registry.open(sink(target=target), [new_secret()])
        yield Ends("webhook", made, answer)
        await made.close()


@asynccontextmanager
async def kafka_ends(_: Path) -> AsyncIterator[Ends]:
    with closing(MockKafka()) as kafka:
        kafka.create_topic(TOPIC)

        def answer(outcome: Outcome) -> None:
            kafka.clear_errors()
            if outcome is Outcome.RETRY:
                kafka.push_errors(*[NOT_ENOUGH_REPLICAS] * 1000)

        broker = Broker(bootstrap=kafka.bootstrap, topic=TOPIC)
        registry = SinkRegistry(clock=FakeClock(), brokers={"main": broker}, deadline_s=3.0)
        made = registry.open(replace(sink(target="main"), kind=SinkKind.KAFKA), [])
        yield Ends("kafka", made, answer)
        await made.close()


ENDS = {"fake": fake_ends, "webhook": webhook_ends, "kafka": kafka_ends}


@pytest.fixture(params=list(ENDS))
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    async with ENDS[request.param](tmp_path) as found:
        yield found


async def test_every_alert_gets_an_answer_in_its_order(ends: Ends) -> None:
    for outcome in POSSIBLE[ends.kind]:
        ends.answer(outcome)
        sent = await ends.sink.send(BATCH)
        assert [one.alert_id for one in sent] == [item.alert.alert_id for item in BATCH]
        assert {one.outcome for one in sent} == {outcome}
        assert all(bool(one.code) == (outcome is not Outcome.DELIVERED) for one in sent)


async def test_the_same_alert_may_come_again(ends: Ends) -> None:
    for _ in range(2):
        [sent] = await ends.sink.send(BATCH[:1])
        assert sent.outcome is Outcome.DELIVERED


async def test_closing_twice_is_closing(ends: Ends) -> None:
    await ends.sink.send(BATCH[:1])
    await ends.sink.close()
    await ends.sink.close()
