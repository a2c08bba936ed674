"""The networks that are measured by themselves: collected from the catalogue, or read from a folder.

A machine with a GPU may have little else, so a folder is all that travels: `write` makes it where the
product is installed, `read` needs nothing but Python.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.catalogue import Catalogue
    from models.runtimes.placement import Network

LIST = "networks.json"
SIDE_PX = 320
"""Side of the picture where a network takes any: what a look of a detector is made on."""

SIDES = {"pyannote-segmentation": 160_000}
"""Of the others: ten seconds of sound."""

MIRRORED = frozenset({"face-embedding"})
"""Networks that see each face and its mirror image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One network.

    Attributes:
        name: Manifest id of its file.
        model: The model that it is a part of; a model may need several networks.
        task: What it is for.
        side: Of the picture, where the network takes any; else it has no meaning.
        items: How many items one ask makes.
        content: ONNX bytes, as they are run.
    """

    name: str
    model: str
    task: str
    side: int
    items: int
    content: bytes


def collect(catalogue: "Catalogue") -> tuple[list[Measured], dict[str, str]]:
    """Every ONNX network of the manifest whose file is here, as its reader opens it.

    A network with a state (the voice detector, whose rate is a number beside it) is left out: its
    reader measures it.

    Returns:
        The networks, and for each model that cannot be opened why not.
    """
    from models.convert.free_batch import with_free_batch
    from models.errors import ModelFileError
    from models.readers import open_model
    from models.runtimes.placement import Fallbacks, Placement, placed
    from models.selection import select
    from models.serving import serving_of

    found: dict[str, Measured] = {}
    missing: dict[str, str] = {}
    for name, model in catalogue.manifest.models.items():
        here: list[Network] = []
        try:
            selection = select(instead={model.task: name}, manifest=catalogue.manifest)
            serving = serving_of(selection)
            with placed(Placement(exports=here.append, serving=serving), Fallbacks()):
                open_model(selection, catalogue, model.task)
        except ModelFileError as error:
            missing[name] = error.detail
        for network in here:
            if all(tensor.shape for tensor in network.inputs):
                found[network.name] = Measured(
                    name=network.name,
                    model=name,
                    task=model.task,
                    side=SIDES.get(network.name, SIDE_PX),
                    items=2 if network.name in MIRRORED else 1,
                    content=with_free_batch(network.name, network.content),
                )
    return list(found.values()), missing


def write(folder: Path, networks: Sequence[Measured]) -> None:
    """Write them with their list; the folder is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    for network in networks:
        (folder / f"{network.name}.onnx").write_bytes(network.content)
        entry = asdict(network)
        del entry["content"]
        told.append(entry)
    (folder / LIST).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> list[Measured]:
    """What `write` wrote. Raises `OSError`, `ValueError`, `TypeError` or `KeyError` for anything else."""
    entries = json.loads((folder / LIST).read_text(encoding="utf-8"))
    return [
        Measured(**entry, content=(folder / f"{entry['name']}.onnx").read_bytes())
        for entry in entries
    ]
