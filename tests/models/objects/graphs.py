"""Detectors of known answers: ONNX graphs that give constants, or look at one pixel of their input."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.generic]


def constant(
    outputs: Mapping[str, Array],
    shape: Sequence[int | str] = (1, 3, 64, 64),
    kind: int = TensorProto.FLOAT,
    declared: Mapping[str, Sequence[int | str]] | None = None,
) -> bytes:
    """A network that takes a picture and always answers the same; NaN when anything in it is over 0.9."""
    nodes = [
        helper.make_node(
            "Constant",
            [],
            [f"{name}_"],
            value=numpy_helper.from_array(np.asarray(value), f"{name}_v"),
        )
        for name, value in outputs.items()
    ]
    # the input takes part, as in a network, and changes nothing
    nodes += [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["floats"], ["most"], keepdims=0),
        helper.make_node("Sub", ["limit", "most"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["nothing"]),
    ]
    for name, value in outputs.items():
        nodes.append(
            helper.make_node("Cast", ["nothing"], [f"{name}_0"], to=_kind(np.asarray(value)))
        )
        nodes.append(helper.make_node("Add", [f"{name}_", f"{name}_0"], [name]))
    return _model(
        nodes,
        shape,
        kind,
        {name: _kind(np.asarray(value)) for name, value in outputs.items()},
        {
            name: (declared or {}).get(name, np.asarray(value).shape)
            for name, value in outputs.items()
        },
    )


def brightest(size: int, box_px: float, classes: int, channel: int) -> bytes:
    """A YOLOv8-like network that finds one box, `box_px` wide, around the brightest pixel of a channel.

    Its score is the brightness (0..1) and its class 1. So a wrong letterbox, order of channels, scale or
    layout moves the box or changes the score.
    """
    nodes = [
        helper.make_node("Slice", ["images", "from", "to", "axis"], ["plane"]),
        helper.make_node("Reshape", ["plane", "flat"], ["row"]),
        helper.make_node("ReduceMax", ["row"], ["score"], axes=[1], keepdims=1),
        helper.make_node("ArgMax", ["row"], ["at"], axis=1, keepdims=1),
        helper.make_node("Cast", ["at"], ["place"], to=TensorProto.FLOAT),
        helper.make_node("Mod", ["place", "side"], ["column"], fmod=1),
        helper.make_node("Sub", ["place", "column"], ["rest"]),
        helper.make_node("Div", ["rest", "side"], ["line"]),
        helper.make_node("Add", ["column", "half"], ["x"]),
        helper.make_node("Add", ["line", "half"], ["y"]),
        helper.make_node(
            "Concat", ["x", "y", "box", "none", "score", *["none"] * (classes - 2)], ["all"], axis=1
        ),
        helper.make_node("Unsqueeze", ["all", "last"], ["output0"]),
    ]
    constants = {
        "from": np.array([channel], np.int64),
        "to": np.array([channel + 1], np.int64),
        "axis": np.array([1], np.int64),
        "flat": np.array([1, size * size], np.int64),
        "side": np.array([[size]], np.float32),
        "half": np.array([[0.5]], np.float32),
        "box": np.array([[box_px, box_px]], np.float32),
        "none": np.array([[0.0]], np.float32),
        "last": np.array([2], np.int64),
    }
    return _model(
        nodes,
        (1, 3, size, size),
        TensorProto.FLOAT,
        {"output0": TensorProto.FLOAT},
        {"output0": (1, 4 + classes, 1)},
        constants,
    )


def _kind(value: Array) -> int:
    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def _model(
    nodes: list[object],
    shape: Sequence[int | str],
    kind: int,
    kinds: Mapping[str, int],
    shapes: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Array] | None = None,
) -> bytes:
    kept = [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array(0.9, np.float32), "limit"),
    ]
    kept += [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", kind, list(shape))],
        [helper.make_tensor_value_info(name, kinds[name], list(shapes[name])) for name in kinds],
        kept,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())
