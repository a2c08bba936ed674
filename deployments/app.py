"""Every `bind()` of the product, on one page.

Four applications: `proctor` (the HTTP door at / and the models), `live` (WebSockets and event streams
at /v1/live and the gRPC service, apart because each reader holds a request slot), `dispatcher` and
`reconciler` (loops without a door). Session hosts and fusion shards are no deployments: the reconciler
makes them.

Every deployment states a fraction of a core: Serve's default of 1 would leave the third replica of a
2-core machine waiting for ever (RAY.md 1). There is no global request timeout: it would cut sockets.
"""

import warnings
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application, Deployment

from deployments.gateway import Gateway
from deployments.gpus import share_of
from deployments.keeper import Keeper
from deployments.live import Live
from deployments.measured import MeasuredReplica
from deployments.perception import PerceptionReplica
from deployments.scaling import Bounds, bounds_of, scaling_of
from deployments.wiring import build_dispatcher, build_reconciler, source_digest
from models.selection import GROUP_TASKS

NEEDED = ("face", "body", "speech")


class Split(BaseModel):
    """How the model groups are spread over deployments: merged on a small machine, apart on a cluster.

    Attributes:
        groups: One deployment per entry, e.g. [[face, body, speech]] or [[face], [body], [speech]].
            `speakers`, `words` and `objects` are there when a model is chosen for them.
        most_replicas: Most replicas of merged groups; 1 for a number that does not follow the load.
        gpu_shares: Model group -> share of a GPU that each of its replicas takes.
    """

    model_config = ConfigDict(extra="forbid")

    groups: list[list[str]] = [list(NEEDED)]
    most_replicas: int = Field(default=1, ge=1)
    gpu_shares: dict[str, float] = {}

    def deployment_name(self, groups: list[str]) -> str:
        """`perception` with all groups, else `perception-face`, `perception-body-speech` and so on."""
        return "perception" if len(self.groups) == 1 else "-".join(["perception", *groups])

    def bounds(self, groups: list[str]) -> Bounds:
        """Least and most replicas of a deployment."""
        return Bounds(1, self.most_replicas) if len(self.groups) == 1 else bounds_of(groups)


def deployment_of_groups(split: Split) -> dict[str, str]:
    """Model group -> the deployment that serves it.

    Raises:
        ValueError: A group is missing, unknown or named twice.
    """
    named = [group for groups in split.groups for group in groups]
    if len(set(named)) < len(named) or not set(NEEDED) <= set(named) <= set(GROUP_TASKS):
        raise ValueError(
            f"groups must name each of {', '.join(NEEDED)} once, and of {', '.join(GROUP_TASKS)} "
            f"those that a model is chosen for; got {named}"
        )
    return {group: split.deployment_name(groups) for groups in split.groups for group in groups}


def perception(split: Split) -> list[Application]:
    """The models: one deployment per entry of the split, whose replicas follow the load."""
    return [_group(split, groups).bind(tuple(groups)) for groups in split.groups]


def _group(split: Split, groups: list[str]) -> Deployment:
    bounds = split.bounds(groups)
    follows = bounds.least != bounds.most
    return _deployment(
        MeasuredReplica if follows else PerceptionReplica,
        split.deployment_name(groups),
        cpus=0.3,
        gpus=share_of(groups, split.gpu_shares),
        slots=32,
        patience_s=5,
        scaling=scaling_of(bounds) if follows else None,
    )


def gateway(split: Split) -> Application:
    """The HTTP door and, behind it, the models."""
    door = serve.ingress()(Gateway)
    deployed = _deployment(door, "gateway", cpus=0.1, slots=100, patience_s=5)
    return deployed.bind(deployment_of_groups(split), *perception(split))


def live(split: Split) -> Application:
    """Long readers: alert feeds down to proctors, the control channel to candidates' pages."""
    door = serve.ingress()(Live)
    deployed = _deployment(door, "live", cpus=0.1, slots=10_000, patience_s=2)
    return deployed.bind(deployment_of_groups(split))


def dispatcher(_split: Split) -> Application:
    """Outbox to feed. Serve's configuration gives every builder its arguments, wanted or not."""
    return _deployment(Keeper, "dispatcher", cpus=0.05).bind(build_dispatcher)


def reconciler(split: Split) -> Application:
    """Makes and mends the session hosts and shards."""
    deployed = _deployment(Keeper, "reconciler", cpus=0.05)
    return deployed.bind(build_reconciler, deployment_of_groups(split), source_digest())


def _deployment(
    replica: Any,
    name: str,
    *,
    cpus: float,
    gpus: float = 0,
    slots: int = 5,
    patience_s: float = 2,
    scaling: dict[str, Any] | None = None,
) -> Deployment:
    """A class as a deployment: checked every 2 s, given `patience_s` to finish what it began."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # `scaling_of` says which and why
        return serve.deployment(
            name=name,
            ray_actor_options={"num_cpus": cpus, **({"num_gpus": gpus} if gpus else {})},
            max_ongoing_requests=slots,
            health_check_period_s=2,
            health_check_timeout_s=10,
            graceful_shutdown_timeout_s=patience_s,
            graceful_shutdown_wait_loop_s=0.2,
            autoscaling_config=scaling,
        )(replica)
