"""Which candidate does what and when: events at a stated rate, spread over the candidates. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.candidate.film import GRID_MS

CALM_FIRST_MS = 12_000
"""The usual direction of the gaze is learnt in the first seconds."""
CALM_BETWEEN_MS = 6_000
CALM_LAST_MS = 3_000
_GOLDEN = 0.618034
"""Multiples of it, less their whole part, spread evenly however many there are."""

RULES = {
    "leaves": "no_face",
    "beside": "several_faces",
    "covers": "camera_covered",
    "speaks": "speech",
    "aside": "looking_away",
}
"""What somebody does, and the rule that tells of it."""
LASTS_MS = {"leaves": 6_000, "beside": 7_800, "covers": 5_400, "speaks": 6_000, "aside": 4_200}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that goes wrong.

    Attributes:
        start_ms: When, in ms of the candidate's film; a multiple of `GRID_MS`.
        kind: A key of `RULES`.
        turn: The how manieth of its kind for this candidate, from 0.
    """

    start_ms: int
    kind: str
    turn: int

    @property
    def end_ms(self) -> int:
        """When it is over."""
        return self.start_ms + LASTS_MS[self.kind]


def plan_events(
    number: int, length_s: float, every_s: float, kinds: Sequence[str], seed: int = 0
) -> tuple[Event, ...]:
    """The events of candidate `number`.

    Args:
        number: From 0; neighbours begin at other times and with other kinds.
        length_s: Of the film.
        every_s: Mean distance of two beginnings; single ones differ by up to a fifth.
        kinds: What this candidate can do, keys of `RULES`.
        seed: Another one gives other times.

    Raises:
        ValueError: `every_s` leaves no calm between the events.
    """
    longest_ms = max(LASTS_MS[kind] for kind in kinds)
    if every_s * 800 < longest_ms + CALM_BETWEEN_MS:
        least = (longest_ms + CALM_BETWEEN_MS) / 800
        raise ValueError(f"events every {every_s:g} s leave no calm between; {least:.1f} s do")
    chance = random.Random(f"{seed}/{number}")
    start_ms = CALM_FIRST_MS + every_s * 1000 * ((number * _GOLDEN) % 1.0)
    found: list[Event] = []
    while True:
        turn, at = divmod(len(found) + number, len(kinds))
        kind = kinds[at]
        event = Event(round(start_ms / GRID_MS) * GRID_MS, kind, turn)
        if event.end_ms + CALM_LAST_MS > length_s * 1000:
            return tuple(found)
        found.append(event)
        start_ms += every_s * 1000 * chance.uniform(0.8, 1.2)


def takes_needed(every_s: float, kinds: int, apart_s: float) -> int:
    """How many takes of each kind there must be so that none comes again within `apart_s`."""
    return max(1, -(-int(apart_s * 1000) // max(1, int(every_s * 800 * kinds)))) + 1
