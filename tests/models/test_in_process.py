"""What is refused at loading, and a model whose answers are not finite."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from models.catalogue import Catalogue
from models.errors import ModelFileAltered, ModelFileError, ModelFileMissing, ModelOutputInvalid
from models.face.dlib import EmbeddingModel
from models.in_process import InProcessPerception
from models.manifest import load_manifest
from models.readers import open_faces
from models.runtimes.litert import LitertModel
from models.runtimes.onnx import OnnxModel
from models.selection import select
from models.sources import digest_of
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.media import Image
from proctor.domain.perception import BodyAsk, FaceAsk, Fault, SpeechAsk
from tests.fakes.metrics import FakeMetrics


def embedding_of_logarithm(scale: float, dimensions: int = 128) -> bytes:
    """An ONNX model of the embedding's shape: log(scale * mean), NaN where that is negative."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["scaled"]),
        helper.make_node("Log", ["scaled"], ["log"]),
        helper.make_node("Unsqueeze", ["log", "one"], ["column"]),
        helper.make_node("Expand", ["column", "shape"], ["embeddings"]),
    ]
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [scale]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, dimensions]),
    ]
    graph = helper.make_graph(
        nodes,
        "log",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, 150, 150])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["b", dimensions])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_an_answer_that_is_not_finite_spoils_only_its_own_place() -> None:
    model = EmbeddingModel(embedding_of_logarithm(1.0))
    bright, black = np.full((150, 150, 3), 200, np.uint8), np.zeros((150, 150, 3), np.uint8)
    first, none, *rest = model.embed([bright, black, *[bright] * 7])
    assert isinstance(none, ModelOutputInvalid)
    assert not isinstance(first, ModelOutputInvalid)
    assert first == pytest.approx(np.log(200), rel=1e-5)
    assert len(rest) == 7 and not any(isinstance(each, ModelOutputInvalid) for each in rest)


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(
        ModelFileError, match=r"embeddings should be \(2, 128\), it answers \(2, 64\)"
    ):
        EmbeddingModel(embedding_of_logarithm(1.0, dimensions=64))


def test_inputs_that_a_model_refuses_are_told_as_such() -> None:
    model = OnnxModel("log", embedding_of_logarithm(1.0))
    with pytest.raises(ModelOutputInvalid):
        model.run({"images": np.zeros((1, 3, 10, 10), np.float32)})


def with_embedding(models_dir: Path, folder: Path, content: bytes) -> Catalogue:
    """A catalogue of the real pack but for its embedding model."""
    shutil.copytree(models_dir, folder, ignore=shutil.ignore_patterns(".lock", ".parts"))
    manifest = load_manifest()
    files = tuple(
        file.model_copy(update={"sha256": digest_of(content), "bytes": len(content)})
        if file.id == "face-embedding"
        else file
        for file in manifest.files
    )
    catalogue = Catalogue(folder, None, manifest.model_copy(update={"files": files}))
    catalogue.path("face-embedding").write_bytes(content)
    return catalogue


@pytest.mark.weights
def test_an_invalid_embedding_is_a_fault_of_that_picture(
    models_dir: Path, tmp_path: Path, astronaut: Image
) -> None:
    broken = embedding_of_logarithm(-1.0)
    reader = open_faces(select(), with_embedding(models_dir, tmp_path / "models", broken))
    picture = cv2.imencode(".png", astronaut)[1].tobytes()
    answer = reader.read(FaceAsk(picture=picture, embed=True))
    assert answer.fault is Fault.MODEL_OUTPUT_INVALID and answer.faces == ()
    assert reader.read(FaceAsk(picture=picture)).fault is None


@pytest.mark.weights
def test_a_litert_model_checks_its_outputs(catalogue: Catalogue) -> None:
    content = catalogue.read("iris")
    model = LitertModel("iris", content, [(1, 15)])
    assert model.input_shape == (1, 64, 64, 3)
    with pytest.raises(ModelOutputInvalid, match="not finite"):
        model.run(np.full(model.input_shape, np.nan, np.float32))
    (answer,) = model.run(np.zeros(model.input_shape, np.float32))
    assert answer.shape == (1, 15)
    with pytest.raises(ModelFileError, match="0 outputs"):
        LitertModel("iris", content, [(1, 99)])


@pytest.mark.weights
def test_the_conversion_gives_the_digest_of_the_manifest(models_dir: Path) -> None:
    assert Catalogue(models_dir).verify(["face-embedding"]) == {"face-embedding": "present"}


@pytest.mark.weights
async def test_only_the_groups_that_are_asked_for_are_loaded(models_dir: Path) -> None:
    with InProcessPerception(models_dir, frozenset({"speech"})) as speech:
        assert (await speech.speech([SpeechAsk(samples=np.zeros(512, np.float32))]))[
            0
        ].fault is None
        with pytest.raises(PerceptionUnavailable):
            await speech.faces([FaceAsk(picture=b"")])
        with pytest.raises(PerceptionUnavailable):
            await speech.bodies([BodyAsk(picture=b"")])


def test_a_group_that_is_unknown_or_has_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        InProcessPerception(tmp_path, frozenset({"smell"}))
    with pytest.raises(ModelFileError):
        InProcessPerception(tmp_path, frozenset({"words"}), select(instead={"words": "off"}))


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="proctor models fetch"):
        InProcessPerception(tmp_path)


@pytest.mark.weights
async def test_each_call_tells_its_size_and_how_long_it_took(models_dir: Path) -> None:
    metrics = FakeMetrics()
    with InProcessPerception(models_dir, frozenset({"speech"}), metrics=metrics) as speech:
        ask = SpeechAsk(samples=np.zeros(512, np.float32))
        await speech.speech([ask, ask])
        with pytest.raises(PerceptionUnavailable):
            await speech.faces([FaceAsk(picture=b"")])
    assert metrics.observations[("perception_batch_size", (("group", "speech"),))] == [2]
    [took_s] = metrics.observations[("perception_seconds", (("group", "speech"),))]
    assert took_s > 0
    assert metrics.counted("perception_failures", group="face") == 1


@pytest.mark.weights
def test_altered_weights_are_never_loaded(models_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(models_dir / "voice", tmp_path / "voice")
    path = next((tmp_path / "voice").iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileAltered):
        InProcessPerception(tmp_path, frozenset({"speech"}))
