"""A sink's worker over stores in memory and a clock that jumps: nothing lost, in order, in its time."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proctor.alerting.schedule import WEBHOOK
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import DeliveryState, Outcome, Sent
from proctor.domain.errors import StateStoreUnavailable
from proctor.domain.ids import AlertId
from proctor.domain.incidents import Severity
from proctor.domain.sinks import Batching, Health, Sink, SinkFilter
from proctor.services.delivery_desk import LEASE_S
from tests.contract.samples import ACME
from tests.contract.sink_samples import SINK, sink
from tests.fakes.clock import FakeClock
from tests.fakes.delivering import House, seqs
from tests.fakes.sinks import FakeAlertSink, answer

HOUR_MS = 3_600_000


async def test_alerts_arrive_in_order_and_the_log_says_so() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(1, 2, 3)
    await house.work(await house.worker(receiver))
    assert seqs(receiver) == [1, 2, 3]
    assert [house.state(n) for n in (1, 2, 3)] == ["delivered 1"] * 3
    assert house.metrics.counted("delivery_attempts_total", outcome="delivered", code="ok") == 3


async def test_what_the_filter_leaves_out_is_filtered_and_not_sent() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(1)
    loud = sink(takes=SinkFilter(severity_at_least=Severity.HIGH))
    await house.work(await house.worker(receiver, loud))
    assert receiver.calls == []
    assert house.state(1) == "filtered 0"


async def test_a_new_sink_begins_at_its_cursor() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(1, 2)
    worker = await house.worker(receiver, sink(cursor=2))
    await house.raise_alerts(3)
    await house.work(worker)
    assert seqs(receiver) == [3]


async def test_ten_tries_over_75_hours_and_then_a_dead_letter() -> None:
    house = House()
    times: list[datetime] = []

    def refuse(item: FeedItem) -> Outcome:
        times.append(house.clock.now())
        return Outcome.RETRY

    await house.raise_alerts(1)
    began = house.clock.now()
    worker = await house.worker(FakeAlertSink(refuse))
    await house.work_for(worker, 80)
    after_s = [round((time - began).total_seconds()) for time in times]
    gaps = [later - sooner for sooner, later in itertools.pairwise(after_s)]
    assert gaps == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert after_s[-1] == 75 * 3600 + 35 * 60 + 5
    assert house.state(1) == "dead 10 webhook/server-error"
    [told] = await house.deliveries.deliveries_of(ACME, AlertId("alr_ses_1_1"))
    assert [tried.number for tried in told.tries] == list(range(1, 11))
    assert house.metrics.counted("delivery_dead_total") == 1


async def test_jitter_makes_every_pause_longer_and_none_shorter() -> None:
    now = FakeClock().now()
    for attempts, pause_s in enumerate(WEBHOOK.pauses_s, start=1):
        soon = WEBHOOK.next_at(attempts, now, None, 0.0) - now
        late = WEBHOOK.next_at(attempts, now, None, 1.0) - now
        assert soon.total_seconds() == pause_s
        assert late.total_seconds() == pytest.approx(pause_s * 1.1)


async def test_retry_after_is_honoured_and_capped() -> None:
    house = House()
    asked = 90.0

    def busy(item: FeedItem) -> Sent:
        return answer(item, Outcome.RETRY, 429, "webhook/status-429", asked)

    receiver = FakeAlertSink(busy)
    await house.raise_alerts(1)
    await house.raise_alerts(1, session_id="ses_2")
    worker = await house.worker(receiver)
    await house.work(worker)
    assert len(receiver.calls) == 1  # the second alert leaves the receiver alone, too
    house.clock.stall(89_000)
    await house.work(worker)
    assert len(receiver.calls) == 1
    house.clock.stall(1_000)
    asked = 1e9
    await house.work(worker)
    assert len(receiver.calls) == 2
    house.clock.stall(HOUR_MS)  # a receiver cannot silence its sink for longer than an hour
    await house.work(worker)
    assert receiver.calls[2] == ["alr_ses_2_1"]
    first = house.database.deliveries[SINK, AlertId("alr_ses_1_1")]
    assert first.next_at is not None
    assert first.next_at - house.clock.now() <= timedelta(hours=24)


async def test_a_failed_alert_holds_back_its_session_only() -> None:
    house = House()
    bad = {"alr_ses_1_1"}
    receiver = FakeAlertSink(
        lambda item: Outcome.RETRY if item.alert.alert_id in bad else Outcome.DELIVERED
    )
    await house.raise_alerts(1, 2)
    await house.raise_alerts(1, 2, session_id="ses_2")
    worker = await house.worker(receiver)
    await house.work(worker)
    assert (seqs(receiver), seqs(receiver, "ses_2")) == ([], [1, 2])
    bad.clear()
    house.clock.stall(5_000)
    await house.work(worker)
    assert seqs(receiver) == [1, 2]


async def test_a_refused_alert_is_a_dead_letter_at_once_and_the_rest_flows() -> None:
    house = House()
    receiver = FakeAlertSink(
        lambda item: Outcome.REFUSED if item.alert.seq == 2 else Outcome.DELIVERED
    )
    await house.raise_alerts(1, 2, 3)
    await house.work(await house.worker(receiver))
    assert seqs(receiver) == [1, 3]
    assert house.state(2).startswith("dead 1")


async def test_a_receiver_that_is_gone_stops_its_sink_and_loses_nothing() -> None:
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.GONE)
    await house.raise_alerts(1, 2)
    worker = await house.worker(receiver)
    await house.work(worker)
    assert worker.is_stopping
    assert len(receiver.calls) == 1
    stored = house.database.sinks[SINK]
    assert (stored.is_enabled, stored.disabled_by) == (False, "webhook/gone")
    assert [house.state(n) for n in (1, 2)] == ["dead 1 webhook/gone", "pending 0"]
    await house.sinks.put_sink(Sink(**{**_fields(stored), "is_enabled": True}))
    await house.deliveries.replay(ACME, SINK, house.clock.now())
    receiver.decide = lambda _: Outcome.DELIVERED
    await house.work(await house.worker(receiver))
    assert seqs(receiver) == [1, 2]


def _fields(stored: Sink) -> dict[str, object]:
    return {name: getattr(stored, name) for name in Sink.__slots__}


async def test_the_breaker_leaves_a_dead_receiver_alone_and_probes_it() -> None:
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.RETRY)
    for number in range(20):
        await house.raise_alerts(1, session_id=f"ses_{number}")
    worker = await house.worker(receiver)
    await house.work(worker)
    assert len(receiver.calls) == 5  # five failures in a row, and it is open
    house.clock.stall(5_000)
    await house.work(worker)
    assert len(receiver.calls) == 6  # one probe
    await house.work_for(worker, 1)
    assert len(receiver.calls) < 25  # 5 s, 10 s ... 5 min
    receiver.decide = lambda _: Outcome.DELIVERED
    await house.work_for(worker, 3)
    assert len(receiver.delivered) == 20
    assert house.database.sinks[SINK].health.failing_since is None


async def test_after_a_restart_the_breaker_remembers() -> None:
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.RETRY)
    for number in range(10):
        await house.raise_alerts(1, session_id=f"ses_{number}")
    await house.work(await house.worker(receiver))
    again = FakeAlertSink(lambda _: Outcome.RETRY)
    await house.work(await house.worker(again))
    assert (len(receiver.calls), len(again.calls)) == (5, 0)


async def test_a_receiver_that_was_dead_for_the_whole_span_leaves_dead_letters_not_a_queue() -> (
    None
):
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.RETRY)
    await house.raise_alerts(*range(1, 6))  # four of them wait behind the first
    worker = await house.worker(receiver)
    await house.work_for(worker, 77)
    states = [house.state(n) for n in range(1, 6)]
    assert all(state.startswith("dead") for state in states), states
    assert len(await house.deliveries.dead_letters(ACME, SINK, 0, 10)) == 5


async def test_an_outage_of_ours_takes_no_alert_its_tries() -> None:
    """The dispatcher was away for four days; the first try afterwards fails, the second arrives."""
    house = House()
    said = [Outcome.RETRY]
    receiver = FakeAlertSink(lambda _: said.pop() if said else Outcome.DELIVERED)
    await house.raise_alerts(1, 2)
    worker = await house.worker(receiver)
    worker.tell(2)
    await worker._hold()
    await worker._plan()
    house.clock.stall(96 * HOUR_MS)
    await house.work(worker)
    house.clock.stall(5_000)
    await house.work(worker)
    assert seqs(receiver) == [1, 2]


async def test_a_crash_between_the_receivers_yes_and_our_record_repeats_the_same_id() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(1, 2)
    worker = await house.worker(receiver)
    worker.tell(2)
    record = house.deliveries.record

    async def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    house.deliveries.record = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await worker.step()
    house.deliveries.record = record  # type: ignore[method-assign]
    other = await house.worker(receiver, owner="another")
    await house.work(other)
    assert seqs(receiver) == [1]  # the dead one's lease still runs
    house.clock.stall(int(LEASE_S * 1000))
    await house.work(other)
    assert seqs(receiver) == [1, 1, 2]
    assert receiver.calls[0] == receiver.calls[1]


async def test_a_record_that_cannot_be_written_is_written_before_anything_else() -> None:
    house, receiver = House(), FakeAlertSink()
    await house.raise_alerts(1, 2)
    worker = await house.worker(receiver)
    worker.tell(2)

    def go_down(_: FeedItem) -> Outcome:
        house.deliveries.down = True
        return Outcome.DELIVERED

    receiver.decide = go_down
    for _ in range(3):
        with pytest.raises(StateStoreUnavailable):
            await worker.step()
    house.deliveries.down = False
    receiver.decide = lambda _: Outcome.DELIVERED
    await house.work(worker)
    assert seqs(receiver) == [1, 2]  # none twice


async def test_a_sink_with_a_fault_of_its_own_costs_a_try() -> None:
    house, receiver = House(), FakeAlertSink()
    receiver.breaks = True
    await house.raise_alerts(1)
    worker = await house.worker(receiver)
    await house.work(worker)
    assert house.state(1) == "pending 1 sink/failed"
    house.clock.stall(5_000)
    await house.work(worker)
    assert house.state(1) == "delivered 2"


async def test_two_dispatchers_send_each_alert_once() -> None:
    house, one, two = House(), FakeAlertSink(), FakeAlertSink()
    workers = [await house.worker(one, owner="a"), await house.worker(two, owner="b")]
    for seq in range(1, 6):
        await house.raise_alerts(seq)
        await asyncio.gather(*(house.work(worker) for worker in workers))
    assert sorted(seqs(one) + seqs(two)) == [1, 2, 3, 4, 5]
    house.clock.stall(int(LEASE_S * 1000))
    await house.raise_alerts(6)
    await house.work(workers[1])  # the lease ran out, and the other one takes over where it stands
    assert seqs(two) == [6]


async def test_a_lease_that_runs_out_during_a_call_lets_the_other_dispatcher_go_on() -> None:
    house, slow, quick = House(), FakeAlertSink(), FakeAlertSink()
    await house.raise_alerts(1, 2, 3)
    one, two = await house.worker(slow, owner="a"), await house.worker(quick, owner="b")

    def hang(item: FeedItem) -> Outcome:
        house.clock.stall(int(LEASE_S * 1000))  # far beyond a sink's deadline
        return Outcome.DELIVERED

    slow.decide = hang
    one.tell(3)
    assert await one.step() == 0  # it does not go on with what it had read before
    await house.work(two)
    assert (seqs(slow), seqs(quick)) == ([1], [2, 3])
    await house.work(one)
    assert (seqs(slow), seqs(quick)) == ([1], [2, 3])


async def test_the_410_of_an_old_address_disables_no_new_one() -> None:
    house = House()

    class MovedMeanwhile(FakeAlertSink):
        async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
            known = await house.sinks.get_sink(ACME, SINK)
            await house.sinks.put_sink(replace(known, target="https://new.example.org/"))
            return await super().send(batch)

    worker = await house.worker(MovedMeanwhile(lambda _: Outcome.GONE))
    await house.raise_alerts(1)
    await house.work(worker)
    stored = house.database.sinks[SINK]
    assert (stored.is_enabled, stored.health) == (True, Health())
    assert house.state(1) == "dead 1 webhook/gone"


async def test_a_sink_that_is_gone_stays_gone_when_the_record_of_it_was_late() -> None:
    house, receiver = House(), FakeAlertSink(lambda _: Outcome.GONE)
    await house.raise_alerts(1)
    await house.raise_alerts(1, session_id="ses_2")
    worker = await house.worker(receiver)
    worker.tell(2)

    def go_down(_: FeedItem) -> Outcome:
        house.deliveries.down = True
        return Outcome.GONE

    receiver.decide = go_down
    with pytest.raises(StateStoreUnavailable):
        await worker.step()
    house.deliveries.down = False
    await house.work(worker)
    assert worker.is_stopping
    assert len(receiver.calls) == 1
    assert not house.database.sinks[SINK].is_enabled


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(
        st.sampled_from([Outcome.DELIVERED, Outcome.RETRY, Outcome.REFUSED]), max_size=60
    ),
    sessions=st.lists(st.integers(1, 3), min_size=1, max_size=12),
    most=st.sampled_from([1, 2, 5]),
    crash_at=st.sets(st.integers(0, 30), max_size=3),
)
async def test_whatever_is_answered_no_alert_is_lost_and_sessions_keep_their_order(
    said: list[Outcome], sessions: list[int], most: int, crash_at: set[int]
) -> None:
    house = House(luck=0.5)
    script = list(said)
    receiver = FakeAlertSink(lambda _: script.pop(0) if script else Outcome.DELIVERED)
    counts: dict[int, int] = {}
    worker = await house.worker(receiver, sink(batching=Batching(most=most)))
    for number, session in enumerate(sessions):
        counts[session] = counts.get(session, 0) + 1
        await house.raise_alerts(counts[session], session_id=f"ses_{session}")
        if number in crash_at:
            worker = await house.worker(receiver)  # the process was replaced
        await house.work(worker)
        house.clock.stall(3_000)
    await house.work_for(worker, 100)
    for session, count in counts.items():
        name = f"ses_{session}"
        got = seqs(receiver, name)
        dead = [n for n in range(1, count + 1) if house.state(n, name).startswith("dead")]
        assert sorted([*set(got), *dead]) == list(range(1, count + 1))  # none lost
        assert got == sorted(got)
        assert all(
            house.database.deliveries[SINK, AlertId(f"alr_{name}_{n}")].state
            in (DeliveryState.DELIVERED, DeliveryState.DEAD)
            for n in range(1, count + 1)
        )
