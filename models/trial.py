"""A file that an operator offers is opened by the very reader that will read it, before it is kept."""

from collections.abc import Sequence

from models.catalogue import Catalogue, FileState
from models.errors import ExtraMissing, ModelFileError
from models.manifest import Model, ModelFile
from models.readers import close_part, open_model
from models.selection import Selection
from models.sources import digest_of
from proctor.domain.observations import Producer


class _Offered(Catalogue):
    """A catalogue in which one file has the bytes that are offered."""

    def __init__(self, catalogue: Catalogue, file: ModelFile, content: bytes) -> None:
        super().__init__(catalogue.models_dir, None, catalogue.manifest)
        self._offered, self._content = file.id, content

    def read(self, name: str) -> bytes:
        return self._content if name == self._offered else super().read(name)

    def producer(self, name: str) -> Producer:
        if name != self._offered:
            return super().producer(name)
        digest = digest_of(self._content)
        return Producer(name, digest[:12], digest)


def opened(catalogue: Catalogue, file: ModelFile, content: bytes) -> None:
    """Open each model that the file makes whole, on the CPU, and close it again.

    A model of which the operator brings several files is opened when the last of them comes, and one
    of which another file is not here yet, or whose extra is not installed, at start only.

    Args:
        catalogue: Where the other files of a model are.
        file: What the bytes are offered as.
        content: As they would be kept.

    Raises:
        ModelFileError: The reader refuses them; in one line, with what it wants.
    """
    offered = _Offered(catalogue, file, content)
    for name, model in catalogue.manifest.models.items():
        if not _makes_whole(catalogue, file, model):
            continue
        try:
            close_part(
                open_model(Selection(catalogue.manifest, {model.task: name}), offered, model.task)
            )
        except ExtraMissing:
            continue
        except ModelFileError as error:
            raise ModelFileError(f"{error.detail}{_wanted(file)}") from error


def _makes_whole(catalogue: Catalogue, file: ModelFile, model: Model) -> bool:
    if file.id not in model.files:
        return False
    files: Sequence[ModelFile] = catalogue.files(model.files)
    brought = [each.id for each in files if each.is_operators]
    return brought[-1] == file.id and all(
        catalogue.state(each) is FileState.PRESENT for each in files if each.id != file.id
    )


def _wanted(file: ModelFile) -> str:
    if not (file.input and file.output):
        return ""
    return f"; {file.id} wants as input {file.input}, and as output {file.output}"
