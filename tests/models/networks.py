"""Little ONNX networks with the shapes of real ones, whose answers can be worked out by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def constant_network(
    side_px: int, answers: Mapping[str, np.ndarray], batch: int | str = "batch"
) -> bytes:
    """(n, 3, side, side) in; out, whatever is in the picture, each (1, ...) answer n times.

    A picture whose mean is far out (above 1e6) answers with infinity instead.
    """
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "huge"], ["little"]),
        helper.make_node("Exp", ["little"], ["factor"]),
    ]
    constants = [numpy_helper.from_array(np.array(1e6, np.float32), "huge")]
    outputs = []
    for name, answer in answers.items():
        ones = np.array([-1] + [1] * (answer.ndim - 1), np.int64)
        constants += [
            numpy_helper.from_array(ones, f"{name} shape"),
            numpy_helper.from_array(answer.astype(np.float32), f"{name} values"),
        ]
        nodes += [
            helper.make_node("Reshape", ["factor", f"{name} shape"], [f"{name} factor"]),
            helper.make_node("Mul", [f"{name} factor", f"{name} values"], [name]),
        ]
        outputs.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *answer.shape[1:]])
        )
    return whole(nodes, side_px, batch, outputs, constants)


def channel_network(side_px: int, batch: int | str = "batch", dimensions: int = 3) -> bytes:
    """The mean of each channel (RGB or BGR, whatever the reader puts first), and zeros after that."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Pad", ["means", "pads"], ["vectors"]),
    ]
    pads = np.array([0, 0, 0, dimensions - 3], np.int64)
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [batch, dimensions])]
    return whole(nodes, side_px, batch, outputs, [numpy_helper.from_array(pads, "pads")])


def whole(
    nodes: Sequence[object],
    side_px: int,
    batch: int | str,
    outputs: Sequence[object],
    constants: Sequence[object],
) -> bytes:
    """The bytes of a network with the one input `images`."""
    shape = [batch, 3, side_px, side_px]
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "by hand", [taken], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
