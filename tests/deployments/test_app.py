"""The deployments as they are bound, composed in this process: no Ray is started."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray
from ray import serve
from ray.serve import Application

from actors.perception import ServePerception
from deployments import app, wiring
from deployments.app import Split, deployment_of_groups
from deployments.keeper import Keeper
from proctor.domain.errors import PerceptionUnavailable, Unavailable
from proctor.domain.perception import BodyAsk, FaceAsk
from tests.fakes.clock import FakeClock
from tests.fakes.perception import FakePerception, Trouble

Compose = Callable[[Application], Any]


@pytest.fixture
def compose() -> Iterator[Compose]:
    """Runs an application in this process. The parameter is private, so it stands here only."""
    names: list[str] = []

    def run(application: Application) -> Any:
        names.append(f"test-{len(names)}")
        return serve.run(application, name=names[-1], _local_testing_mode=True)

    yield run
    assert not ray.is_initialized()


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> FakePerception:
    """Models by script, in the place of the weights."""
    fake = FakePerception(FakeClock())

    def load(groups: frozenset[str]) -> FakePerception:
        assert groups == {"face", "body", "speech"}
        return fake

    monkeypatch.setattr(wiring, "perception_in_process", load)
    return fake


def perception_of(handle: Any) -> ServePerception:
    return ServePerception({"face": handle, "body": handle, "speech": handle}, within_s=5)


async def test_a_batch_goes_through_the_replica_and_back(
    compose: Compose, models: FakePerception
) -> None:
    (replica,) = app.perception(Split())
    answers = await perception_of(compose(replica)).faces([FaceAsk(picture=b"x")] * 3)
    assert [len(answer.faces) for answer in answers] == [1, 1, 1]
    assert [len(asks) for _, _, asks in models.asked] == [3]


async def test_a_group_that_is_away_is_told_as_the_port_says(
    compose: Compose, models: FakePerception
) -> None:
    models.troubles = [Trouble(group="body", kind="is_away", from_ms=0, to_ms=10)]
    (replica,) = app.perception(Split())
    with pytest.raises(PerceptionUnavailable):
        await perception_of(compose(replica)).bodies([BodyAsk(picture=b"x")])


class Loop:
    """A loop that ends when told."""

    def __init__(self) -> None:
        self.end = asyncio.Event()

    async def run(self) -> None:
        await self.end.wait()

    async def close(self) -> None:
        return


async def test_a_keeper_is_well_while_its_loop_runs() -> None:
    loop = Loop()

    async def build_loop(given: str) -> Loop:
        assert given == "argument"
        return loop

    keeper = Keeper(build_loop, "argument")
    await keeper.check_health()
    loop.end.set()
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await keeper.check_health()
    await keeper.close()


def test_groups_of_their_own_follow_their_load_and_one_replica_for_all_stays_one() -> None:
    (merged,) = app.perception(Split())
    assert merged._bound_deployment.num_replicas == 1
    assert merged._bound_deployment._deployment_config.autoscaling_config is None
    (up_to_three,) = app.perception(Split(most_replicas=3))
    config = up_to_three._bound_deployment._deployment_config.autoscaling_config
    assert (config.min_replicas, config.max_replicas) == (1, 3)
    apart = Split(groups=[["face"], ["body", "speech"], ["speakers"]], gpu_shares={"face": 0.25})
    bounds, shares = {}, {}
    for application in app.perception(apart):
        deployment = application._bound_deployment
        config = deployment._deployment_config.autoscaling_config
        bounds[deployment.name] = (config.min_replicas, config.max_replicas)
        shares[deployment.name] = deployment.ray_actor_options.get("num_gpus", 0)
    assert bounds == {
        "perception-face": (1, 16),
        "perception-body-speech": (1, 16),
        "perception-speakers": (0, 8),
    }
    assert shares == {
        "perception-face": 0.25,
        "perception-body-speech": 0,
        "perception-speakers": 0,
    }


async def test_a_replica_whose_number_follows_the_load_answers_and_tells_how_busy_it_was(
    compose: Compose, models: FakePerception
) -> None:
    (replica,) = app.perception(Split(most_replicas=2))
    handle = compose(replica)
    answers = await perception_of(handle).faces([FaceAsk(picture=b"x")] * 3)
    assert len(answers) == 3
    assert set(await handle.record_autoscaling_stats.remote()) == {"busy"}


def test_groups_may_be_merged_or_apart_but_each_is_served_once() -> None:
    assert set(deployment_of_groups(Split()).values()) == {"perception"}
    apart = Split(groups=[["face"], ["body", "speech"]])
    assert deployment_of_groups(apart) == {
        "face": "perception-face",
        "body": "perception-body-speech",
        "speech": "perception-body-speech",
    }
    for wrong in ([["face"]], [["face", "body", "speech"], ["face"]], [["gait"]]):
        with pytest.raises(ValueError, match="groups must name"):
            deployment_of_groups(Split(groups=wrong))
