"""What a selection's networks are to a server: how each is run, and the bytes that are run."""

from models.catalogue import Catalogue
from models.readers import open_group
from models.runtimes.placement import Fallbacks, Network, Placement, Serving, placed
from models.selection import Selection


def serving_of(selection: Selection) -> dict[str, Serving]:
    """How each network of a selection is run, as the manifest says, by file id."""
    wanted = set(selection.files())
    return {
        file.id: Serving(**file.serving.model_dump())
        for file in selection.manifest.files
        if file.id in wanted
    }


def networks_of(selection: Selection, catalogue: Catalogue) -> tuple[Network, ...]:
    """The ONNX networks that a GPU or a server may run, each once, as their readers open them.

    Raises:
        ModelFileError: A file is missing, altered or not accepted.
    """
    found: dict[str, Network] = {}

    def keep(network: Network) -> None:
        if network.serving.gpu:
            found.setdefault(network.name, network)

    with placed(Placement(exports=keep, serving=serving_of(selection)), Fallbacks()):
        for group in selection.groups():
            open_group(selection, catalogue, group)
    return tuple(found.values())
