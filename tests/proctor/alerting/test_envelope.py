"""An alert as a CloudEvent: an independent reader takes it, always the same bytes, no tenant inside."""

import json
from dataclasses import replace
from datetime import timedelta, timezone

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from proctor.alerting.envelope import cloud_event, encoded
from proctor.domain.alerts import FeedItem, Transition
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
