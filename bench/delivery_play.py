"""One receiver and the fault that befalls it."""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bench.delivery import Listener
from bench.delivery_place import Place

WARM_S = 2.0
"""Within this a receiver's fault begins, at a moment of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """What a fault is played with.

    Attributes:
        place: Where the receiver finds the feed.
        listener: What it hears.
        rng: Its own chance.
        outage_s: How long the fault lasts.
        healed: Called when the fault is over.
    """

    place: Place
    listener: Listener
    rng: random.Random
    outage_s: float
    healed: Callable[[], None]


Play = Callable[[Playing], Coroutine[Any, Any, None]]
"""Receives until cancelled, while its fault comes and goes."""
