"""How many machines there are, and what several ask of the stores."""

from proctor.domain.errors import InvalidInput
from proctor.settings import Settings


def count_nodes() -> int:
    """Living nodes of the cluster that this process belongs to."""
    import ray

    nodes: list[dict[str, object]] = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(node["Alive"] is True for node in nodes)


def require_shared_stores(settings: Settings, nodes: int) -> None:
    """Raises `InvalidInput` when stores that lie on one machine would be used by several."""
    settings = settings.resolved()
    assert settings.database_url is not None
    assert settings.faces_uri is not None
    if nodes > 1 and settings.database_url.startswith("sqlite"):
        raise InvalidInput(f"{nodes} nodes need one database: set PROCTOR_DATABASE_URL")
    if nodes > 1 and "://" not in settings.faces_uri:
        raise InvalidInput(f"{nodes} nodes need one face index: set PROCTOR_FACES_URI")
    if nodes > 1 and (settings.recordings_url or "").startswith("file:"):
        raise InvalidInput(
            f"{nodes} nodes need one store of recordings: set PROCTOR_RECORDINGS_URL"
        )
    if nodes > 1 and (settings.evidence_url or "").startswith("file:"):
        raise InvalidInput(f"{nodes} nodes need one store of evidence: set PROCTOR_EVIDENCE_URL")
    if nodes > 1 and (settings.checkpoints_url or "").startswith("file:"):
        raise InvalidInput(
            f"{nodes} nodes need one place for checkpoints: set PROCTOR_CHECKPOINTS_URL"
        )
    if nodes > 1 and settings.redis_url is None:
        raise InvalidInput(f"{nodes} nodes need one live state: set PROCTOR_REDIS_URL")
