"""What a sink that stands in for another one, or for live readers, still has to send."""

from collections.abc import Sequence

from proctor.alerting import fallback
from proctor.alerting.audience import wants
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Owed
from proctor.domain.errors import NotFound
from proctor.domain.ids import SinkId
from proctor.domain.sinks import LIVE, Sink, SinkFilter
from proctor.services.delivery_desk import Desk


async def still_needed(desk: Desk, sink: Sink, owed: Sequence[Owed]) -> Sequence[Owed]:
    """What of this has to be sent: all of it, unless the sink stands in for another one.

    What is spared is passed over in the store, with a reason.
    """
    other = sink.fallback_for
    if other is None or not owed:
        return owed
    if other == LIVE:
        known = await desk.caught_up(sink.tenant_id)
        is_needed = [fallback.is_needed_for_live(one.item.position, known) for one in owed]
    else:
        items = [one.item for one in owed]
        is_needed = await _not_delivered_by(desk, sink, SinkId(other), items)
    paired = list(zip(owed, is_needed, strict=True))
    spared = [one.item.alert.alert_id for one, needed in paired if not needed]
    if spared:
        now = desk.clock.now()
        await desk.deliveries.pass_over(sink.sink_id, spared, fallback.NOT_NEEDED, now)
    return [one for one, needed in paired if needed]


async def _not_delivered_by(
    desk: Desk, sink: Sink, other: SinkId, items: Sequence[FeedItem]
) -> list[bool]:
    """One that the other sink has not looked at yet counts, if it would take it."""
    names = [item.alert.alert_id for item in items]
    states = await desk.deliveries.states(other, names)
    try:
        wanted = (await desk.sinks.get_sink(sink.tenant_id, other)).filter
    except NotFound:
        wanted = SinkFilter()
    return [
        fallback.is_needed_for_sink(states.get(item.alert.alert_id)) and wants(wanted, item.alert)
        for item in items
    ]
