"""L2CS-Net: bins to angles, signs, closed eyes, and the true network with random weights end to end."""

import importlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.catalogue import Catalogue
from models.errors import LicenceNotAccepted, ModelFileError, ModelOutputInvalid
from models.face import l2cs
from models.face.l2cs import BINS, L2csGaze, angle_deg, gaze_of
from models.face.mesh import FaceMesh, Irises
from models.readers import open_faces
from models.selection import select
from proctor.domain.geometry import Gaze
from proctor.domain.media import Image
from proctor.domain.perception import FaceAsk
from tests.models.networks import constant_network

ADDED_AT = datetime(2026, 11, 22, tzinfo=UTC)


def peaks(**shares: float) -> np.ndarray:
    """(1, 90) logits whose softmax is these shares of bins (`b45=0.5`), and nothing elsewhere."""
    logits = np.full((1, BINS), -1000.0, np.float32)
    for name, share in shares.items():
        logits[0, int(name[1:])] = np.log(share)
    return logits


@pytest.mark.parametrize(
    ("shares", "angle"),
    [
        ({"b0": 1.0}, -180),
        ({"b45": 1.0}, 0),
        ({"b89": 1.0}, 176),
        ({"b45": 0.5, "b46": 0.5}, 2),
        ({"b40": 0.25, "b44": 0.75}, 0.25 * -20 + 0.75 * -4),
    ],
)
def test_the_angle_is_the_expected_bin(shares: dict[str, float], angle: float) -> None:
    assert angle_deg(peaks(**shares)[0]) == pytest.approx(angle, abs=1e-4)
    assert angle_deg(peaks(**shares)[0] + 700) == pytest.approx(angle, abs=1e-2)


def test_left_and_up_of_the_network_are_right_and_down_of_ours() -> None:
    # first output across, positive to the picture's left; second one up
    assert gaze_of([peaks(b50=1.0), peaks(b44=1.0)]) == Gaze(yaw_deg=-20, pitch_deg=4)


@pytest.mark.parametrize(
    "answers",
    [
        [np.zeros((1, BINS))],
        [np.zeros((1, BINS)), np.zeros((1, 28))],
        [np.zeros((1, BINS)), np.full((1, BINS), np.nan)],
        [np.zeros((1, BINS)), np.full((1, BINS), np.inf)],
    ],
)
def test_an_answer_that_is_none_is_refused(answers: list[np.ndarray]) -> None:
    with pytest.raises(ModelOutputInvalid):
        gaze_of([answer.astype(np.float32) for answer in answers])


def brought(folder: Path, content: bytes) -> Catalogue:
    """A folder to which an operator brings this as L2CS-Net, having accepted its terms."""
    source = folder / "brought.pkl"
    source.write_bytes(content)
    catalogue = Catalogue(folder / "models")
    catalogue.accept("gaze360-noncommercial", by="tests", at=ADDED_AT)
    catalogue.add("l2cs", source, ADDED_AT)
    return catalogue


def mesh(gap_px: float) -> FaceMesh:
    """Eyes of 40 px width that are open by so much."""
    points = np.zeros((468, 3))
    points[:, 0], points[:, 1] = np.linspace(100, 200, 468), np.linspace(80, 220, 468)
    for outer, inner, upper, lower, x in ((33, 133, 159, 145, 100), (263, 362, 386, 374, 160)):
        points[outer], points[inner] = (x, 120, 0), (x + 40, 120, 0)
        points[upper], points[lower] = (x + 20, 120 - gap_px / 2, 0), (x + 20, 120 + gap_px / 2, 0)
    return FaceMesh(points, 1.0)


def test_closed_eyes_are_not_asked_and_open_ones_keep_their_place(tmp_path: Path) -> None:
    network = constant_network(448, {"yaw": peaks(b50=1.0), "pitch": peaks(b44=1.0)})
    model = L2csGaze(brought(tmp_path, network), ["l2cs"])
    image, irises = np.zeros((300, 300, 3), np.uint8), Irises((0, 0), (0, 0))
    faces = [(image, mesh(gap), irises) for gap in (12, 2, 12)]
    first, closed, last = model.estimate_all(faces)
    assert closed is None and model.estimate(*faces[1]) is None
    for answer in (first, last, model.estimate(*faces[0])):
        assert isinstance(answer, Gaze)
        assert (answer.yaw_deg, answer.pitch_deg) == pytest.approx((-20, 4), abs=1e-3)


def test_the_networks_own_terms_come_first(tmp_path: Path) -> None:
    source = tmp_path / "l2cs.onnx"
    source.write_bytes(constant_network(448, {"yaw": peaks(b1=1.0), "pitch": peaks(b1=1.0)}))
    with pytest.raises(LicenceNotAccepted, match="gaze360-noncommercial"):
        Catalogue(tmp_path / "models").add("l2cs", source, ADDED_AT)


def test_a_network_with_other_bins_is_told_when_it_is_loaded(tmp_path: Path) -> None:
    other = constant_network(448, {"yaw": np.zeros((1, 28)), "pitch": np.zeros((1, 28))})
    with pytest.raises(ModelFileError, match=r"not twice \(1, 90\)"):
        L2csGaze(brought(tmp_path, other), ["l2cs"])


@pytest.fixture(scope="module")
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture(scope="module")
def network(torch: Any) -> Any:
    """The true network with seeded random weights, its logits of the order of a trained one's."""
    from models.export.l2cs import network as untrained

    torch.manual_seed(0)
    made = untrained().eval()
    for layer in made.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.3, 0.6)  # 16 blocks add up: keep them small
            torch.nn.init.normal_(layer.bias, std=0.1)
    return made


def checkpoint(torch: Any, state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def converted(
    torch: Any, network: Any, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Catalogue:
    """The random network as its authors would publish it: with a layer that nothing reads."""
    state = dict(network.state_dict())
    state |= {"fc_finetune.weight": torch.zeros(3, 2051), "fc_finetune.bias": torch.zeros(3)}
    folder = tmp_path_factory.mktemp("l2cs")
    catalogue = brought(folder, checkpoint(torch, state))
    return Catalogue(catalogue.models_dir, str(models_dir))


@pytest.mark.weights
def test_the_converted_network_answers_as_torch_does(
    torch: Any, network: Any, converted: Catalogue, astronaut: Image
) -> None:
    converted.fetch(["embedded"])
    reader = open_faces(select("embedded", {"gaze": "l2cs"}), converted)
    seen = []
    plain = l2cs.network_input

    def watched(image: Image, face: FaceMesh) -> np.ndarray:
        seen.append(plain(image, face))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(l2cs, "network_input", watched)
        picture = cv2.imencode(".png", astronaut[..., ::-1])[1].tobytes()
        answer = reader.read(FaceAsk(picture=picture))
    assert "l2cs" in [made.model for made in answer.producers]
    (taken,) = seen
    with torch.no_grad():
        logits = [each.numpy() for each in network(torch.from_numpy(taken))]
    assert all(0.1 < each.std() < 10 for each in logits)
    expected, gaze = gaze_of(logits), answer.faces[0].gaze
    assert gaze is not None
    told = (gaze.yaw_deg, gaze.pitch_deg)
    assert told == pytest.approx((expected.yaw_deg, expected.pitch_deg), abs=1e-2)
    (ours,) = L2csGaze(converted, ["l2cs"])._network.answers([taken])
    for mine, theirs in zip(ours, logits, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def test_a_checkpoint_of_another_network_is_one_line(
    torch: Any, network: Any, tmp_path: Path
) -> None:
    state = network.state_dict()
    fewer = {name: each[:28] if "_gaze" in name else each for name, each in state.items()}
    damaged = state | {"bn1.bias": torch.full((64,), float("nan"))}
    cases = {
        "fc_yaw_gaze.weight is (28, 2048), not (90, 2048)": checkpoint(torch, fewer),
        "bn1.bias holds numbers that are not finite": checkpoint(torch, damaged),
        "extra.weight has no place in it": checkpoint(
            torch, state | {"extra.weight": torch.ones(1)}
        ),
        "cannot be read": checkpoint(torch, state)[:1_000_000],
    }
    for told, content in cases.items():
        with pytest.raises(ModelFileError) as caught:
            brought(tmp_path, content)
        assert told in caught.value.detail and "\n" not in caught.value.detail
