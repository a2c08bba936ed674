"""GPUs of this machine, and which share of one each model group's replicas take."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path

from models.selection import GROUP_TASKS
from proctor.domain.errors import InvalidInput

DRIVER = Path("/proc/driver/nvidia/gpus")


def count_gpus(driver: Path = DRIVER, visible: str | None = None) -> int:
    """GPUs that the driver shows and a process may use.

    Args:
        driver: Where NVIDIA's driver has a folder per GPU.
        visible: CUDA_VISIBLE_DEVICES as it is set, None when it is not.
    """
    there = len(list(driver.iterdir())) if driver.is_dir() else 0
    if visible is None:
        return there
    named = [part for part in visible.split(",") if part.strip() not in ("", "-1")]
    return min(there, len(named))


def share_of(groups: Collection[str], shares: Mapping[str, float]) -> float:
    """What one replica of a deployment takes: the shares of its groups together.

    Raises:
        InvalidInput: A share is none that Ray can give.
    """
    check_shares(shares)
    total = round(float(sum(shares.get(group, 0.0) for group in groups)), 4)
    if total > 1 and not total.is_integer():
        raise InvalidInput(
            f"the groups {', '.join(groups)} together take {total:g} GPUs: more than one must be whole; "
            "set PROCTOR_GPU_SHARES__<GROUP>"
        )
    return total


def check_shares(shares: Mapping[str, float]) -> None:
    """Raises `InvalidInput` for a group that is unknown, or a share that is neither in 0..1 nor whole."""
    for group, share in shares.items():
        if group not in GROUP_TASKS:
            known = ", ".join(GROUP_TASKS)
            raise InvalidInput(f"PROCTOR_GPU_SHARES__{group.upper()} names no model group: {known}")
        is_whole = math.isfinite(share) and share > 1 and float(share).is_integer()
        if not (0 < share <= 1 or is_whole):
            raise InvalidInput(
                f"PROCTOR_GPU_SHARES__{group.upper()}={share:g}: a share is above 0 and up to 1, "
                "or a whole number of GPUs"
            )


def fits(share: float, replicas: int, gpus: int) -> bool:
    """Whether so many replicas find their share, none of them on two GPUs at once."""
    if share == 0:
        return True
    per_gpu = math.floor(1 / share + 1e-9) if share <= 1 else 0
    return replicas <= per_gpu * gpus if share <= 1 else replicas * share <= gpus
