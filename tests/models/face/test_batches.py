"""Many faces in one run of a network: who can, who cannot, and one that spoils it."""

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import TensorProto, helper

from models.convert.free_batch import with_free_batch
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.batches import head_poses, probabilities
from models.face.mesh import FaceMesh
from models.face.minifasnet import MiniFasNet
from models.runtimes.engines import CpuEngine
from proctor.domain.geometry import Box, HeadPose
from proctor.domain.media import Image
from tests.models.test_minifasnet import CALIBRATION

PICTURE: Image = np.zeros((4, 4, 3), np.uint8)


class OneByOne:
    """Reads the yaw out of a mesh's presence; 13 is no answer."""

    producers = ()

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        if mesh.presence == 13:
            raise ModelOutputInvalid("unlucky")
        return HeadPose(mesh.presence, 0.0, 0.0)


class Together(OneByOne):
    """The same in one run, which an unlucky one spoils."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def estimate_all(self, faces: Sequence[tuple[Image, FaceMesh]]) -> list[HeadPose]:
        self.runs.append(len(faces))
        return [self.estimate(*face) for face in faces]


def faces(*yaws: float) -> list[tuple[Image, FaceMesh]]:
    return [(PICTURE, FaceMesh(np.zeros((468, 3)), yaw)) for yaw in yaws]


def told(answers: Sequence[HeadPose | ModelOutputInvalid]) -> list[float | None]:
    return [None if isinstance(each, ModelOutputInvalid) else each.yaw_deg for each in answers]


@pytest.mark.parametrize("model", [OneByOne(), Together()])
def test_one_face_that_is_invalid_leaves_the_others_alone(model: OneByOne) -> None:
    assert told(head_poses(model, faces(1, 2, 3))) == [1, 2, 3]
    assert told(head_poses(model, faces(1, 13, 3))) == [1, None, 3]
    assert told(head_poses(model, [])) == []


def test_a_part_that_can_is_asked_once_and_a_single_face_is_no_batch() -> None:
    model = Together()
    head_poses(model, faces(1, 2, 3))
    head_poses(model, faces(1))
    assert model.runs == [3]


def graph(*nodes: object) -> bytes:
    made = helper.make_graph(
        list(nodes),
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])],
        [
            helper.make_tensor("shape", TensorProto.INT64, [2], [1, 6]),
            helper.make_tensor("flat", TensorProto.INT64, [2], [1, -1]),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("target", ["shape", "flat"])
def test_a_reshape_to_one_item_is_made_to_take_many(target: str) -> None:
    content = with_free_batch("one", graph(helper.make_node("Reshape", ["x", target], ["y"])))
    engine = CpuEngine("one", content)
    x = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    (answer,) = engine.run({"x": x}, borrow=False)
    assert np.array_equal(answer, x.reshape(3, 6))


def test_a_network_that_mixes_its_items_is_left_as_it_is() -> None:
    content = graph(
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "m"], ["d"]),
        helper.make_node("Add", ["x", "d"], ["s"]),
        helper.make_node("Reshape", ["s", "shape"], ["y"]),
    )
    assert with_free_batch("mixing", content) == content
    with pytest.raises(ModelFileError, match="mixing is no ONNX file"):
        with_free_batch("mixing", content[:-7])


def test_liveness_is_asked_for_all_faces_at_once() -> None:
    class Networks:
        """Answers each crop by its mean; remembers how many came together."""

        def __init__(self) -> None:
            self.runs: list[int] = []

        def run_many(self, inputs: dict[str, np.ndarray], *, finite: bool) -> dict[str, np.ndarray]:
            crops = inputs["input"]
            self.runs.append(len(crops))
            live = crops.mean(axis=(1, 2, 3)) / 255
            return {"logits": np.stack([0 * live, live, 0 * live], axis=1).astype(np.float32)}

    networks = Networks()
    model = MiniFasNet.__new__(MiniFasNet)
    model._calibration = CALIBRATION
    model._networks = [("near", 2.7, networks), ("wide", 4.0, networks)]  # type: ignore[list-item]
    bright = np.full((60, 60, 3), 255, np.uint8)
    middle, nothing = Box(0.4, 0.4, 0.2, 0.2), Box(0.4, 0.4, 0.0, 0.2)
    asked = [(bright, middle), (bright, nothing), (np.zeros_like(bright), middle)]
    light, wrong, dark = probabilities(model, asked)
    assert networks.runs == [2, 2]
    assert isinstance(wrong, ModelOutputInvalid)
    assert isinstance(light, float) and isinstance(dark, float) and light > dark
    assert light == pytest.approx(model.probability(bright, middle))
