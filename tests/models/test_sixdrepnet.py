"""6DRepNet: six numbers to three angles, and the true network with random weights end to end."""

import importlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import ModelFileError, ModelOutputInvalid
from models.face.mesh import FaceMesh
from models.face.sixdrepnet import SixDRepNetPose, loose_region, matrix_of, pose_of, pose_of_matrix
from models.readers import open_faces
from models.selection import select
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk
from tests.models.networks import constant_network

ADDED_AT = datetime(2026, 11, 22, tzinfo=UTC)


def turned(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """About x, then y, then z, as 300W-LP's labels are made."""
    p, y, r = np.radians([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize("angles", [(0, 0, 0), (10, -35, 20), (-40, 80, -60), (5, -89, 3)])
def test_angles_come_back_in_our_signs(angles: tuple[float, float, float]) -> None:
    pitch, yaw, roll = angles
    pose = pose_of_matrix(turned(pitch, yaw, roll))
    assert (pose.pitch_deg, pose.yaw_deg, pose.roll_deg) == pytest.approx((-pitch, -yaw, roll))


def test_a_head_at_a_right_angle_still_has_a_yaw() -> None:
    pose = pose_of_matrix(turned(0, 90, 25))
    assert pose.yaw_deg == pytest.approx(-90) and pose.roll_deg == 0


def test_two_crooked_columns_of_any_length_are_a_rotation() -> None:
    wanted = turned(-12, 34, 5)
    six = np.concatenate([wanted[:, 0] * 3, wanted[:, 1] * 0.2 + wanted[:, 0] * 4])
    assert matrix_of(six) == pytest.approx(wanted)
    flat = pose_of([six[np.newaxis].astype(np.float32)])
    matrix = pose_of([wanted[np.newaxis].astype(np.float32)])
    for pose in (flat, matrix):
        told = (pose.pitch_deg, pose.yaw_deg, pose.roll_deg)
        assert told == pytest.approx((12, -34, 5), abs=1e-4)


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((1, 6)),
        np.array([[1.0, 0, 0, 2, 0, 0]]),
        np.full((1, 6), np.nan),
        np.ones((1, 3)),
        np.ones((2, 6)),
    ],
)
def test_what_is_no_rotation_is_refused(answer: np.ndarray) -> None:
    with pytest.raises(ModelOutputInvalid):
        pose_of([answer.astype(np.float32)])


def test_the_square_lies_in_the_middle_of_the_box_with_margins() -> None:
    region = loose_region(Box(0.4, 0.3, 0.2, 0.3), 500, 500)
    assert (region.x, region.y) == pytest.approx((250, 225))
    assert region.width == region.height == pytest.approx(min(100 + 60, 150 + 40))


def straight_mesh() -> FaceMesh:
    points = np.zeros((468, 3))
    points[:, 0], points[:, 1] = np.linspace(100, 200, 468), np.linspace(80, 220, 468)
    return FaceMesh(points, 1.0)


def brought(folder: Path, content: bytes) -> Catalogue:
    """A folder to which an operator brings this as 6DRepNet."""
    source = folder / "brought.pth"
    source.write_bytes(content)
    catalogue = Catalogue(folder / "models")
    catalogue.add("sixdrepnet", source, ADDED_AT)
    return catalogue


def test_an_onnx_that_ends_in_the_matrix_is_taken_as_it_is(tmp_path: Path) -> None:
    content = constant_network(224, {"rotation": turned(1, -20, 3)[np.newaxis]})
    catalogue = brought(tmp_path, content)
    assert catalogue.read("sixdrepnet") == content
    model = SixDRepNetPose(catalogue, ["sixdrepnet"])
    image = np.zeros((300, 300, 3), np.uint8)
    pose = model.estimate(image, straight_mesh())
    assert (pose.pitch_deg, pose.yaw_deg, pose.roll_deg) == pytest.approx((-1, 20, 3), abs=1e-3)
    many = model.estimate_all([(image, straight_mesh())] * 3)
    assert [each.yaw_deg for each in many] == pytest.approx([20] * 3, abs=1e-3)  # type: ignore[union-attr]


def test_another_onnx_is_told_when_it_is_loaded(tmp_path: Path) -> None:
    catalogue = brought(tmp_path, constant_network(224, {"angles": np.ones((1, 3))}))
    with pytest.raises(ModelFileError, match=r"not \(1, 6\) or \(1, 3, 3\)"):
        SixDRepNetPose(catalogue, ["sixdrepnet"])


@pytest.fixture(scope="module")
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture(scope="module")
def network(torch: Any) -> Any:
    """The true network with seeded random weights, such that what is in the picture still matters."""
    from models.export.sixdrepnet import network as untrained

    torch.manual_seed(0)
    made = untrained().eval()
    for layer in made.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    return made


def checkpoint(torch: Any, state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def converted(
    torch: Any, network: Any, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Catalogue:
    """The embedded pack and the random network, brought as a checkpoint of parallel training."""
    folder = tmp_path_factory.mktemp("sixdrepnet")
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    catalogue = brought(folder, checkpoint(torch, {"epoch": 3, "model_state_dict": state}))
    return Catalogue(catalogue.models_dir, str(models_dir))


def test_the_parameters_are_those_of_the_paper(network: Any) -> None:
    # RepVGG-B1g2 deployed has 41.36 M with its classifier of 2048 x 1000; here that is 2048 x 6
    count = sum(each.numel() for each in network.parameters())
    assert count == pytest.approx(41.36e6 - 2048 * 1000 + 2048 * 6, rel=1e-3)


@pytest.mark.weights
def test_the_converted_network_answers_as_torch_does(
    torch: Any, network: Any, converted: Catalogue, astronaut: Image
) -> None:
    from models.face import sixdrepnet

    converted.fetch(["embedded"])
    reader = open_faces(select("embedded", {"head_pose": "sixdrepnet"}), converted)
    seen = []
    plain = sixdrepnet.network_input

    def watched(image: Image, mesh: FaceMesh) -> np.ndarray:
        seen.append(plain(image, mesh))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sixdrepnet, "network_input", watched)
        picture = cv2.imencode(".png", astronaut[..., ::-1])[1].tobytes()
        answer = reader.read(FaceAsk(picture=picture))
    assert "sixdrepnet" in [made.model for made in answer.producers]
    (taken,) = seen
    with torch.no_grad():
        six = network(torch.from_numpy(taken)).numpy()
    expected = pose_of([six])
    head = answer.faces[0].head
    assert head is not None
    told = (head.yaw_deg, head.pitch_deg, head.roll_deg)
    assert told == pytest.approx(
        (expected.yaw_deg, expected.pitch_deg, expected.roll_deg), abs=1e-2
    )
    runtime = SixDRepNetPose(converted, ["sixdrepnet"])
    ((ours,),) = runtime._network.answers([taken])
    assert ours == pytest.approx(six, abs=1e-4)
    assert (
        np.abs(six - network(torch.zeros_like(torch.from_numpy(taken))).detach().numpy()).max()
        > 0.1
    )


def test_a_checkpoint_that_is_damaged_or_another_is_one_line(
    torch: Any, network: Any, tmp_path: Path
) -> None:
    state = network.state_dict()
    small = {name: tensor for name, tensor in state.items() if not name.startswith("layer")}
    holes = {name: tensor[:1] for name, tensor in state.items()}
    training = {"layer0.rbr_dense.conv.weight": torch.zeros(64, 3, 3, 3)}
    cases = {
        "layer0.rbr_reparam.weight is missing": checkpoint(torch, small),
        "is (1, 3, 3, 3), not (64, 3, 3, 3)": checkpoint(torch, holes),
        "in training form": checkpoint(torch, training),
        "cannot be read": checkpoint(torch, small)[:-200],
        "holds more than tensors": checkpoint(torch, {"epoch": 3}),
        "Weights only load failed": checkpoint(torch, {"code": io.BytesIO}),
    }
    for told, content in cases.items():
        with pytest.raises(ModelFileError) as caught:
            brought(tmp_path, content)
        assert told in caught.value.detail and "\n" not in caught.value.detail
    assert not (tmp_path / "models" / "sixdrepnet").exists()
