"""An alert as the world gets it: a CloudEvents 1.0 envelope around the alert's own schema.

The same bytes for every try and every sink: `id` is the alert's, so a receiver drops doubles by it.
"""

import json
from bisect import bisect_right
from datetime import UTC
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from proctor.domain.alerts import Alert, FeedItem

DATA_SCHEMA = "urn:rayproctor:schema:alert:1"
TYPE_PREFIX = "com.rayproctor.alert."
CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"


@cache
def _alerts() -> TypeAdapter[Alert]:
    return TypeAdapter(Alert)


def alert_data(alert: Alert) -> dict[str, Any]:
    """An alert as plain JSON values. Whose tenant's it is stands in the envelope's source."""
    plain: dict[str, Any] = _alerts().dump_python(alert, mode="json")
    del plain["tenant_id"]
    return plain


def cloud_event(item: FeedItem) -> dict[str, Any]:
    """The envelope (CloudEvents 1.0.2, JSON format), with the feed position and seq as extensions.

    `partitionkey` is CloudEvents' own extension for brokers: everything of a session stays in order.
    """
    alert = item.alert
    return {
        "specversion": "1.0",
        "id": alert.alert_id,
        "source": f"/tenants/{alert.tenant_id}/sessions/{alert.session_id}",
        "type": TYPE_PREFIX + alert.transition.value,
        "subject": alert.incident_id,
        "time": alert.raised_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "partitionkey": alert.session_id,
        "sequence": f"{alert.seq:010d}",
        "feedposition": item.position,
        "data": alert_data(alert),
    }


def encoded(event: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    """Compact UTF-8 JSON, the same bytes for the same event."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def fitted(event: dict[str, Any], most_bytes: int) -> dict[str, Any]:
    """The event as it is, or with so few of its signals that it is no larger than `most_bytes`.

    The newest signals go first, since the oldest opened the incident; the extension `signalsleftout`
    says how many. The whole alert stands in the API.
    """
    if len(encoded(event)) <= most_bytes:
        return event
    signals = list(event["data"]["signals"])

    def keeping(count: int) -> dict[str, Any]:
        data = {**event["data"], "signals": signals[:count]}
        return {**event, "signalsleftout": len(signals) - count, "data": data}

    # Halving: each step writes the whole event, in the loop that all tenants' sinks share.
    numbers = range(len(signals))
    too_many = bisect_right(numbers, most_bytes, key=lambda count: len(encoded(keeping(count))))
    if too_many:
        return keeping(too_many - 1)
    bare = keeping(0)
    return {**bare, "data": {**bare["data"], "producers": []}}
