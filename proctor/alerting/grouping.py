"""Which alerts share a call: up to so many, up to so many bytes, the first waiting only so long.

A batch that was tried once stays together for its next tries: the same alerts, the same id, the same
bytes, so that a receiver knows a repetition by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from proctor.alerting.envelope import cloud_event, encoded, fitted
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Owed
from proctor.domain.ids import derive_id
from proctor.domain.sinks import Batching

MOST_BYTES = 20_000
"""Standard Webhooks 1.0 advises payloads below 20 kB; a batch keeps to it as a whole."""


@dataclass(frozen=True, slots=True)
class Group:
    """What goes out in one call.

    Attributes:
        owed: The alerts, in order.
        wait_s: How long it still waits for company; 0 when it goes now.
    """

    owed: tuple[Owed, ...]
    wait_s: float = 0.0


def message_id(items: Sequence[FeedItem]) -> str:
    """The id of a call: the alert's own, or one made of all of them; the same whenever it is repeated."""
    if len(items) == 1:
        return items[0].alert.alert_id
    return derive_id("bat", *(item.alert.alert_id for item in items))


def body(items: Sequence[FeedItem]) -> bytes:
    """One CloudEvent, or a JSON array of them (CloudEvents' JSON batch format)."""
    events = [fitted(cloud_event(item), MOST_BYTES) for item in items]
    return encoded(events[0] if len(events) == 1 else events)


def groups(owed: Sequence[Owed], batching: Batching, now: datetime) -> list[Group]:
    """Every call that is to be made of what is due, in order.

    Only the last group may have to wait for company: whatever comes after it is not due yet.
    """
    made: list[Group] = []
    bound: dict[str, list[Owed]] = {}
    fresh: list[Owed] = []
    order: list[str | None] = []
    for one in owed:
        if one.batch_id is None:
            fresh.append(one)
        else:
            if one.batch_id not in bound:
                order.append(one.batch_id)
            bound.setdefault(one.batch_id, []).append(one)
    made += [Group(tuple(bound[name])) for name in order if name is not None]
    made += _fresh_groups(fresh, batching, now)
    return sorted(made, key=lambda group: group.owed[0].item.position)


def _fresh_groups(fresh: Sequence[Owed], batching: Batching, now: datetime) -> list[Group]:
    made: list[Group] = []
    held: list[Owed] = []
    size = 2
    for one in fresh:
        more = (
            len(encoded(fitted(cloud_event(one.item), MOST_BYTES))) + 1 if batching.most > 1 else 0
        )
        if held and (len(held) >= batching.most or size + more > MOST_BYTES):
            made.append(Group(tuple(held)))
            held, size = [], 2
        held.append(one)
        size += more
    if held:
        made.append(Group(tuple(held), _wait_s(held, batching, now)))
    return made


def _wait_s(held: Sequence[Owed], batching: Batching, now: datetime) -> float:
    if len(held) >= batching.most or held[0].attempts:
        return 0.0
    until = held[0].planned_at + timedelta(milliseconds=batching.wait_ms)
    return max((until - now).total_seconds(), 0.0)
