"""What is done with a file that an operator brings before it is kept: converted, loaded or read once."""

from importlib import import_module
from pathlib import Path

from models.errors import ModelFileError
from models.manifest import ModelFile
from models.objects.settings import parse_settings
from models.runtimes.onnx_file import require_whole

CONVERTERS = {
    "l2cs-to-onnx": "models.export.l2cs:l2cs_to_onnx",
    "sixdrepnet-to-onnx": "models.export.sixdrepnet:sixdrepnet_to_onnx",
}
"""A manifest's `convert` -> `module:function` from the bytes of a checkpoint to those of an ONNX file."""

STARTS_OF_A_CHECKPOINT = (b"PK\x03\x04", b"\x80\x02")
"""torch's archive, and its format before 1.6; an ONNX file starts with neither."""


def taken_in(file: ModelFile, content: bytes) -> bytes:
    """The bytes to keep: as they are, or a checkpoint's network as ONNX.

    Raises:
        ModelFileError: They are damaged, of another network or kind, settings that are wrong, or torch is
            needed and absent; or an ONNX file has weights in another file.
    """
    if file.runtime == "none" and file.task == "objects":
        parse_settings(content, file.id)
    if file.runtime != "onnx":
        return content
    if content.startswith(STARTS_OF_A_CHECKPOINT):
        if file.convert is None:
            raise ModelFileError(f"{file.id} is wanted as ONNX: this is a torch checkpoint")
        module, name = CONVERTERS[file.convert].split(":")
        converted: bytes = getattr(import_module(module), name)(content)
        content = converted
    from models.runtimes.engines import CpuEngine  # ONNX Runtime comes with it

    require_whole(file.id, content)
    CpuEngine(file.id, content)
    return content


def looked_through(file: ModelFile, folder: Path) -> None:
    """Look at a folder before it is copied; without torch.

    Raises:
        ModelFileError: It is no pipeline that can be loaded, or one that would fetch a part of it.
    """
    if file.task == "speakers" and folder.is_dir() and any(folder.iterdir()):
        from models.runtimes.pyannote import check_folder

        check_folder(file.id, folder)
