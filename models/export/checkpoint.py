"""A torch checkpoint in, tensors out; a torch network in, ONNX out. torch is an extra.

Checkpoints are pickles, so they are opened with `weights_only=True` and never otherwise: what is
no tensor in one is refused by torch before it can run.
"""

import io
import logging
import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import ModelFileError

WRAPPERS = ("model_state_dict", "state_dict")
PARALLEL = "module."
EXAMPLES = 2
"""torch takes a free size of 1 for a constant, so the example is a batch of two."""


def torch_for(network: str) -> Any:
    """The torch package.

    Raises:
        ModelFileError: It is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelFileError(
            f"a checkpoint of {network} is converted with torch: install the extra `torch`, "
            "or bring the network as ONNX"
        ) from error
    return torch


def read_state(content: bytes, network: str) -> dict[str, Any]:
    """The tensors of a checkpoint by name, without the prefix that parallel training leaves.

    Raises:
        ModelFileError: It is damaged, or holds anything but tensors.
    """
    torch = torch_for(network)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OSError,
    ) as error:
        reason = (str(error) or type(error).__name__).partition("\n")[0].partition(". ")[0]
        raise ModelFileError(f"the checkpoint of {network} cannot be read: {reason}") from error
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(map(torch.is_tensor, loaded.values())):
        raise ModelFileError(
            f"this is no state dictionary of {network}: it holds more than tensors"
        )
    return {str(name).removeprefix(PARALLEL): tensor for name, tensor in loaded.items()}


def fill(network: Any, state: Mapping[str, Any], title: str) -> None:
    """Put the tensors into the network: each has its place, and each place has its tensor.

    Raises:
        ModelFileError: One is missing, left over, of another shape or not finite.
    """
    torch = torch_for(title)
    places = network.state_dict()
    for name, place in places.items():
        if name not in state:
            raise ModelFileError(f"the checkpoint is not one of {title}: {name} is missing")
        if state[name].shape != place.shape:
            found, wanted = tuple(state[name].shape), tuple(place.shape)
            raise ModelFileError(
                f"the checkpoint is not one of {title}: {name} is {found}, not {wanted}"
            )
        if place.is_floating_point() and not bool(torch.isfinite(state[name]).all()):
            raise ModelFileError(
                f"the checkpoint is damaged: {name} holds numbers that are not finite"
            )
    if left := sorted(set(state) - set(places)):
        raise ModelFileError(f"the checkpoint is not one of {title}: {left[0]} has no place in it")
    network.load_state_dict({name: state[name] for name in places})


def to_onnx(network: Any, side_px: int, outputs: Sequence[str]) -> bytes:
    """The network as ONNX: input `images` (batch, 3, side, side), the batch free.

    Raises:
        ModelFileError: torch's exporter is not installed whole.
    """
    import torch

    # it says once per operator of torchvision that torchvision is not installed
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    network.eval()
    example = torch.zeros(EXAMPLES, 3, side_px, side_px)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter about its own future
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                external_data=False,
                verbose=False,
            )
    except ImportError as error:
        raise ModelFileError(
            "torch's exporter needs onnxscript: install the extra `torch`"
        ) from error
    return bytes(program.model_proto.SerializeToString())
