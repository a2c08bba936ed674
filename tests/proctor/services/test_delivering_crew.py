"""A worker per sink: one that hangs delays no other, and a change of a sink is taken up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.adapters.keys import FileKeyRing
from proctor.domain.deliveries import Outcome, SinkKind
from proctor.domain.ids import SinkId
from proctor.domain.sinks import Sink
from proctor.services.delivering_crew import DeliveryCrew
from proctor.services.sink_secrets import new_secret, rotated, seal
from tests.contract.samples import ACME, OTHER, alert, judged
from tests.contract.sink_samples import SINK, sink
from tests.fakes.delivering import House
from tests.fakes.sinks import FakeAlertSink, FakeSinkMaker

TWO, THREE = SinkId("snk_2"), SinkId("snk_3")


class Crew(House):
    """A house with a crew that runs."""

    def begin(self, folder: Path) -> None:
        self.keys = FileKeyRing(folder / "keys.json")
        self.maker = FakeSinkMaker()
        self.crew = DeliveryCrew(self.desk(), self.keys, self.maker)
        self.running = asyncio.create_task(self.crew.run())

    async def add(self, made: Sink) -> FakeAlertSink:
        sealed = seal(self.keys, made.tenant_id, made.sink_id, [new_secret()])
        await self.sinks.add_sink(made, sealed, 20)
        return self.maker.sinks.setdefault(made.sink_id, FakeAlertSink())

    async def passes(self, seconds: float) -> None:
        for _ in range(round(seconds * 5)):
            await self.clock.advance(200)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Crew]:
    made = Crew()
    made.begin(tmp_path)
    yield made
    made.running.cancel()
    await asyncio.gather(made.running, return_exceptions=True)


async def test_every_tenants_sinks_get_their_own_alerts(house: Crew) -> None:
    ours, theirs = await house.add(sink()), await house.add(sink("snk_2", OTHER))
    await house.raise_alerts(1)
    other = alert(1, "ses_o", OTHER)
    await house.incidents.commit([judged(other, session_id="ses_o", tenant_id=OTHER)])
    await house.feed.publish_pending(10)
    await house.passes(3)
    assert ours.calls == [["alr_ses_1_1"]]
    assert theirs.calls == [["alr_ses_o_1"]]


async def test_news_is_sent_within_a_look_at_the_heads(house: Crew) -> None:
    receiver = await house.add(sink())
    await house.passes(3)
    await house.raise_alerts(1)
    await house.passes(0.4)
    assert len(receiver.calls) == 1


async def test_a_sink_that_hangs_delays_no_other_nor_the_feed(house: Crew) -> None:
    stuck, well = await house.add(sink()), await house.add(sink("snk_2"))
    stuck.is_stuck = True
    await house.raise_alerts(1)
    await house.passes(3)
    await house.raise_alerts(2)
    await house.passes(1)
    assert (len(stuck.calls), len(well.calls)) == (1, 2)
    assert await house.feed.head(ACME) == 2


async def test_a_sink_with_a_fault_of_its_own_stops_no_other(house: Crew) -> None:
    broken, well = await house.add(sink()), await house.add(sink("snk_2"))
    broken.breaks = True
    await house.raise_alerts(1)
    await house.passes(10)
    assert (len(broken.delivered), len(well.delivered)) == (1, 1)


async def test_a_change_is_taken_up_by_a_new_worker(house: Crew) -> None:
    receiver = await house.add(sink())
    await house.passes(3)
    [(_, old)] = house.maker.opened
    stored = await house.sinks.get_sink(ACME, SINK)
    new = rotated(old, house.clock.now())
    await house.sinks.put_sink(stored, seal(house.keys, ACME, SINK, new))
    await house.passes(5)
    assert house.maker.opened[-1] == (SINK, new)
    assert [secret.ends_at is None for secret in new] == [True, False]
    assert receiver.closed == 1
    stored = await house.sinks.get_sink(ACME, SINK)
    await house.sinks.put_sink(replace(stored, is_enabled=False))
    await house.passes(3)
    await house.raise_alerts(1)
    await house.passes(3)
    assert (receiver.calls, receiver.closed) == ([], 2)
    stored = await house.sinks.get_sink(ACME, SINK)
    await house.sinks.put_sink(replace(stored, is_enabled=True))
    await house.passes(3)
    assert receiver.calls == [["alr_ses_1_1"]]  # what came meanwhile


async def test_a_sink_that_cannot_be_used_keeps_its_alerts_and_is_told(house: Crew) -> None:
    house.maker.refused.add("https://refused.example.org/")
    receiver = await house.add(sink(target="https://refused.example.org/"))
    await house.raise_alerts(1)
    await house.passes(3)
    assert house.metrics.gauges["delivery_unusable_sinks", ()] == 1
    house.maker.refused.clear()  # the operator mended a setting
    await house.passes(4)
    assert len(receiver.delivered) == 1
    assert house.metrics.gauges["delivery_unusable_sinks", ()] == 0


async def test_secrets_of_another_sink_do_not_open(house: Crew) -> None:
    await house.add(sink())
    foreign = house.database.sealed[SINK]
    await house.sinks.add_sink(sink("snk_3"), foreign, 20)
    await house.passes(3)
    assert THREE not in {sink_id for sink_id, _ in house.maker.opened}


async def test_the_loop_outlives_an_outage_and_operators_see_what_is_owed(house: Crew) -> None:
    receiver = await house.add(sink())
    receiver.decide = lambda _: Outcome.RETRY
    await house.raise_alerts(1)
    await house.passes(3)
    house.sinks.down = house.deliveries.down = house.feed.down = True
    await house.passes(5)
    house.sinks.down = house.deliveries.down = house.feed.down = False
    await house.passes(5)
    assert house.metrics.counted("delivery_failed_steps_total") > 0
    label = (("kind", SinkKind.WEBHOOK.value),)
    assert house.metrics.gauges["delivery_pending", label] == 1
    assert house.metrics.gauges["delivery_lag_seconds", label] > 5
    receiver.decide = lambda _: Outcome.DELIVERED
    await house.passes(320)
    assert len(receiver.delivered) == 1
    assert house.metrics.gauges["delivery_pending", label] == 0


async def test_a_crew_that_ends_leaves_its_sinks_to_the_next_at_once(house: Crew) -> None:
    receiver = await house.add(sink())
    await house.raise_alerts(1)
    await house.passes(3)
    now, until = house.clock.now(), house.clock.now() + timedelta(seconds=30)
    assert not await house.deliveries.hold(SINK, "another", now, until)
    house.running.cancel()
    await asyncio.gather(house.running, return_exceptions=True)
    assert receiver.closed == 1
    assert await house.deliveries.hold(SINK, "another", now, until)


async def test_the_log_is_forgotten_after_thirty_days(house: Crew) -> None:
    await house.add(sink())
    await house.raise_alerts(1)
    await house.passes(3)
    assert len(house.database.deliveries) == 1
    house.clock.stall(31 * 24 * 3_600_000)
    await house.passes(600)
    assert house.database.deliveries == {}


async def test_a_log_that_grows_faster_than_one_page_in_ten_minutes_is_forgotten_too(
    house: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proctor.services.delivering_crew.FORGET_AT_ONCE", 2)
    await house.add(sink())
    await house.raise_alerts(*range(1, 8))
    await house.passes(3)
    assert len(house.database.deliveries) == 7
    house.clock.stall(31 * 24 * 3_600_000)
    await house.passes(610)
    assert house.database.deliveries == {}
