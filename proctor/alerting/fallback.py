"""When a sink that stands in for another one sends.

It holds each alert for `fallback_after_s`, then looks once. In doubt it sends: an alert told twice is a
nuisance, one told to nobody is a loss.
"""

from proctor.domain.deliveries import DeliveryState

NOT_NEEDED = "fallback/not-needed"
"""The code of an alert that was passed over because the other one delivered it, or does not take it."""


def is_needed_for_sink(state: DeliveryState | None) -> bool:
    """Whether to send, by where the alert stands with the other sink; None: it has not looked at it."""
    return state not in (DeliveryState.DELIVERED, DeliveryState.FILTERED)


def is_needed_for_live(position: int, caught_up: int | None) -> bool:
    """Whether to send, by the position up to which a live reader has the feed; None: nobody reads."""
    return caught_up is None or caught_up < position
