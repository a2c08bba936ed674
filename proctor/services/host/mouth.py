"""Whether the lips of the face moved while somebody spoke: no other voice is enrolled.

What that costs: speech during which the face was not seen, or in too few pictures (the host sheds load,
or looks less often than `PICTURES` times in a window), is never learnt, nor is that of somebody who
hardly opens the mouth. Their template comes later or not at all, and another voice is not told until
then: every `SpeakersHeard` says that there is none, and `voices_not_enrolled` counts the windows.
"""

from collections import deque
from collections.abc import Iterable
from statistics import pstdev

from proctor.domain.observations import GazeSeen, Observation
from proctor.sensing.sound_limits import LipsLimits

KEPT_MS = 90_000
PICTURES = 8
"""Fewer than a signal needs: that a voice is not learnt yet accuses nobody."""


class Mouth:
    """The openings of the candidate's mouth in the last minute and a half, as the models told them."""

    def __init__(self, limits: LipsLimits) -> None:
        self._limits = limits
        self._openings: deque[tuple[int, float]] = deque()

    def note(self, seen: Iterable[Observation]) -> None:
        """Take what was seen, oldest first."""
        for each in seen:
            if not isinstance(each, GazeSeen) or each.mouth_open is None or each.head is None:
                continue
            if abs(each.head.yaw_deg) <= self._limits.head_within_deg:
                self._openings.append((each.observed_ms, each.mouth_open))
        while self._openings and self._openings[-1][0] - self._openings[0][0] > KEPT_MS:
            self._openings.popleft()

    def has_moved(self, start_ms: int, end_ms: int) -> bool:
        """Whether it is known to have moved. Too few pictures say nothing, so then not."""
        during = [opening for at_ms, opening in self._openings if start_ms <= at_ms <= end_ms]
        return len(during) >= PICTURES and pstdev(during) >= self._limits.still_below
