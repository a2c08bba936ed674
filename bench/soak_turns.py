"""Who comes, goes and comes back during a soak: a seeded churn. Pure."""

import random
from dataclasses import dataclass, replace

SHORTEST_S, LONGEST_S = 60.0, 240.0
REST_S = 15.0
"""The longest pause between two candidates at the same place."""
DROPS = 0.4
"""Share of the stays in which the connection is lost once, and comes back."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One candidate at a place.

    Attributes:
        number: Of the candidate, over all places.
        waits_s: How long the place is empty before.
        lasts_s: How long they stay.
        drops_after_s: When their connection is lost; None: never.
    """

    number: int
    waits_s: float
    lasts_s: float
    drops_after_s: float | None

    def within(self, left_s: float) -> "Stay | None":
        """The same, cut to the time that is left; None when that is not worth coming for."""
        if left_s >= self.lasts_s:
            return self
        if left_s < SHORTEST_S / 2:
            return None
        after_s = self.drops_after_s
        keeps = after_s is not None and after_s < left_s / 2
        return replace(self, lasts_s=left_s, drops_after_s=after_s if keeps else None)


class Turns:
    """The stays at one place, one after another, without end; the same for the same seed."""

    def __init__(self, place: int, places: int, seed: int) -> None:
        self._chance = random.Random(f"{seed}/{place}")
        self._place = place
        self._places = places
        self._turn = 0

    def next(self) -> Stay:
        """The next one."""
        number = self._turn * self._places + self._place
        self._turn += 1
        lasts_s = self._chance.uniform(SHORTEST_S, LONGEST_S)
        waits_s = self._chance.uniform(0.0, REST_S)
        at_s = self._chance.uniform(0.3, 0.6) * lasts_s
        is_lost = self._chance.random() < DROPS
        return Stay(number, waits_s, lasts_s, at_s if is_lost else None)
