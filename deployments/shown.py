"""What the API shows of the installation: the catalogue's figures, the session hosts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from actors.directory import ROSTER_KEY, roster_from_json
from proctor.services.figures import HostSeen

if TYPE_CHECKING:
    from proctor.domain.published import PublishedModel
    from proctor.ports import LiveState
    from proctor.services.figures import SeeHosts


def published_models() -> "Mapping[tuple[str, str], PublishedModel]":
    """(model, version), as alerts name them -> what the manifest states of it.

    What was measured of a model as a whole stands with each of its files.
    """
    from models.manifest import load_manifest
    from proctor.domain.published import PublishedModel

    manifest = load_manifest()
    wholes: dict[str, list[str]] = {}
    for model in manifest.models.values():
        for file in model.files:
            wholes.setdefault(file, []).extend(model.accuracy)
    return {
        (file.id, file.version): PublishedModel(
            role=file.task.replace("_", " "),
            error_rates=tuple(dict.fromkeys((*file.accuracy, *wholes.get(file.id, ())))),
        )
        for file in manifest.files
    }


def see_hosts(live: "LiveState") -> "SeeHosts":
    """Reads the roster that the reconciler writes every second."""

    async def seen() -> Sequence[HostSeen]:
        members = roster_from_json(await live.get(ROSTER_KEY))
        return [
            HostSeen(
                name=each.name,
                sessions=each.sessions,
                capacity=each.capacity,
                lag_ms=each.lag_ms,
                is_draining=each.is_draining,
            )
            for each in members
            if each.kind == "host"
        ]

    return seen
