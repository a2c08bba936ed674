"""An ONNX file that was exported for pictures of one size, made to take any.

Detectors are usually exported at 640x640 though nothing in a convolutional network asks for it: on
a picture of 320x240 that is five times the work. Bound to the size are only the input's dimensions
and the target sizes of the upsampling layers, which are whole multiples of what they enlarge. At
the size of the file the answers stay what they were (tests/models/face/test_free_size.py).
"""

from models.errors import ModelFileError

HEIGHT, WIDTH = 2, 3


def with_free_size(name: str, content: bytes) -> bytes:
    """The same network for any height and width that its strides divide.

    Args:
        name: Manifest id, for messages.
        content: An ONNX file whose first input is (batch, channels, height, width).

    Returns:
        `content` itself when its size is free already.

    Raises:
        ModelFileError: It is no ONNX file, it takes no picture, or it is bound to its size in
            another way.
    """
    import numpy as np
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ModelFileError(
            f"{name} is no ONNX file, or only a part of one: fetch or add it anew"
        ) from error
    graph = model.graph
    sides = list(graph.input[0].type.tensor_type.shape.dim) if graph.input else []
    if len(sides) != 4:
        raise ModelFileError(
            f"{name} takes no picture: its input has {len(sides)} dimensions, not 4"
        )
    if not (sides[HEIGHT].dim_value and sides[WIDTH].dim_value):
        return content
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelFileError(f"{name} is a broken ONNX file: fetch or add it anew") from error
    graph = model.graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    for node in graph.node:
        if node.op_type != "Resize" or len(node.input) < 4:
            continue
        before, after = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
        known = len(before) == len(after) > 0 and all(before)
        if not known or any(to == 0 or to % of for of, to in zip(before, after, strict=True)):
            raise ModelFileError(f"{name} enlarges to a size of its own: export it with free sizes")
        scales = np.array([to / of for of, to in zip(before, after, strict=True)], np.float32)
        node.input[2] = f"{node.output[0]}-scales"
        graph.initializer.append(onnx.numpy_helper.from_array(scales, node.input[2]))
        del node.input[3]
    for axis, side in ((HEIGHT, "height"), (WIDTH, "width")):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_param = side
    for output in graph.output:
        for side in output.type.tensor_type.shape.dim[:-1]:
            side.Clear()
    del graph.value_info[:]
    changed: bytes = model.SerializeToString()
    return changed
