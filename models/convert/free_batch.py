"""An ONNX file that was exported for one item at a time, made to take many in one run.

On a GPU a run of thirty-two costs little more than a run of one. Bound to the batch are usually only the
declared shapes and the targets of reshapes; whether anything else is, is found out by running the
result: what does not answer for two items as it does for each alone is left as it was.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.errors import ModelFileError, ModelOutputInvalid

TOLERANCE = 1e-5


def with_free_batch(name: str, content: bytes) -> bytes:
    """The same network for any number of items; `content` itself when that cannot be had.

    Args:
        name: Manifest id, for messages.
        content: An ONNX file whose inputs all have one item first.

    Raises:
        ModelFileError: It is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ModelFileError(
            f"{name} is no ONNX file, or only a part of one: fetch or add it anew"
        ) from error
    graph = model.graph
    fixed = {initializer.name for initializer in graph.initializer}
    inputs = [each for each in graph.input if each.name not in fixed]
    sides = [each.type.tensor_type.shape.dim for each in inputs]
    if not sides or any(not side or side[0].dim_value != 1 for side in sides):
        return content
    for each in [*inputs, *graph.output]:
        if each.type.tensor_type.shape.dim:
            each.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]
    constants = {each.name: each for each in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            target = constants[node.input[1]]
            shape = onnx.numpy_helper.to_array(target).copy()
            if len(shape) and shape[0] == 1:
                shape[0] = 0 if -1 in shape else -1  # 0 keeps the side that comes in
                target.CopyFrom(onnx.numpy_helper.from_array(shape, target.name))
    freed: bytes = model.SerializeToString()
    return freed if _same(content, freed) else content


def _same(content: bytes, freed: bytes) -> bool:
    """Whether two items in one run are answered as each alone."""
    from models.runtimes.engines import CpuEngine, nothing

    try:
        alone, together = CpuEngine("file", content), CpuEngine("freed", freed)
        random = np.random.default_rng(1)
        items = [_filled(nothing(alone.inputs), random) for _ in range(2)]
        both = {name: np.concatenate([item[name] for item in items]) for name in items[0]}
        told = together.run(both, borrow=False)
        expected = [alone.run(item, borrow=False) for item in items]
    except (ModelFileError, ModelOutputInvalid):
        return False
    return all(
        answer.shape[:1] == (2,)
        and np.allclose(answer, np.concatenate(each), rtol=TOLERANCE, atol=TOLERANCE)
        for answer, *each in zip(told, *expected, strict=True)
    )


def _filled(zeros: Mapping[str, Any], random: np.random.Generator) -> dict[str, Any]:
    return {name: random.random(each.shape).astype(each.dtype) for name, each in zeros.items()}
