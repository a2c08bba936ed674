"""An ONNX file whose weights lie elsewhere is refused when it is brought and when it is loaded."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.runtimes.onnx import OnnxModel
from models.runtimes.onnx_file import require_whole
from tests.models.networks import channel_network

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WEIGHTS = numpy_helper.from_array(np.arange(4, dtype=np.float32), "weights")


def elsewhere() -> Any:
    """A tensor that says its numbers lie in the file `weights.bin`."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def adding(weights: Any) -> Any:
    """(n, 4) -> that and the weights."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "weights"], ["y"])],
        "add",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def in_a_branch(model: Any) -> None:
    branch = helper.make_graph([], "branch", [], [], [elsewhere()])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch))


def in_branches(model: Any) -> None:
    branch = helper.make_graph([], "branch", [], [], [elsewhere()])
    model.graph.node.append(helper.make_node("Own", ["x"], ["z"], branches=[branch]))


def in_a_constant(model: Any) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["z"], value=elsewhere()))


def in_a_list(model: Any) -> None:
    model.graph.node.append(helper.make_node("Own", [], ["z"], values=[elsewhere()]))


def in_a_sparse_one(model: Any) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(elsewhere())


def in_a_function(model: Any) -> None:
    node = helper.make_node("Constant", [], ["z"], value=elsewhere())
    model.functions.append(
        helper.make_function("own", "F", [], ["z"], [node], [helper.make_opsetid("", 17)])
    )


def in_training(model: Any) -> None:
    model.training_info.add().algorithm.initializer.append(elsewhere())


@pytest.mark.parametrize(
    "hide",
    [
        in_a_branch, in_branches, in_a_constant, in_a_list, in_a_sparse_one, in_a_function, in_training,
    ],
)  # fmt: skip
def test_weights_elsewhere_are_found_wherever_they_are_named(hide: Callable[[Any], None]) -> None:
    model = adding(WEIGHTS)
    require_whole("it", model.SerializeToString())
    hide(model)
    with pytest.raises(ModelFileError, match="external_data=False") as refused:
        require_whole("it", model.SerializeToString())
    assert "\n" not in refused.value.detail and refused.value.detail.startswith("it ")


def test_weights_of_the_working_folder_are_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    content = adding(elsewhere()).SerializeToString()
    with pytest.raises(ModelFileError, match="external_data=False"):
        OnnxModel("it", content)
    whole = OnnxModel("it", adding(WEIGHTS).SerializeToString())
    rows = np.zeros((1, 4), np.float32)
    assert whole.run({"x": rows})["y"].tolist() == [[0, 1, 2, 3]]


def test_a_network_with_weights_beside_it_is_not_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(channel_network(112))
    source = tmp_path / "mine.onnx"
    onnx.save(model, source, save_as_external_data=True, location="weights.bin", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    catalogue = Catalogue(tmp_path / "models")
    catalogue.accept("own-recogniser", by="tests", at=NOW)
    with pytest.raises(ModelFileError, match="external_data=False"):
        catalogue.add("arcface-file", source, NOW)
    assert not catalogue.path("arcface-file").exists() and not catalogue.records.brought
    onnx.save(onnx.load(source), source, save_as_external_data=False)
    catalogue.add("arcface-file", source, NOW)


@pytest.mark.parametrize("content", [b"\x18\0\0\0ORTM", b"\x3a\xff", b"\x0b\x0c", b"\xff" * 20])
def test_what_cannot_be_walked_is_refused_and_not_waved_through(content: bytes) -> None:
    with pytest.raises(ModelFileError, match="it is no ONNX model"):
        require_whole("it", content)
