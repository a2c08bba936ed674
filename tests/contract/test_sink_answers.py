"""`AlertSink`: what the fake and the webhook both do."""

from collections.abc import AsyncIterator

import pytest

from bench.receiver import Receiver, make_certificates, receiving, reply
from proctor.adapters.sinks.registry import SinkRegistry
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome
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


class Ends:
    """A sink, and a switch at its other end."""

    def __init__(self, made: AlertSink, receiver: Receiver | None) -> None:
        self.sink = made
        self._receiver = receiver

    def answer(self, outcome: Outcome) -> None:
        if self._receiver is None:
            assert isinstance(self.sink, FakeAlertSink)
            self.sink.decide = lambda _: outcome
        else:
            status = {Outcome.DELIVERED: 204, Outcome.RETRY: 500, Outcome.GONE: 410}[outcome]
            self._receiver.usual = reply(status)


@pytest.fixture(params=["fake", "webhook"])
async def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ends]:
    if request.param == "fake":
        yield Ends(FakeAlertSink(), None)
        return
    certificates = make_certificates(tmp_path_factory.mktemp("tls"))
    async with receiving(Receiver(), certificates.tls) as receiver:
        registry = SinkRegistry(
            clock=FakeClock(), allow=[f"127.0.0.1/32:{receiver.port}"], ca=certificates.ca
        )
        target = f"https://127.0.0.1:{receiver.port}/"
        made = registry.open(sink(target=target), [new_secret()])
        yield Ends(made, receiver)
        await made.close()


async def test_every_alert_gets_an_answer_in_its_order(ends: Ends) -> None:
    for outcome in (Outcome.DELIVERED, Outcome.RETRY, Outcome.GONE):
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
