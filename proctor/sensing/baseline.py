"""Straight ahead, for this candidate before this camera: the median of the first seconds.

Head pose and gaze have an offset per person and camera (ACCURACY, Gaze), so what counts is the
difference from it. Only plausible readings are used: who begins by looking away gets no baseline there.
"""

from dataclasses import dataclass, field
from statistics import median

from proctor.sensing.limits import BaselineLimits


@dataclass(slots=True, kw_only=True)
class BaselineState:
    """What has been collected.

    Attributes:
        first_ms: The first reading of any kind.
        since_ms: The first plausible reading.
        readings: Plausible readings, in degrees.
        yaw_deg: The baseline once it is known.
    """

    first_ms: int | None = None
    since_ms: int | None = None
    readings: list[float] = field(default_factory=list)
    yaw_deg: float | None = None


class Baseline:
    """Finds where straight ahead is."""

    def __init__(self, limits: BaselineLimits, state: BaselineState) -> None:
        self._limits = limits
        self.state = state

    @property
    def is_pending(self) -> bool:
        """Whether it is being taken."""
        return self.state.first_ms is not None and self.state.yaw_deg is None

    def take(self, yaw_deg: float, at_ms: int) -> float | None:
        """Take a reading; return the baseline, None while it is not known."""
        state, limits = self.state, self._limits
        if state.yaw_deg is not None:
            return state.yaw_deg
        if state.first_ms is None:
            state.first_ms = at_ms
        if abs(yaw_deg) <= limits.within_deg:
            if state.since_ms is None:
                state.since_ms = at_ms
            state.readings.append(yaw_deg)
        is_whole = (
            state.since_ms is not None
            and at_ms - state.since_ms >= limits.over_ms
            and len(state.readings) >= limits.readings
        )
        if is_whole or at_ms - state.first_ms >= limits.give_up_ms:
            state.yaw_deg = median(state.readings) if is_whole else 0.0
            state.readings = []
        return state.yaw_deg

    def forget(self) -> None:
        """Another camera position may follow: begin again."""
        state = self.state
        state.first_ms = state.since_ms = state.yaw_deg = None
        state.readings = []
