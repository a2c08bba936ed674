"""An alert as a CloudEvent: an independent reader takes it, always the same bytes, no tenant inside."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from proctor.alerting import envelope
from proctor.alerting.envelope import cloud_event, encoded, fitted
from proctor.domain.alerts import FeedItem, Transition
from proctor.domain.ids import SignalId
from tests.contract import samples


def test_an_independent_reader_takes_it() -> None:
    alert = samples.alert()
    read = JSONFormat().read(CloudEvent, encoded(cloud_event(FeedItem(position=7, alert=alert))))
    assert read.get_id() == alert.alert_id
    assert read.get_type() == f"com.rayproctor.alert.{alert.transition.value}"
    assert read.get_time() == alert.raised_at
    assert read.get_extension("partitionkey") == alert.session_id
    assert read.get_extension("feedposition") == 7
    data = read.get_data()
    assert isinstance(data, dict)
    assert (data["reason"], data["seq"]) == (alert.reason, alert.seq)


def test_the_tenant_stands_in_the_source_alone() -> None:
    event = cloud_event(FeedItem(position=1, alert=samples.alert()))
    assert samples.ACME in event["source"]
    assert "tenant_id" not in event["data"]


def test_the_same_alert_is_the_same_bytes_whatever_the_zone_of_its_time() -> None:
    alert = samples.alert()
    elsewhere = alert.raised_at.astimezone(timezone(timedelta(hours=5)))
    item = FeedItem(position=1, alert=alert)
    moved = FeedItem(position=1, alert=replace(alert, raised_at=elsewhere))
    assert cloud_event(item)["time"] == cloud_event(moved)["time"]
    assert encoded(cloud_event(item)) == encoded(cloud_event(item))


def test_every_transition_has_a_type_of_its_own() -> None:
    types = {
        cloud_event(FeedItem(position=1, alert=replace(samples.alert(), transition=each)))["type"]
        for each in Transition
    }
    assert len(types) == len(Transition)
    assert json.loads(encoded([{"id": "é"}])) == [{"id": "é"}]


def of_signals(count: int) -> FeedItem:
    alert = samples.alert(1)
    [signal] = alert.signals
    signals = tuple(replace(signal, signal_id=SignalId(f"sig_{n}")) for n in range(count))
    return FeedItem(position=1, alert=replace(alert, signals=signals))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, 40, 110])
@pytest.mark.parametrize("most_bytes", [100, 1_500, 4_000, 20_000])
def test_as_many_signals_as_fit_are_kept_the_oldest_first(count: int, most_bytes: int) -> None:
    event = cloud_event(of_signals(count))
    kept = fitted(event, most_bytes)
    signals = event["data"]["signals"]
    left = kept["data"]["signals"]
    assert left == signals[: len(left)]
    if len(left) == count:
        assert kept == event or count == 0
        return
    assert kept["signalsleftout"] == count - len(left)
    assert len(encoded(kept)) <= most_bytes or not left
    more = {**kept, "data": {**kept["data"], "signals": signals[: len(left) + 1]}}
    more = event if len(left) + 1 == count else more
    assert len(encoded(more)) > most_bytes, "one more would have fitted"


def test_an_alert_with_thousands_of_signals_does_not_hold_up_the_dispatcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All tenants' sinks share one loop: 3000 signals took 33 s when they were left out one by one."""
    item, written = of_signals(3_000), list[int]()

    def counted(event: dict[str, Any] | list[dict[str, Any]]) -> bytes:
        found = encoded(event)
        written.append(len(found))
        return found

    monkeypatch.setattr(envelope, "encoded", counted)
    assert len(encoded(fitted(cloud_event(item), 20_000))) <= 20_000
    assert len(written) <= 15
