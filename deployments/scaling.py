"""How many replicas a model group should have: the policy that Serve's controller asks, and its windows.

Serve's own policy counts requests that are open, samples them, and looks back 30 s. A session host sends
one call per group at a time with everything its sessions owe, so there are never more open calls than
hosts, whatever they hold; and a whole exam begins within a minute. What is followed here is how busy the
replicas are, which each measures without sampling (`BusyMeter`), over 2 s.

Serve pickles this module by value into its controller: it imports little on purpose.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

BUSY = "busy"
TARGET_BUSY = 0.7
"""Calls open per replica, on average: beyond it a call often waits for another one."""

LOOK_BACK_S = 2.0
METRICS_EVERY_S = 0.5
UPSCALE_AFTER_S = 0.5
DOWNSCALE_AFTER_S = 300.0


class BusyMeter:
    """How many calls were open on average since one last looked. Time is an argument.

    Args:
        now_ms: Monotonic time.
    """

    def __init__(self, now_ms: int) -> None:
        self._open = 0
        self._since_ms = self._at_ms = now_ms
        self._area = 0

    def began(self, now_ms: int) -> None:
        """A call has come."""
        self._move(now_ms)
        self._open += 1

    def ended(self, now_ms: int) -> None:
        """A call was answered, or failed."""
        self._move(now_ms)
        self._open -= 1

    def take(self, now_ms: int) -> float:
        """The mean number of open calls since the last `take`; what is open now when no time has passed."""
        self._move(now_ms)
        lasted_ms = now_ms - self._since_ms
        mean = self._area / lasted_ms if lasted_ms > 0 else float(self._open)
        self._since_ms, self._area = now_ms, 0
        return mean

    def _move(self, now_ms: int) -> None:
        self._area += self._open * (now_ms - self._at_ms)
        self._at_ms = now_ms


def replicas_wanted(busy: Collection[float], queued: float, target: float) -> float:
    """How many replicas would each be busy to the target.

    Args:
        busy: Mean calls open in each running replica.
        queued: Calls that wait before them.
        target: Mean calls open that a replica should have.

    Returns:
        Not rounded and not bounded: the caller knows least and most. 0 when nothing is to be done.
    """
    return (sum(busy) + queued) / target


def follow_load(ctx: Any) -> tuple[float, dict[str, Any]]:
    """The policy as Serve calls it (`AutoscalingContext`); Serve then applies delays and bounds.

    Without a replica, or while none has reported yet, what was decided stands.
    """
    busy = (ctx.aggregated_metrics or {}).get(BUSY, {})
    if ctx.current_num_replicas == 0 or not busy:
        return ctx.target_num_replicas, {}
    target = ctx.config.get_target_ongoing_requests()
    return replicas_wanted(busy.values(), ctx.total_queued_requests or 0.0, target), {}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and most replicas of a model group."""

    least: int
    most: int


APART: Mapping[str, Bounds] = {
    "face": Bounds(1, 16),
    "body": Bounds(1, 8),
    "speech": Bounds(1, 16),
    "speakers": Bounds(0, 8),
    "words": Bounds(0, 4),
    "objects": Bounds(0, 8),
}
"""Of groups that have deployments of their own, unless serve_config.yaml says otherwise."""


def bounds_of(groups: Collection[str]) -> Bounds:
    """Of a deployment that serves several groups: what the most demanding of them needs."""
    known = [APART[group] for group in groups]
    return Bounds(max(one.least for one in known), max(one.most for one in known))


def scaling_of(bounds: Bounds) -> dict[str, Any]:
    """Serve's `autoscaling_config` for a model group.

    `metrics_interval_s` is called deprecated by Serve 2.60, whose replacement (two environment variables)
    nothing in it reads yet.
    """
    return {
        "min_replicas": bounds.least,
        "max_replicas": bounds.most,
        "target_ongoing_requests": TARGET_BUSY,
        "metrics_interval_s": METRICS_EVERY_S,
        "look_back_period_s": LOOK_BACK_S,
        "upscale_delay_s": UPSCALE_AFTER_S,
        "downscale_delay_s": DOWNSCALE_AFTER_S,
        "policy": {"policy_function": "deployments.scaling:follow_load"},
    }
