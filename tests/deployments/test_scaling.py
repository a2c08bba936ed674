"""How many replicas are wanted, and by which figures."""

import pytest
from ray import cloudpickle
from ray.serve._private.autoscaling_state import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from deployments import scaling
from deployments.scaling import BUSY, Bounds, BusyMeter, follow_load, replicas_wanted, scaling_of


def test_a_meter_tells_the_mean_of_open_calls_without_sampling() -> None:
    meter = BusyMeter(0)
    assert meter.take(1_000) == 0.0
    meter.began(1_000)
    meter.began(1_250)
    meter.ended(1_500)
    assert meter.take(2_000) == pytest.approx(1.25)
    meter.ended(2_100)
    assert meter.take(3_000) == pytest.approx(0.1)
    assert meter.take(3_000) == 0.0


def test_a_call_that_is_open_all_the_time_counts_as_one() -> None:
    meter = BusyMeter(0)
    meter.began(0)
    assert [meter.take(at) for at in (500, 1_000, 1_000)] == [1.0, 1.0, 1.0]


def test_each_replica_is_to_be_busy_to_the_target() -> None:
    assert replicas_wanted([0.7], 0.0, 0.7) == pytest.approx(1.0)
    assert replicas_wanted([2.0], 0.0, 0.7) == pytest.approx(2.86, abs=0.01)
    assert replicas_wanted([1.0, 0.1], 3.0, 0.7) == pytest.approx(5.86, abs=0.01)
    assert replicas_wanted([], 0.0, 0.7) == 0.0


def context(
    busy: dict[str, float] | None,
    *,
    running: int = 1,
    target: int = 1,
    queued: float = 0.0,
    state: dict[str, object] | None = None,
) -> AutoscalingContext:
    config = AutoscalingConfig(**scaling_of(Bounds(1, 8)))
    return AutoscalingContext(
        deployment_id=None,
        deployment_name="perception",
        app_name="proctor",
        current_num_replicas=running,
        target_num_replicas=target,
        running_replicas=[],
        total_num_requests=queued,
        total_queued_requests=queued,
        aggregated_metrics=None if busy is None else {BUSY: busy},
        raw_metrics=None,
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=8,
        policy_state=state or {},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=None,
        config=config,
    )


def test_the_policy_follows_what_serve_tells_it() -> None:
    assert follow_load(context({"a": 2.0}))[0] == pytest.approx(2.86, abs=0.01)
    assert follow_load(context({"a": 0.0}, running=1))[0] == 0.0


def test_what_was_decided_stands_until_somebody_has_reported() -> None:
    assert follow_load(context(None, running=1, target=3))[0] == 3
    assert follow_load(context({}, running=1, target=3))[0] == 3
    assert follow_load(context({"a": 0.0}, running=0, target=2))[0] == 2


def test_replicas_that_are_still_starting_are_not_asked_for_twice() -> None:
    assert follow_load(context({"a": 2.0}, running=1, target=3))[0] < 3


def test_serve_takes_it_as_it_pickles_it_and_scales_after_its_own_delay() -> None:
    cloudpickle.register_pickle_by_value(scaling)
    try:
        policy = _apply_autoscaling_config(cloudpickle.loads(cloudpickle.dumps(follow_load)))
    finally:
        cloudpickle.unregister_pickle_by_value(scaling)
    state: dict[str, object] = {}
    first, state = policy(context({"a": 2.0}, state=state))
    assert first == 1
    later = {  # its delay passes
        key: value - 1.0 if isinstance(value, float) else value for key, value in state.items()
    }
    assert policy(context({"a": 2.0}, state=later))[0] == 3
