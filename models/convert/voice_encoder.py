"""Resemblyzer's voice encoder as ONNX, built from its checkpoint with `onnx.helper` alone.

Three LSTM layers (40 mel bands, then 256), the last hidden state of the last one, a linear layer,
ReLU, unit length (Wan et al. 2018, Generalized end-to-end loss for speaker verification). torch
keeps an LSTM's gates in the order input, forget, cell, output; ONNX wants input, output, forget,
cell, and both biases in one row.

The same bytes in give the same bytes out, so the result has a digest of its own in the manifest.
Equal to torch's answers within 1e-4 (tests/models/test_voice_encoder.py).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.convert.torch_checkpoint import read_state
from models.errors import ModelFileAltered

Floats = npt.NDArray[np.float32]

MELS = 40
HIDDEN = 256
EMBEDDING = 256
LAYERS = 3
GATES_OF_TORCH = ("input", "forget", "cell", "output")
GATES_OF_ONNX = ("input", "output", "forget", "cell")
OPSET = 17
IR_VERSION = 8


def voice_encoder_to_onnx(content: bytes) -> bytes:
    """The bytes of the ONNX model.

    Input `mels` (batch, frames, 40) float32, output `embeddings` (batch, 256) of unit length (not
    finite where the last layer is silent for every feature).

    Raises:
        ModelFileAltered: The checkpoint is not the network this knows.
    """
    from onnx import TensorProto, helper, numpy_helper

    state = read_state(content, "model_state")
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, values: npt.NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        name = next(output for output in outputs if output)
        nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return name

    x = node("Transpose", ["mels"], ["frames_first"], perm=[1, 0, 2])
    for layer in range(LAYERS):
        width = MELS if layer == 0 else HIDDEN
        weights = [
            constant(f"w{layer}", _gates(_tensor(state, f"lstm.weight_ih_l{layer}", width))[None]),
            constant(f"r{layer}", _gates(_tensor(state, f"lstm.weight_hh_l{layer}", HIDDEN))[None]),
            constant(f"b{layer}", _biases(state, layer)[None]),
        ]
        last = layer == LAYERS - 1
        outputs = ["", f"last{layer}"] if last else [f"all{layer}"]
        x = node("LSTM", [x, *weights], outputs, hidden_size=HIDDEN)
        # a direction axis: (frames, 1, batch, hidden) of all states, (1, batch, hidden) of the last
        axis = constant(f"axis{layer}", np.array([0 if last else 1], np.int64))
        x = node("Squeeze", [x, axis], [f"hidden{layer}"])
    linear = [
        constant("linear.weight", _shaped(state, "linear.weight", (EMBEDDING, HIDDEN))),
        constant("linear.bias", _shaped(state, "linear.bias", (EMBEDDING,))),
    ]
    x = node("Relu", [node("Gemm", [x, *linear], ["linear"], transB=1)], ["features"])
    length = node("ReduceL2", [x], ["length"], axes=[1], keepdims=1)
    node("Div", [x, length], ["embeddings"])
    graph = helper.make_graph(
        nodes,
        "resemblyzer_voice_encoder",
        [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["batch", "frames", MELS])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", EMBEDDING])],
        constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="rayproctor",
    )
    return bytes(model.SerializeToString(deterministic=True))


def _shaped(state: dict[str, Floats], name: str, shape: tuple[int, ...]) -> Floats:
    found = state.get(name)
    if found is None or found.shape != shape:
        raise ModelFileAltered(f"the voice encoder's checkpoint has no {name} of shape {shape}")
    return found


def _tensor(state: dict[str, Floats], name: str, width: int) -> Floats:
    return _shaped(state, name, (4 * HIDDEN, width))


def _gates(values: Floats) -> Floats:
    """Rows of four gates in torch's order, put into ONNX's."""
    of = dict(zip(GATES_OF_TORCH, np.split(values, 4), strict=True))
    return np.concatenate([of[gate] for gate in GATES_OF_ONNX])


def _biases(state: dict[str, Floats], layer: int) -> Floats:
    both = [_shaped(state, f"lstm.bias_{of}_l{layer}", (4 * HIDDEN,)) for of in ("ih", "hh")]
    return np.concatenate([_gates(each) for each in both])
