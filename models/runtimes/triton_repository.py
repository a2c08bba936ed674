"""A Triton model repository made of the chosen networks: `<name>/config.pbtxt` and `<name>/<version>/`.

The networks are written as the readers would run them: exactly these bytes, whose digest goes into the
configuration under their version (models/runtimes/triton.py compares it). The configuration that names a
new version comes first and the version's folder gets its name last, so an export that is cut off leaves
the version before it to be served, under its own digest. Configurations are made with Triton's own
protobuf, so a field that Triton does not know cannot be written.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from models.errors import ModelFileError
from models.runtimes.placement import Device, Network, Tensor
from models.runtimes.triton import KINDS, digest_key, triton_name
from models.sources import digest_of, file_digest, write_verified

logger = logging.getLogger(__name__)

Backend = Literal["onnxruntime", "python"]

CONFIG = "config.pbtxt"
NETWORK = "model.onnx"
MODEL = "model.py"
PYTHON_MODEL = Path(__file__).with_name("triton_model.py")
QUEUE_DELAY_US = 2_000
"""How long Triton holds a request for others to join it: two milliseconds of a look that takes ten."""


def write_repository(
    folder: Path, networks: Sequence[Network], backend: Backend, device: Device = "cpu"
) -> dict[str, int]:
    """Write or renew a repository; a network that is there already is left as it is.

    Args:
        folder: Made when missing. Other models in it are not touched.
        networks: What is served.
        backend: Triton's `onnxruntime` backend, or the `python` one with ONNX Runtime in it, for
            servers that have only that (the one in the nvidia-pytriton wheel).
        device: `tensorrt` has Triton's ONNX Runtime compile the networks with TensorRT.

    Returns:
        Name in the repository -> version. A new version is written when the bytes have changed.

    Raises:
        ModelFileError: The extra `triton` is not installed, or the folder cannot be written.
    """
    written = {}
    try:
        for network in networks:
            home = folder / triton_name(network.name)
            versions = _versions(home)
            newest = max(versions, default=0)
            digest = digest_of(network.content)
            version = newest if versions.get(newest) == digest else newest + 1
            text = config_text(network, backend, device, versions | {version: digest})
            home.mkdir(parents=True, exist_ok=True)
            if backend == "python" and version == newest:
                _write(PYTHON_MODEL.read_bytes(), home / str(version) / MODEL)
            _write(text.encode(), home / CONFIG)
            if version != newest:
                _write_version(home, version, network.content, backend)
            written[home.name] = version
    except OSError as error:
        raise ModelFileError(f"{folder} cannot be written: {error.strerror}") from error
    return written


def config_text(
    network: Network,
    backend: Backend,
    device: Device = "cpu",
    digests: Mapping[int, str] | None = None,
) -> str:
    """`config.pbtxt` of a network.

    Args:
        network: What is served.
        backend: What runs it.
        device: See `write_repository`.
        digests: Version -> sha256 of every version that lies in the folder or is about to; default:
            version 1 is this network.

    Raises:
        ModelFileError: The extra is not installed.
    """
    try:
        from google.protobuf import text_format
        from tritonclient.grpc import model_config_pb2 as proto
    except (ImportError, RuntimeError) as error:
        raise ModelFileError(
            "a Triton repository needs Triton's protobuf: pip install 'rayproctor[triton]'"
        ) from error
    batched = all(_is_batched(each) for each in [*network.inputs, *network.outputs])
    config = proto.ModelConfig(
        name=triton_name(network.name),
        backend=backend,
        max_batch_size=network.serving.batch_gpu if batched else 0,
        default_model_filename=NETWORK if backend == "onnxruntime" else MODEL,
    )
    for version, digest in (digests or {1: digest_of(network.content)}).items():
        config.parameters[digest_key(str(version))].string_value = digest
    for tensors, declared in ((network.inputs, config.input), (network.outputs, config.output)):
        for tensor in tensors:
            declared.add(
                name=tensor.name,
                data_type=proto.DataType.Value(KINDS[tensor.kind]),
                dims=_dims(tensor, batched),
            )
    if batched:
        config.dynamic_batching.max_queue_delay_microseconds = QUEUE_DELAY_US
    config.instance_group.add(count=1, kind=proto.ModelInstanceGroup.KIND_AUTO)
    if device == "tensorrt" and backend == "onnxruntime":
        _accelerate(config, network.serving.half)
    return str(text_format.MessageToString(config))


def _accelerate(config: Any, half: bool) -> None:
    accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(
        name="tensorrt"
    )
    accelerator.parameters["precision_mode"] = "FP16" if half else "FP32"
    accelerator.parameters["trt_engine_cache_enable"] = "true"


def _is_batched(tensor: Tensor) -> bool:
    return bool(tensor.shape) and not isinstance(tensor.shape[0], int)


def _dims(tensor: Tensor, batched: bool) -> list[int]:
    sides = tensor.shape[1:] if batched else tensor.shape
    dims = [side if isinstance(side, int) else -1 for side in sides]
    return dims or [1]


def _versions(home: Path) -> dict[int, str]:
    """Version -> sha256 of what lies there; Triton serves the highest, and folders of other names never."""
    return {
        int(path.parent.name): file_digest(path)
        for path in home.glob(f"*/{NETWORK}")
        if path.parent.name.isdecimal() and not path.parent.name.startswith("0")
    }


def _write_version(home: Path, version: int, content: bytes, backend: Backend) -> None:
    """A version's folder, whole, and only then under its name."""
    unfinished = home / f".{version}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    _write(content, unfinished / NETWORK)
    if backend == "python":
        _write(PYTHON_MODEL.read_bytes(), unfinished / MODEL)
    place = home / str(version)
    shutil.rmtree(place, ignore_errors=True)  # a folder of that name has no network in it
    unfinished.replace(place)


def _write(content: bytes, path: Path) -> None:
    """Whole or not at all."""
    write_verified(content, path, digest_of(content))
