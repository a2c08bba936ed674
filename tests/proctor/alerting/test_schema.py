"""The published schema of an alert: made from the domain's type, true of every alert, told by version."""

import json
from dataclasses import fields
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from proctor.alerting.envelope import DATA_SCHEMA, cloud_event, encoded
from proctor.alerting.schema import SCHEMA_FILE, alert_schema, as_text
from proctor.domain.alerts import Alert, FeedItem
from proctor.domain.signals import Signal, Support
from tests.contract import samples

READ = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SUPPORT = st.builds(Support, numbers=st.lists(st.tuples(st.text(), FINITE), max_size=3).map(tuple))
SIGNAL = st.builds(Signal, probability=st.floats(0, 1), support=SUPPORT)
ALERT = st.builds(
    Alert,
    raised_at=st.datetimes(timezones=st.just(UTC)),
    signals=st.lists(SIGNAL, max_size=3).map(tuple),
)


def test_the_file_is_what_the_type_says() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == as_text(), "run `make generate`"


def test_the_schema_is_one_and_has_its_version_as_its_name() -> None:
    Draft202012Validator.check_schema(alert_schema())
    assert alert_schema()["$id"] == DATA_SCHEMA
    assert DATA_SCHEMA.rpartition(":")[2] == SCHEMA_FILE.name.split(".")[1].removeprefix("v")


@given(ALERT)
def test_every_alert_is_as_the_schema_says(alert: Alert) -> None:
    event = json.loads(encoded(cloud_event(FeedItem(position=1, alert=alert))))
    assert event["dataschema"] == DATA_SCHEMA
    READ.validate(event["data"])


@pytest.mark.parametrize("missing", [field.name for field in fields(Alert)])
def test_an_alert_without_one_of_its_fields_is_none(missing: str) -> None:
    data = cloud_event(FeedItem(position=1, alert=samples.alert()))["data"]
    if missing == "tenant_id":
        assert missing not in data
        return
    del data[missing]
    with pytest.raises(ValidationError):
        READ.validate(json.loads(json.dumps(data)))


def test_what_is_no_alert_is_refused_and_a_newer_field_is_not() -> None:
    data = json.loads(encoded(cloud_event(FeedItem(position=1, alert=samples.alert()))))["data"]
    READ.validate({**data, "evidence": "later"})
    for wrong in ({"severity": "lethal"}, {"seq": "1"}, {"signals": None}, {"raised_at": 5}):
        with pytest.raises(ValidationError):
            READ.validate({**data, **wrong})
