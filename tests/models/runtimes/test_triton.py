"""A Triton server in front of the networks: what is written for it, and what it answers."""

import contextlib
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.in_process import InProcessPerception
from models.runtimes.onnx import OnnxModel
from models.runtimes.placement import Fallbacks, Network, Placement, Serving, Tensor, placed
from models.selection import select
from models.serving import networks_of
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk

pytest.importorskip("tritonclient.grpc", reason="the extra `triton` is not installed")

import grpc
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from models.runtimes.triton_repository import config_text, write_repository
from tests.fakes.triton_server import FakeTriton


def adder(amount: float, sides: tuple[int | str, ...] = ("n", 4)) -> bytes:
    """x -> x + amount."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "amount"], ["y"])],
        "add",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sides)],
        [helper.make_tensor("amount", TensorProto.FLOAT, [], [amount])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def network(amount: float = 1.0, batch: int = 4) -> Network:
    tensors = [(Tensor(name, ("n", 4), "tensor(float)"),) for name in ("x", "y")]
    return Network("adder", adder(amount), *tensors, Serving(batch_gpu=batch))


def opened(url: str, amount: float = 1.0) -> OnnxModel:
    with placed(Placement(triton_url=url, triton_within_s=5.0), Fallbacks()):
        return OnnxModel("adder", adder(amount))


ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


def test_a_repository_is_what_triton_calls_one(tmp_path: Path) -> None:
    assert write_repository(tmp_path, [network()], "onnxruntime") == {"proctor-adder": 1}
    home = tmp_path / "proctor-adder"
    assert (home / "1" / "model.onnx").read_bytes() == adder(1.0)
    config = model_config_pb2.ModelConfig()
    text_format.Parse((home / "config.pbtxt").read_text(), config)
    assert (config.name, config.backend, config.max_batch_size) == (
        "proctor-adder",
        "onnxruntime",
        4,
    )
    assert [(each.name, list(each.dims)) for each in [*config.input, *config.output]] == [
        ("x", [4]),
        ("y", [4]),
    ]
    assert config.HasField("dynamic_batching")
    assert write_repository(tmp_path, [network()], "onnxruntime") == {"proctor-adder": 1}
    assert write_repository(tmp_path, [network(2.0)], "python") == {"proctor-adder": 2}
    assert {each.name for each in (home / "2").iterdir()} == {"model.onnx", "model.py"}


def test_bytes_that_are_served_again_get_a_version_above_the_others(tmp_path: Path) -> None:
    for amount, version in ((1.0, 1), (2.0, 2), (1.0, 3), (1.0, 3)):
        assert write_repository(tmp_path, [network(amount)], "onnxruntime") == {
            "proctor-adder": version
        }
    with FakeTriton(tmp_path) as server:
        assert opened(server.url).run({"x": ROWS})["y"] == pytest.approx(ROWS + 1)


@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_an_export_that_is_cut_off_serves_nothing_under_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Everything gets its name by a rename, so what can be cut off lies between two of them."""
    write_repository(tmp_path, [network(1.0)], "onnxruntime")
    done, rename = 0, os.replace

    def cut_off(source: str, target: str) -> None:
        nonlocal done
        if done == renames:
            raise KeyboardInterrupt
        done += 1
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut_off)
        cut = contextlib.nullcontext() if renames == 3 else pytest.raises(KeyboardInterrupt)
        with cut:
            write_repository(tmp_path, [network(2.0)], "onnxruntime")
    assert done == renames
    served, other = (2.0, 1.0) if renames == 3 else (1.0, 2.0)
    with FakeTriton(tmp_path) as server:
        assert opened(server.url, served).run({"x": ROWS})["y"] == pytest.approx(ROWS + served)
        with pytest.raises(ModelFileError, match="serves other bytes as adder"):
            opened(server.url, other)

    assert write_repository(tmp_path, [network(2.0)], "onnxruntime") == {"proctor-adder": 2}
    names = {each.name for each in (tmp_path / "proctor-adder").iterdir()}
    assert names == {"1", "2", "config.pbtxt"}
    with FakeTriton(tmp_path) as server:
        assert opened(server.url, 2.0).run({"x": ROWS})["y"] == pytest.approx(ROWS + 2)


def test_a_version_folder_without_a_network_is_written_anew(tmp_path: Path) -> None:
    write_repository(tmp_path, [network(1.0)], "onnxruntime")
    (tmp_path / "proctor-adder" / "2").mkdir()
    (tmp_path / "proctor-adder" / "2" / "model.py").write_text("half an export")
    assert write_repository(tmp_path, [network(2.0)], "onnxruntime") == {"proctor-adder": 2}
    assert [each.name for each in (tmp_path / "proctor-adder" / "2").iterdir()] == ["model.onnx"]


def test_a_network_whose_batch_is_not_first_is_written_without_batches() -> None:
    state = Tensor("state", (2, None, 128), "tensor(float)")
    rate = Tensor("sr", (), "tensor(int64)")
    sound = Tensor("input", ("n", 576), "tensor(float)")
    config = model_config_pb2.ModelConfig()
    text = config_text(Network("voice", b"", (sound, state, rate), (sound,), Serving()), "python")
    text_format.Parse(text, config)
    assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    assert [list(each.dims) for each in config.input] == [[-1, 576], [2, -1, 128], [1]]


def test_tensorrt_is_asked_for_where_it_was_set() -> None:
    config = model_config_pb2.ModelConfig()
    text_format.Parse(config_text(network(), "onnxruntime", "tensorrt"), config)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt" and accelerator.parameters["precision_mode"] == "FP32"


def test_a_network_runs_on_the_server_in_batches_that_it_allows(tmp_path: Path) -> None:
    write_repository(tmp_path, [network()], "onnxruntime")
    with FakeTriton(tmp_path) as server:
        model = opened(server.url)
        assert model.inputs == {"x": ("batch", 4)} and model.outputs == ("y",)
        assert model.run_many({"x": ROWS})["y"] == pytest.approx(ROWS + 1)
        assert server.asked == [("proctor-adder", 4), ("proctor-adder", 4), ("proctor-adder", 2)]
        with pytest.raises(ModelOutputInvalid, match="adder could not be run by Triton"):
            model.run({"x": np.zeros((1, 3), np.float32)})
        with pytest.raises(ModelOutputInvalid, match="not finite"):
            model.run({"x": np.full((1, 4), np.nan, np.float32)})


def test_a_request_that_is_lost_is_made_once_more(tmp_path: Path) -> None:
    write_repository(tmp_path, [network()], "onnxruntime")
    with FakeTriton(tmp_path) as server:
        model = opened(server.url)
        server.fails = [grpc.StatusCode.UNAVAILABLE]
        assert model.run({"x": ROWS})["y"] == pytest.approx(ROWS + 1)
        server.fails = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
        with pytest.raises(PerceptionUnavailable, match="did not answer"):
            model.run({"x": ROWS})
        assert model.run({"x": ROWS})["y"] == pytest.approx(ROWS + 1)
    with pytest.raises(PerceptionUnavailable):
        model.run({"x": ROWS})


def test_a_server_that_serves_other_bytes_is_not_believed(tmp_path: Path) -> None:
    write_repository(tmp_path, [network(amount=2.0)], "onnxruntime")
    with FakeTriton(tmp_path) as server:
        with pytest.raises(ModelFileError, match="serves other bytes as adder") as told:
            opened(server.url)
        assert "export-triton" in told.value.detail and "\n" not in told.value.detail


def test_other_bytes_that_are_served_later_are_not_believed_either(tmp_path: Path) -> None:
    write_repository(tmp_path, [network()], "onnxruntime")
    with FakeTriton(tmp_path) as server:
        model = opened(server.url)
        write_repository(tmp_path, [network(2.0)], "onnxruntime")
        server.renew()
        for _ in range(2):
            with pytest.raises(PerceptionUnavailable, match="serves other bytes as adder"):
                model.run({"x": ROWS})
        write_repository(tmp_path, [network()], "onnxruntime")
        server.renew()
        assert model.run({"x": ROWS})["y"] == pytest.approx(ROWS + 1)


def test_a_server_that_was_exchanged_between_two_requests_is_noticed(tmp_path: Path) -> None:
    for amount in (1.0, 2.0):
        write_repository(tmp_path / str(amount), [network(amount)], "onnxruntime")
    with FakeTriton(tmp_path / "1.0") as server:
        model = opened(server.url)
        assert model.run({"x": ROWS})["y"] == pytest.approx(ROWS + 1)
        port = int(server.url.rpartition(":")[2])
    time.sleep(0.5)  # no server restarts faster
    with (
        FakeTriton(tmp_path / "2.0", port),  # the same version number, other bytes
        pytest.raises(PerceptionUnavailable, match="serves other bytes as adder"),
    ):
        model.run({"x": ROWS})


def test_a_server_without_the_network_or_none_at_all_is_one_line(tmp_path: Path) -> None:
    with FakeTriton(tmp_path) as server:
        with pytest.raises(ModelFileError, match="does not serve adder"):
            opened(server.url)
        url = server.url
    with pytest.raises(ModelFileError, match="no Triton server answers at"):
        opened(url)


@pytest.mark.weights
async def test_faces_are_embedded_by_the_server_as_they_are_here(
    models_dir: Path, astronaut: Image, tmp_path: Path
) -> None:
    networks = networks_of(select(), Catalogue(models_dir))
    names = {each.name for each in networks}
    assert "face-embedding" in names and "voice" not in names, "the voice detector stays here"
    write_repository(tmp_path, networks, "onnxruntime")
    ask = FaceAsk(picture=cv2.imencode(".png", astronaut)[1].tobytes(), embed=True)
    with InProcessPerception(models_dir, frozenset({"face"})) as here:
        (expected,) = await here.faces([ask])
    with FakeTriton(tmp_path) as server:
        there = Placement(triton_url=server.url, triton_within_s=10.0)
        with InProcessPerception(models_dir, frozenset({"face"}), placement=there) as far:
            server.asked.clear()
            answers = await far.faces([ask, ask])
            assert server.asked == [("proctor-face-embedding", 4)]
            server.fails = [grpc.StatusCode.UNAVAILABLE] * 2
            with pytest.raises(PerceptionUnavailable):
                await far.faces([ask])
    for answer in answers:
        assert answer.producers == expected.producers and not answer.fallback
        assert answer.faces[0].embedding == pytest.approx(expected.faces[0].embedding, abs=1e-5)
