"""What a bad network does to one packet after another. Pure: time is an argument, chance is seeded.

Drawn per packet and direction from a generator of one's own, so that a seed says what is lost.
"""

import random
from dataclasses import dataclass

QUEUE_MS = 500
"""What waits longer than this before a slow line is dropped, as a home router would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to the packets of one address, in each direction alike.

    Attributes:
        loss: Share of the packets that is lost, 0 to 1.
        jitter_ms: Each packet is late by 0 to this, evenly spread, so later ones overtake it.
        doubled: Share of the packets that comes twice.
        kbps: Rate of the line; 0 for no limit.
        is_cut: Nothing passes.
    """

    loss: float = 0.0
    jitter_ms: int = 0
    doubled: float = 0.0
    kbps: int = 0
    is_cut: bool = False


CALM = Weather()


class Line:
    """One direction of one address."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._free_ms = 0.0
        self.passed = 0
        self.lost = 0

    def arrivals(self, size: int, now_ms: float, weather: Weather) -> list[float]:
        """When a packet of `size` bytes that is sent now arrives: never, once or twice."""
        if weather.is_cut or self._chance.random() < weather.loss:
            self.lost += 1
            return []
        leaves_ms = now_ms
        if weather.kbps:
            leaves_ms = max(now_ms, self._free_ms)
            if leaves_ms - now_ms > QUEUE_MS:
                self.lost += 1
                return []
            leaves_ms += size * 8 / weather.kbps
            self._free_ms = leaves_ms
        self.passed += 1
        copies = 2 if self._chance.random() < weather.doubled else 1
        return [leaves_ms + self._chance.uniform(0, weather.jitter_ms) for _ in range(copies)]
