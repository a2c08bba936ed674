"""A network that was exported for one size takes any, and answers at its own as before."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.catalogue import Catalogue
from models.convert.free_size import with_free_size
from models.errors import ModelFileError
from models.runtimes.onnx import OnnxModel


def network(target: tuple[int, int], side: int | str = 8) -> bytes:
    """Halves a picture by averages and enlarges that to `target`."""
    sizes = numpy_helper.from_array(np.array([1, 3, *target], np.int64), "sizes")
    nodes = [
        helper.make_node("AveragePool", ["in"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["half", "", "", "sizes"], ["out"], mode="nearest"),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [sizes],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def answer(content: bytes, image: np.ndarray) -> np.ndarray:
    (told,) = OnnxModel("network", content).run({"in": image}).values()
    return told


def test_what_was_enlarged_to_a_size_is_enlarged_by_a_factor() -> None:
    small, large = (np.random.default_rng(0).random((1, 3, n, 24), np.float32) for n in (8, 16))
    bound = network((16, 16))
    free = with_free_size("network", bound)
    np.testing.assert_array_equal(answer(bound, small[..., :8]), answer(free, small[..., :8]))
    told = answer(free, large)
    assert told.shape == (1, 3, 64 // 2, 96 // 2)
    assert told[0, 0, :4, :4] == pytest.approx(large[0, 0, :2, :2].mean())


def test_a_network_of_free_size_is_left_as_it_is() -> None:
    content = network((8, 8), side="n")
    assert with_free_size("network", content) is content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (network((8, 8))[:-40], "no ONNX file, or only a part"),
        (b"no network at all", "no ONNX file, or only a part"),
        (b"", "takes no picture"),
        (network((9, 9)), "enlarges to a size of its own"),
    ],
)
def test_what_is_no_such_network_is_told_in_one_line(content: bytes, told: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        with_free_size("some-file", content)
    assert caught.value.detail.startswith("some-file")
    assert told in caught.value.detail and "\n" not in caught.value.detail


@pytest.mark.weights
@pytest.mark.parametrize("name", ["yunet-640", "scrfd", "retinaface"])
def test_the_real_ones_answer_at_their_own_size_as_before(
    detector_files: Catalogue, name: str
) -> None:
    content = detector_files.read(name)
    bound, free = OnnxModel(name, content), OnnxModel(name, with_free_size(name, content))
    (key,) = bound.inputs
    image = np.random.default_rng(1).normal(0, 40, (1, 3, 640, 640)).astype(np.float32)
    told, expected = free.run({key: image}), bound.run({key: image})
    for output, values in expected.items():
        np.testing.assert_allclose(told[output], values, rtol=1e-4, atol=1e-4)
    quarter = free.run({key: np.ascontiguousarray(image[:, :, :256, :320])})
    cells = sum(values.shape[1] for values in expected.values())
    assert sum(values.shape[1] for values in quarter.values()) * 5 == cells
    assert onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim[2].dim_value
