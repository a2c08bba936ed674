"""Shares of GPUs are such as Ray can give, and no more than there are."""

from pathlib import Path

import pytest

from deployments.gpus import check_shares, count_gpus, fits, share_of
from deployments.preflight import look, require_gpu_shares
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings


def test_gpus_are_those_of_the_driver_that_the_process_may_see(tmp_path: Path) -> None:
    assert count_gpus(tmp_path / "none") == 0
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert count_gpus(tmp_path) == 2
    assert count_gpus(tmp_path, "1") == 1
    assert count_gpus(tmp_path, "0,1,2") == 2
    assert (count_gpus(tmp_path, ""), count_gpus(tmp_path, "-1")) == (0, 0)


def test_a_deployment_takes_the_shares_of_its_groups() -> None:
    shares = {"face": 0.25, "speakers": 0.1}
    assert share_of(["face", "body", "speakers"], shares) == 0.35
    assert share_of(["body"], shares) == 0
    assert share_of(["face"], {"face": 2}) == 2
    with pytest.raises(InvalidInput, match="must be whole"):
        share_of(["face", "speakers"], {"face": 0.75, "speakers": 0.5})


@pytest.mark.parametrize(
    "wrong", [{"gait": 0.5}, {"face": 0.0}, {"face": -1.0}, {"face": 1.5}, {"face": float("nan")}]
)
def test_a_share_that_ray_cannot_give_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="PROCTOR_GPU_SHARES__"):
        check_shares(wrong)


def test_no_replica_lies_on_two_gpus_at_once() -> None:
    assert fits(0.25, 4, 1)
    assert not fits(0.25, 5, 1)
    assert fits(0.1, 10, 1)
    assert not fits(0.6, 2, 1), "two of them would need parts of two GPUs each"
    assert fits(0.6, 2, 2)
    assert fits(2, 1, 2)
    assert not fits(2, 2, 3)
    assert fits(0, 9, 0)


def test_doctor_and_start_hold_the_shares_against_the_machine(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, device="cuda", gpu_shares={"face": 0.5})
    require_gpu_shares(settings, 1)
    with pytest.raises(InvalidInput, match="do not fit on 1 GPU"):
        require_gpu_shares(settings.model_copy(update={"perception_replicas_max": 3}), 1)
    with pytest.raises(InvalidInput, match="PROCTOR_DEVICE"):
        require_gpu_shares(settings.model_copy(update={"device": "cpu"}), 1)
    (check,) = [one for one in look(settings) if one.name == "GPU"]
    assert check.is_good is (count_gpus() > 0)
    (check,) = [one for one in look(Settings(home=tmp_path)) if one.name == "GPU"]
    assert check.is_good and "none asked for" in check.found
