"""Runs an ONNX graph with torch's own operators: for measuring on a GPU that ONNX Runtime cannot reach.

No reader uses this. Converters from ONNX to torch exist, but the one that is kept (onnx2torch) needs
torchvision, which does not import beside every torch; what is needed here is some thirty operators. The
graph is first made plain by ONNX Runtime for one batch size, so shapes are constants in it.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MOST_NUMBERS = 16

Attributes = Mapping[str, Any]
Operator = Callable[[Any, Attributes, Sequence[Any]], Any]


class UnknownOperator(Exception):
    """The graph has an operator that is not run here."""


def plain(content: bytes, batch: int, side: int) -> bytes:
    """The graph for this batch and side of picture, with everything folded that can be.

    ONNX Runtime's basic level keeps to ONNX's own operators.
    """
    import onnx
    import onnxruntime as ort

    model = onnx.load_from_string(content)
    fixed = {initializer.name for initializer in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in fixed:
            for at, dimension in enumerate(value.type.tensor_type.shape.dim):
                if not dimension.dim_value:
                    dimension.dim_value = side if at else batch
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "plain.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()


class TorchGraph:
    """A plain ONNX graph on a torch device.

    Attributes:
        inputs: Names of what `run` takes, in order.
    """

    def __init__(self, content: bytes, device: str = "cpu", half: bool = False) -> None:
        """Load.

        Args:
            content: As `plain` gives it.
            device: `cpu` or `cuda`.
            half: Weights and arithmetic in float16.

        Raises:
            UnknownOperator: There is an operator that is not run here.
        """
        import onnx
        import torch

        graph = onnx.load_from_string(content).graph
        self._torch = torch
        self._dtype = torch.float16 if half else torch.float32
        self._arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        self.inputs = [each.name for each in graph.input if each.name not in self._arrays]
        self._outputs = [each.name for each in graph.output]
        self._nodes: list[tuple[Operator, Attributes, list[str], list[str]]] = []
        for node in graph.node:
            attributes = {
                each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
            }
            if node.op_type == "Constant":
                self._arrays[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
                continue
            if node.op_type not in OPERATORS:
                raise UnknownOperator(node.op_type)
            operator = OPERATORS[node.op_type]
            self._nodes.append((operator, attributes, list(node.input), list(node.output)))
        self._weights = {
            name: torch.tensor(np.array(array), device=device, dtype=self._dtype)
            for name, array in self._arrays.items()
            if array.dtype.kind == "f"
        }
        # what parameters say must be known without asking the device: nobody may ask it while a CUDA
        # graph is captured
        for name, tensor in self._weights.items():
            if tensor.numel() <= MOST_NUMBERS:
                tensor.numbers = [float(each) for each in np.ravel(self._arrays[name])]
        self._constants = {
            name: Constant(array, device)
            for name, array in self._arrays.items()
            if name not in self._weights
        }

    def run(self, *inputs: Any) -> list[Any]:
        """The outputs, on the device and in its arithmetic; inputs in the order of `inputs`."""
        values: dict[str, Any] = self._weights | self._constants
        for name, each in zip(self.inputs, inputs, strict=True):
            values[name] = each.to(self._dtype)
        for operator, attributes, takes, gives in self._nodes:
            arguments = [values[name] if name else None for name in takes]
            told = operator(self._torch, attributes, arguments)
            made = told if isinstance(told, list | tuple) else [told]
            values.update(zip(gives, made, strict=False))
        return [values[name] for name in self._outputs]


class Constant:
    """Whole numbers of the graph: shapes, axes, pads, places.

    Attributes:
        numbers: They.
        index: They on the device, in their shape.
    """

    def __init__(self, array: np.ndarray, device: str) -> None:
        import torch

        self.numbers: list[int] = [int(each) for each in np.ravel(array)]
        self.index = torch.tensor(np.array(array, np.int64), device=device)


def _numbers(value: Any) -> list[Any]:
    """Constants of whole numbers, or weights that are parameters (a Resize's scales), as a list."""
    return list(value.numbers)


def _axes(attributes: Attributes, arguments: Sequence[Any]) -> list[int]:
    if len(arguments) > 1 and arguments[1] is not None:
        return _numbers(arguments[1])
    return [int(axis) for axis in attributes.get("axes", [])]


def _spatial(attributes: Attributes, count: int) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads (as torch's F.pad wants them, last side first)."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise UnknownOperator("auto_pad")
    strides = list(attributes.get("strides", [1] * count))
    dilations = list(attributes.get("dilations", [1] * count))
    pads = list(attributes.get("pads", [0] * (2 * count)))
    around = [pads[at + side * count] for at in reversed(range(count)) for side in (0, 1)]
    return strides, dilations, around


def _conv(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, weight, *bias = arguments
    count = weight.dim() - 2
    strides, dilations, around = _spatial(attributes, count)
    function = torch.nn.functional.conv2d if count == 2 else torch.nn.functional.conv1d
    same = all(low == high for low, high in zip(around[::2], around[1::2], strict=True))
    if not same:
        x = torch.nn.functional.pad(x, around)
    padding = list(reversed(around[::2])) if same else 0
    groups = attributes.get("group", 1)
    return function(x, weight, bias[0] if bias else None, strides, padding, dilations, groups)


def _max_pool(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    (x,) = arguments
    strides, dilations, around = _spatial(attributes, 2)
    x = torch.nn.functional.pad(x, around, value=float("-inf"))
    return torch.nn.functional.max_pool2d(
        x,
        list(attributes["kernel_shape"]),
        strides,
        0,
        dilations,
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    (x,) = arguments
    strides, _, around = _spatial(attributes, 2)
    if any(around):
        if not attributes.get("count_include_pad", 0):
            raise UnknownOperator("AveragePool with padding that does not count")
        x = torch.nn.functional.pad(x, around)
    return torch.nn.functional.avg_pool2d(
        x,
        list(attributes["kernel_shape"]),
        strides,
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
        count_include_pad=False,
    )


def _pad(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x = arguments[0]
    if attributes.get("mode", b"constant") != b"constant":
        raise UnknownOperator("Pad that is not constant")
    pads = _numbers(arguments[1]) if len(arguments) > 1 else list(attributes["pads"])
    value = attributes.get("value", 0.0)
    if len(arguments) > 2 and arguments[2] is not None:
        value = _numbers(arguments[2])[0]
    count = len(pads) // 2
    around = [pads[at + side * count] for at in reversed(range(count)) for side in (0, 1)]
    return torch.nn.functional.pad(x, around, value=value)


def _resize(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, _, scales, *sizes = arguments
    mode = attributes.get("mode", b"nearest")
    if mode != b"nearest":
        raise UnknownOperator(f"Resize ({mode.decode()})")
    if sizes and sizes[0] is not None:
        return torch.nn.functional.interpolate(x, size=_numbers(sizes[0])[2:], mode="nearest")
    return torch.nn.functional.interpolate(x, scale_factor=_numbers(scales)[2:], mode="nearest")


def _slice(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, *given = arguments
    told = [_numbers(each) if each is not None else [] for each in given]
    told = told or [list(attributes.get(name, [])) for name in ("starts", "ends", "axes")]
    first, last, axes, steps = (*told, [], [])[:4]
    axes = axes or list(range(len(first)))
    steps = steps or [1] * len(first)
    where = [slice(None)] * x.dim()
    for axis, start, end, step in zip(axes, first, last, steps, strict=True):
        if step < 1:
            raise UnknownOperator("Slice backwards")
        where[axis] = slice(start, end, step)
    return x[tuple(where)]


def _reshape(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, shape = arguments[0], _numbers(arguments[1])
    return x.reshape([x.shape[at] if side == 0 else side for at, side in enumerate(shape)])


def _squeeze(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x = arguments[0]
    axes = _axes(attributes, arguments) or [at for at, side in enumerate(x.shape) if side == 1]
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.squeeze(axis)
    return x


def _unsqueeze(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, axes = arguments[0], _axes(attributes, arguments)
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _gather(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, where = arguments
    axis = attributes.get("axis", 0) % x.dim()
    picked = x.index_select(axis, where.index.flatten() % x.shape[axis])
    return picked.reshape([*x.shape[:axis], *where.index.shape, *x.shape[axis + 1 :]])


def _gemm(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    a, b, *c = arguments
    a = a.t() if attributes.get("transA", 0) else a
    b = b.t() if attributes.get("transB", 0) else b
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product + attributes.get("beta", 1.0) * c[0] if c else product


def _split(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, axis = arguments[0], attributes.get("axis", 0)
    if len(arguments) > 1 and arguments[1] is not None:
        return torch.split(x, _numbers(arguments[1]), axis)
    if "split" in attributes:
        return torch.split(x, list(attributes["split"]), axis)
    return torch.chunk(x, attributes["num_outputs"], axis)


def _reduce(method: str) -> Operator:
    def reduce(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
        x = arguments[0]
        axes = _axes(attributes, arguments) or list(range(x.dim()))
        keep = bool(attributes.get("keepdims", 1))
        if method == "l2":
            return torch.linalg.vector_norm(x, dim=axes, keepdim=keep)
        return getattr(x, method)(dim=axes, keepdim=keep)

    return reduce


def _batch_norm(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, scale, shift, mean, variance = arguments
    epsilon = attributes.get("epsilon", 1e-5)
    return torch.nn.functional.batch_norm(x, mean, variance, scale, shift, eps=epsilon)


def _layer_norm(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, scale, *shift = arguments
    sides = list(x.shape[attributes.get("axis", -1) % x.dim() :])
    epsilon = attributes.get("epsilon", 1e-5)
    return torch.nn.functional.layer_norm(x, sides, scale, shift[0] if shift else None, epsilon)


def _clip(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, *limits = arguments
    low, high = (
        _numbers(each)[0] if each is not None else None for each in (*limits, None, None)[:2]
    )
    return torch.clamp(x, attributes.get("min", low), attributes.get("max", high))


def _prelu(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, slope = arguments
    return torch.where(x < 0, x * slope, x)


def _simple(function: Callable[..., Any]) -> Operator:
    return lambda torch, attributes, arguments: function(torch, *arguments)


def _softmax(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    return torch.softmax(arguments[0], attributes.get("axis", -1))


def _transpose(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    return arguments[0].permute(*attributes["perm"])


def _concat(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    return torch.cat(list(arguments), attributes["axis"])


def _leaky_relu(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    return torch.nn.functional.leaky_relu(arguments[0], attributes.get("alpha", 0.01))


def _flatten(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, axis = arguments[0], attributes.get("axis", 1)
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def _expand(torch: Any, attributes: Attributes, arguments: Sequence[Any]) -> Any:
    x, shape = arguments[0], _numbers(arguments[1])
    return x * torch.ones(shape, dtype=x.dtype, device=x.device)


OPERATORS: dict[str, Operator] = {
    "Add": _simple(lambda torch, a, b: a + b),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _simple(lambda torch, a, b: a / b),
    "Dropout": _simple(lambda torch, a, *_: a),
    "Erf": _simple(lambda torch, a: torch.erf(a)),
    "Exp": _simple(lambda torch, a: torch.exp(a)),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _simple(lambda torch, a: a.mean(dim=(2, 3), keepdim=True)),
    "Identity": _simple(lambda torch, a: a),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky_relu,
    "MatMul": _simple(lambda torch, a, b: a @ b),
    "MaxPool": _max_pool,
    "Mul": _simple(lambda torch, a, b: a * b),
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _simple(lambda torch, a, b: a**b),
    "ReduceL2": _reduce("l2"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": _simple(lambda torch, a: torch.relu(a)),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _simple(lambda torch, a: torch.sigmoid(a)),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _simple(lambda torch, a: torch.sqrt(a)),
    "Squeeze": _squeeze,
    "Sub": _simple(lambda torch, a, b: a - b),
    "Tanh": _simple(lambda torch, a: torch.tanh(a)),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
