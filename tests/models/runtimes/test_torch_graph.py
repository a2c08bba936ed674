"""torch runs the same graphs as ONNX Runtime, operator by operator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from models.catalogue import Catalogue
from models.runtimes.engines import CpuEngine
from models.runtimes.torch_graph import TorchGraph, UnknownOperator, plain
from models.runtimes.torch_run import TorchRun


def network(*nodes: object, **constants: np.ndarray) -> bytes:
    """x (n, 4, h, w) -> y through these nodes."""
    graph = helper.make_graph(
        list(nodes),
        "some",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


RANDOM = np.random.default_rng(3)
WEIGHT = RANDOM.standard_normal((6, 2, 3, 3)).astype(np.float32)
SLOPES = np.array([[[0.1]], [[0.2]], [[0.3]], [[0.4]]], np.float32)


@pytest.mark.parametrize(
    "content",
    [
        network(
            helper.make_node("Conv", ["x", "w"], ["y"], group=2, strides=[2, 1], pads=[1, 0, 2, 1]),
            w=WEIGHT,
        ),
        network(helper.make_node("PRelu", ["x", "s"], ["y"]), s=SLOPES),
        network(
            helper.make_node(
                "MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
            )
        ),
        network(
            helper.make_node(
                "Resize",
                ["x", "", "s"],
                ["y"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            s=np.array([1, 1, 2, 2], np.float32),
        ),
        network(
            helper.make_node("Slice", ["x", "a", "b", "c", "d"], ["y"]),
            a=np.array([1, 0]),
            b=np.array([3, -1]),
            c=np.array([1, 3]),
            d=np.array([1, 2]),
        ),
        network(
            helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["t", "shape"], ["r"]),
            helper.make_node("Softmax", ["r"], ["y"], axis=-1),
            shape=np.array([0, -1, 2]),
        ),
        network(helper.make_node("Gather", ["x", "i"], ["y"], axis=1), i=np.array([[0, -1]])),
        network(
            helper.make_node("Clip", ["x", "low"], ["c"]),
            helper.make_node("Pad", ["c", "pads", "value"], ["y"]),
            low=np.array(-0.5, np.float32),
            pads=np.array([0, 0, 1, 2, 0, 0, 0, 3]),
            value=np.array(0.25, np.float32),
        ),
        network(
            helper.make_node("ReduceL2", ["x"], ["l"], axes=[1, 2], keepdims=0),
            helper.make_node("Unsqueeze", ["l", "axes"], ["y"]),
            axes=np.array([0, -1]),
        ),
    ],
    ids=["conv", "prelu", "pool", "resize", "slice", "reshape", "gather", "clip", "reduce"],
)
def test_an_operator_answers_as_in_onnx_runtime(content: bytes) -> None:
    x = RANDOM.standard_normal((2, 4, 10, 10)).astype(np.float32)
    (expected,) = CpuEngine("some", content).run({"x": x}, borrow=False)
    (told,) = TorchGraph(plain(content, 2, 10)).run(torch.from_numpy(x))
    assert told.shape == expected.shape
    assert told.numpy() == pytest.approx(expected, abs=1e-5)


def test_an_operator_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownOperator, match="GlobalLpPool"):
        TorchGraph(plain(network(helper.make_node("GlobalLpPool", ["x"], ["y"])), 1, 8))


@pytest.mark.weights
def test_the_face_embedding_comes_out_the_same(models_dir: Path) -> None:
    content = Catalogue(models_dir).read("face-embedding")
    images = RANDOM.random((2, 3, 150, 150), np.float32) * 255
    (expected,) = CpuEngine("face-embedding", content).run({"images": images}, borrow=False)
    with torch.no_grad():
        (told,) = TorchGraph(plain(content, 2, 150)).run(torch.from_numpy(images))
    assert told.numpy() == pytest.approx(expected, abs=1e-5)


def test_a_run_answers_what_it_was_given_and_can_be_repeated() -> None:
    content = network(helper.make_node("PRelu", ["x", "s"], ["y"]), s=SLOPES)
    x = RANDOM.standard_normal((2, 4, 6, 6)).astype(np.float32)
    run = TorchRun(plain(content, 2, 6), {"x": x}, device="cpu")
    (expected,) = CpuEngine("some", content).run({"x": x}, borrow=False)
    assert run.first[0] == pytest.approx(expected, abs=1e-6)
    run()
    run()
