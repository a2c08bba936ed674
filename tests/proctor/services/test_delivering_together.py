"""Alerts that share a call, and sinks that stand in for others."""

from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent
from proctor.domain.ids import SinkId
from proctor.domain.sinks import Batching, SinkFilter
from proctor.services.live_readers import note_caught_up
from tests.contract.samples import ACME
from tests.contract.sink_samples import sink
from tests.fakes.delivering import House, seqs
from tests.fakes.sinks import FakeAlertSink, answer


async def test_a_batch_is_as_large_as_said_and_waits_as_long_as_said() -> None:
    house, receiver = House(), FakeAlertSink()
    worker = await house.worker(receiver, sink(batching=Batching(most=3, wait_ms=2_000)))
    await house.raise_alerts(1, 2, 3, 4)
    await house.work(worker)
    assert [len(call) for call in receiver.calls] == [3]
    house.clock.stall(1_999)
    await house.work(worker)
    assert [len(call) for call in receiver.calls] == [3]
    house.clock.stall(1)
    await house.work(worker)
    assert [len(call) for call in receiver.calls] == [3, 1]


async def test_a_batch_stays_together_over_its_tries_and_through_a_restart() -> None:
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.RETRY)
    together = sink(batching=Batching(most=10))
    await house.raise_alerts(1, 2)
    await house.work(await house.worker(receiver, together))
    await house.raise_alerts(1, session_id="ses_2")
    receiver.decide = lambda _: Outcome.DELIVERED
    house.clock.stall(6_000)
    await house.work(await house.worker(receiver))
    assert receiver.calls == [
        ["alr_ses_1_1", "alr_ses_1_2"],
        ["alr_ses_1_1", "alr_ses_1_2"],
        ["alr_ses_2_1"],
    ]


async def test_a_batch_that_one_alert_spoils_falls_apart() -> None:
    house = House()
    bad = "alr_ses_2_1"
    receiver = FakeAlertSink()

    def picky(item: FeedItem) -> Outcome | Sent:
        if bad in receiver.calls[-1]:
            return answer(item, Outcome.RETRY, 422, "webhook/status-422")
        return Outcome.DELIVERED

    receiver.decide = picky
    await house.raise_alerts(1, 2)
    await house.raise_alerts(1, session_id="ses_2")
    worker = await house.worker(receiver, sink(batching=Batching(most=10)))
    await house.work(worker)
    house.clock.stall(5_000)
    await house.work(worker)
    assert seqs(receiver) == [1, 2]
    assert house.state(1, "ses_2").startswith("pending 2")


async def test_a_batch_keeps_below_20_kb() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(*range(1, 61))
    await house.work(await house.worker(receiver, sink(batching=Batching(most=100))))
    assert 1 < len(receiver.calls) < 20
    assert seqs(receiver) == list(range(1, 61))


async def test_a_stand_in_sends_only_what_the_other_could_not() -> None:
    house = House()
    first = FakeAlertSink(
        lambda item: Outcome.RETRY if item.alert.session_id == "ses_2" else Outcome.DELIVERED
    )
    second = FakeAlertSink()
    worker = await house.worker(first)
    stand_in = await house.worker(second, sink("snk_2", fallback_for="snk_1"))
    await house.raise_alerts(1)
    await house.raise_alerts(1, session_id="ses_2")
    await house.work(worker)
    await house.work(stand_in)
    assert second.calls == []  # it holds them for 30 s
    house.clock.stall(30_000)
    await house.work(stand_in)
    assert second.calls == [["alr_ses_2_1"]]
    assert house.state(1, sink_id=SinkId("snk_2")) == "filtered 0 fallback/not-needed"


async def test_a_stand_in_leaves_out_what_the_other_would_not_take() -> None:
    """The other one is so far behind that it has not even looked at the alerts."""
    house, second = House(), FakeAlertSink()
    await house.worker(FakeAlertSink(), sink(takes=SinkFilter(session_ids=("ses_2",))))
    stand_in = await house.worker(second, sink("snk_2", fallback_for="snk_1"))
    await house.raise_alerts(1)
    await house.raise_alerts(1, session_id="ses_2")
    await house.work(stand_in)
    house.clock.stall(30_000)
    await house.work(stand_in)
    assert second.calls == [["alr_ses_2_1"]]


async def test_a_stand_in_for_a_sink_that_was_removed_sends() -> None:
    house, second = House(), FakeAlertSink()
    stand_in = await house.worker(second, sink("snk_2", fallback_for="snk_9"))
    await house.raise_alerts(1)
    await house.work(stand_in)
    house.clock.stall(30_000)
    await house.work(stand_in)
    assert seqs(second) == [1]


async def test_a_stand_in_for_live_readers_sends_what_nobody_reads() -> None:
    house, receiver = House(), FakeAlertSink()
    worker = await house.worker(receiver, sink(fallback_for="live"))
    await house.raise_alerts(1)
    await house.work(worker)
    house.clock.stall(30_000)
    await note_caught_up(house.live, ACME, 1)  # a proctor's desk has it
    await house.work(worker)
    assert (receiver.calls, house.state(1)) == ([], "filtered 0 fallback/not-needed")
    await house.raise_alerts(2)
    await house.work(worker)
    house.clock.stall(30_000)  # the desk fell silent
    await house.work(worker)
    assert seqs(receiver) == [2]
    await house.raise_alerts(3)
    await house.work(worker)
    house.clock.stall(30_000)
    house.live.down = True  # nobody can say: it is sent
    await house.work(worker)
    assert seqs(receiver) == [2, 3]
