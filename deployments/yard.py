"""Makes and ends the detached actors: session hosts and fusion shards.

They outlive `serve deploy` and the process that made them, are restarted by Ray when they die, and
are pinned to nodes that offer the resource `proctor_media` (actors with few CPUs could otherwise land
on a head that is meant to do no work, RAY.md 5).
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from actors.fusion import FusionActor
from actors.mailbox import NAMESPACE, Factory, MailboxSpec
from actors.session_host import SessionHostActor

MEDIA_RESOURCE = "proctor_media"
MANY_CALLS = 1_000


class Yard(Protocol):
    """Where actors are made, by name."""

    def names(self) -> AbstractSet[str]:
        """Every actor of ours that exists, restarting ones included."""
        ...

    def make_host(self, spec: MailboxSpec) -> None:
        """Start a session host; it answers once it is open."""
        ...

    def make_shard(self, spec: MailboxSpec) -> None:
        """Start a fusion shard."""
        ...

    def restart(self, name: str) -> None:
        """End the process; Ray starts another under the same name."""
        ...

    def remove(self, name: str) -> None:
        """End the actor for good. Nothing happens when it is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RayYard:
    """The yard that is a Ray cluster. Calls block on its control store: use a thread.

    Attributes:
        host_factory: Makes the session host inside its actor's process.
        shard_factory: Makes the fusion shard inside its actor's process.
        host_cpus: Share of a core that a session host reserves.
        shard_cpus: Share of a core that a shard reserves.
    """

    host_factory: Factory[Any]
    shard_factory: Factory[Any]
    host_cpus: float
    shard_cpus: float

    def names(self) -> AbstractSet[str]:
        """Every actor in our namespace."""
        from ray.util import list_named_actors

        found: list[dict[str, str]] = list_named_actors(all_namespaces=True)
        return {actor["name"] for actor in found if actor["namespace"] == NAMESPACE}

    def make_host(self, spec: MailboxSpec) -> None:
        """Start a session host."""
        self._make(SessionHostActor, self.host_factory, spec, self.host_cpus)

    def make_shard(self, spec: MailboxSpec) -> None:
        """Start a fusion shard."""
        self._make(FusionActor, self.shard_factory, spec, self.shard_cpus)

    def restart(self, name: str) -> None:
        """End the process and let Ray start another."""
        self._kill(name, no_restart=False)

    def remove(self, name: str) -> None:
        """End the actor for good."""
        self._kill(name, no_restart=True)

    def _make(self, mailbox: type, factory: Factory[Any], spec: MailboxSpec, cpus: float) -> None:
        import ray

        ray.remote(mailbox).options(
            name=spec.name,
            namespace=NAMESPACE,
            lifetime="detached",
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=MANY_CALLS,
            num_cpus=cpus,
            resources={MEDIA_RESOURCE: 1},
        ).remote(factory, spec)

    def _kill(self, name: str, *, no_restart: bool) -> None:
        import ray

        try:
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=no_restart)
        except ValueError:
            return
